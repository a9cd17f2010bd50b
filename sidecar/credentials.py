"""Finding the secrets that a configuration names (docs/internals.md, "sidecar.json").

In this order: systemd's credentials directory, a directory of files that only their owner can read, the
environment. The first place that has the name decides: a file that must not be used is a mistake, not a
reason to look further. One trailing line end is removed, because editors add it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_DIRECTORY = Path("/etc/lightgate/credentials")
# LoadCredential= of one file gives its name; of a directory (as in lightgate.service), ID_FILE.
_SYSTEMD_PREFIXES = ("", "lightgate_", "lightgate-sealed_")
MAX_BYTES = 64 * 1024  # an RSA key of 16,384 bits in PEM has 13 KiB


class CredentialsError(Exception):
    """Credentials that cannot be used. `mistakes`: a line for each, with all places looked at."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where to look. `environment` is the process environment, or a stand-in for it."""

    environment: Mapping[str, str] = field(repr=False)
    directory: Path = DEFAULT_DIRECTORY

    def find(self, names: Iterable[str]) -> dict[str, bytes]:
        """The credentials by name. Raises CredentialsError: all that are missing or must not be used."""
        found: dict[str, bytes] = {}
        mistakes: list[str] = []
        for name in dict.fromkeys(names):
            try:
                found[name] = self._find_one(name)
            except _Unusable as error:
                mistakes.append(f"credential `{name}`: {error}")
        if mistakes:
            raise CredentialsError(tuple(mistakes))
        return found

    def _find_one(self, name: str) -> bytes:
        looked: list[str] = []
        systemd = self.environment.get("CREDENTIALS_DIRECTORY")
        if systemd:
            for prefix in _SYSTEMD_PREFIXES:
                path = Path(systemd) / f"{prefix}{name}"
                # systemd guards this directory itself; modes there may show an ACL's mask, so they are not
                # checked.
                try:
                    secret = _read(path, check_mode=False)
                except PermissionError:
                    raise _Unusable(f"`{path}` cannot be read: permission denied") from None
                if secret is not None:
                    return _checked(secret, path)
            looked.append(f"`{Path(systemd) / name}`")
        path = self.directory / name
        try:
            secret = _read(path, check_mode=True)
        except PermissionError:
            # What systemd hands over it takes from here, as root; the directory is not for this process.
            if not systemd:
                raise _Unusable(f"`{path}` cannot be read: permission denied") from None
            secret = None
        if secret is not None:
            return _checked(secret, path)
        looked.append(f"`{path}`")
        variable = "LIGHTGATE_CREDENTIAL_" + name.upper().replace("-", "_")
        if variable in self.environment:
            return _checked(self.environment[variable].encode("utf-8", "surrogateescape"), f"${variable}")
        looked.append(f"`${variable}`")
        raise _Unusable("not found; looked at " + ", ".join(looked))


class _Unusable(Exception):
    pass


def _read(path: Path, *, check_mode: bool) -> bytes | None:
    """The content of a file, None when there is none of that name. Raises PermissionError."""
    try:
        # Non-blocking, so that a pipe in that place cannot hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise
    except OSError as error:
        raise _Unusable(f"`{path}` cannot be read: {error.strerror}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _Unusable(f"`{path}` is not a file")
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(status.st_mode)
        if check_mode and mode & 0o077:
            raise _Unusable(f"`{path}` has mode {mode:04o}; others than its owner must have no access (0600)")
        secret = file.read(MAX_BYTES + 1)
    if len(secret) > MAX_BYTES:
        raise _Unusable(f"`{path}` is longer than {MAX_BYTES} bytes")
    return secret


def _checked(secret: bytes, place: object) -> bytes:
    if secret.endswith(b"\n"):
        secret = secret[:-2] if secret.endswith(b"\r\n") else secret[:-1]
    if not secret:
        raise _Unusable(f"`{place}` is empty")
    return secret
