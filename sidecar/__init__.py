"""The daemon beside lighttpd: answers deferrals with an identity, or with the response to the client.

Data flows one way: bytes → Request → Decision → response bytes (docs/internals.md, "Deferral").
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lightgate")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
