"""The credentials of a host: secrets that a policy names, one file each.

A secret is in one of two directories: as it is, in a file that only root can read, or encrypted by
`systemd-creds` for this machine. systemd hands both to the sidecar when it starts (`LoadCredential=` and
`LoadCredentialEncrypted=` of lightgate.service). Messages name credentials and files, never what is in them.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from luagen import durable
from luagen.check_auth import CREDENTIAL_NAME
from luagen.failure import Failure
from luagen.host import file_errors
from luagen.host.settings import HostSettings

MAX_BYTES = 64 * 1024  # as the sidecar's; an RSA key of 16,384 bits in PEM has 13 KiB
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600

# systemd binds the name into what it encrypts. For a directory loaded as `lightgate-sealed` it is
# this with the file's name.
_SEALED_NAME = "lightgate-sealed_{name}"
_HOST_KEY = Path("/var/lib/systemd/credential.secret")
_SEAL_TIMEOUT_S = 60  # a TPM takes seconds

# What `durable.replace` leaves when it is killed. systemd passes over names with a dot in front, so such a
# file does not keep the sidecar from starting.
_LEFT_OVER = re.compile(rf"\.{CREDENTIAL_NAME.pattern}\..{{8}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A credential's file, without its content. `size`: bytes of the file; `modified`: seconds since the
    epoch."""

    name: str
    path: Path
    sealed: bool
    size: int
    modified: float


def check_name(name: str) -> None:
    """Raises Failure when no policy could name a credential so. Does not repeat it: it may be the secret."""
    if CREDENTIAL_NAME.fullmatch(name) is None:
        raise Failure(
            "this cannot be the name of a credential",
            "a name starts with a small letter and has up to 64 of a-z, 0-9 and `-`; "
            "the secret itself comes from standard input",
        )


def without_line_end(secret: bytes) -> bytes:
    """A secret as it was piped or typed, without the one line end that `echo` and editors add.

    Raises Failure when nothing is left or it is too long.
    """
    if secret.endswith(b"\n"):
        secret = secret[:-2] if secret.endswith(b"\r\n") else secret[:-1]
    if not secret:
        raise Failure("the secret is empty", "nothing was stored")
    if len(secret) > MAX_BYTES:
        raise Failure(f"the secret is longer than {MAX_BYTES} bytes", "nothing was stored")
    return secret


def can_seal() -> bool:
    """Whether this machine has something to encrypt with that a copy of its disk has not, or at least a key
    of its own."""
    if shutil.which("systemd-creds") is None:
        return False
    if _HOST_KEY.exists():
        return True
    try:
        asked = subprocess.run(
            ["systemd-creds", "has-tpm2"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SEAL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def stored(settings: HostSettings) -> tuple[Stored, ...]:
    """Every credential, in order of name; one that is in both directories is there twice.

    Raises Failure when a directory cannot be read.
    """
    found = [
        *_stored_in(settings.credentials_directory, sealed=False),
        *_stored_in(settings.sealed_credentials_directory, sealed=True),
    ]
    return tuple(sorted(found, key=lambda one: (one.name, one.sealed)))


def set_new(settings: HostSettings, name: str, secret: bytes, *, plain: bool) -> Stored:
    """Stores a credential that is not there yet; sealed where this machine can, unless `plain`.

    Raises Failure: it is there, or cannot be stored. It is stored whole or not at all.
    """
    check_name(name)
    with _locked(settings):
        if any(one.name == name for one in stored(settings)):
            raise Failure(
                f"there is a credential `{name}` already",
                f"to give it another secret: lightgate credential rotate {name}",
            )
        sealed = not plain and can_seal()
        directory = settings.sealed_credentials_directory if sealed else settings.credentials_directory
        return _write(directory / name, secret, sealed=sealed)


def replace(settings: HostSettings, name: str, secret: bytes) -> Stored:
    """Stores another secret under a name that is there, where it is.

    Raises Failure: it is not there, or cannot be stored; then the one before is untouched.
    """
    check_name(name)
    with _locked(settings):
        there = [one for one in stored(settings) if one.name == name]
        if not there:
            raise Failure(f"there is no credential `{name}`", f"lightgate credential set {name}")
        if len(there) > 1:
            raise Failure(
                f"there are two credentials `{name}`",
                f"remove one: rm {there[0].path}, or rm {there[1].path}",
            )
        return _write(there[0].path, secret, sealed=there[0].sealed)


def remove(settings: HostSettings, name: str) -> tuple[Stored, ...]:
    """Removes a credential from where it is; from both directories if it is in both. Returns what was there.

    Raises Failure: it is not there, or cannot be removed.
    """
    check_name(name)
    with _locked(settings):
        there = tuple(one for one in stored(settings) if one.name == name)
        if not there:
            raise Failure(f"there is no credential `{name}`", "`lightgate credential list` shows which are")
        for one in there:
            try:
                one.path.unlink(missing_ok=True)
                durable.flush_directory(one.path.parent)
            except OSError as error:
                raise file_errors.failure(error, f"remove `{one.path}`") from error
    return there


# --- files -------------------------------------------------------------------------------------------


def _stored_in(directory: Path, *, sealed: bool) -> Iterator[Stored]:
    try:
        entries = [(path, path.lstat()) for path in sorted(directory.iterdir())]
    except FileNotFoundError:
        return
    except OSError as error:
        raise file_errors.failure(error, f"read `{directory}`") from error
    for path, status in entries:
        # Anything else is no credential: no policy can name it.
        if stat.S_ISREG(status.st_mode) and CREDENTIAL_NAME.fullmatch(path.name):
            yield Stored(
                name=path.name, path=path, sealed=sealed, size=status.st_size, modified=status.st_mtime
            )


@contextmanager
def _locked(settings: HostSettings) -> Iterator[None]:
    """Makes both directories and their modes right, keeps others from changing them, and removes what a
    command that was killed has left in them.

    Both must be there for systemd to start the sidecar, and a name may be in one of them only.
    """
    directories = (settings.credentials_directory, settings.sealed_credentials_directory)
    with ExitStack() as stack:
        try:
            for directory in directories:
                directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
                descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if stat.S_IMODE(os.fstat(descriptor).st_mode) != DIRECTORY_MODE:
                    os.fchmod(descriptor, DIRECTORY_MODE)
                for path in directory.iterdir():
                    if _LEFT_OVER.fullmatch(path.name):
                        path.unlink(missing_ok=True)
        except OSError as error:
            raise file_errors.failure(error, f"prepare `{directory}`") from error
        yield


def _write(target: Path, secret: bytes, *, sealed: bool) -> Stored:
    content = _sealed(target.name, secret) if sealed else secret
    try:
        durable.replace(target, content, FILE_MODE)
        status = target.stat()
    except OSError as error:
        raise file_errors.failure(error, f"write `{target}`") from error
    return Stored(name=target.name, path=target, sealed=sealed, size=status.st_size, modified=status.st_mtime)


def _sealed(name: str, secret: bytes) -> bytes:
    """The secret, encrypted for this machine; it goes through pipes, never through arguments or files."""
    command = ["systemd-creds", "encrypt", f"--name={_SEALED_NAME.format(name=name)}", "-", "-"]
    try:
        done = subprocess.run(
            command, input=secret, capture_output=True, timeout=_SEAL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure("cannot run `systemd-creds`", "--plain stores it in a file of mode 0600") from error
    if done.returncode != 0 or not done.stdout:
        # What it says is left out: nobody has promised that it never quotes its input.
        raise Failure(
            f"`systemd-creds encrypt` ends with {done.returncode}",
            "--plain stores it in a file of mode 0600",
        )
    return done.stdout
