"""`python -m sidecar`: the same as `lightgate-sidecar`."""

from sidecar.cli import main

main()
