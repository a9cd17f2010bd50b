"""`python -m luagen`: the same as `lightgate`."""

from luagen.cli import main

main()
