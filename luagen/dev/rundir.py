"""Where development sessions live: one private directory each, with the record by which they are found.

$XDG_RUNTIME_DIR/lightgate/        or /tmp/lightgate-UID/; the user's own, mode 0700
    dev-XXXXXXXX/                  one running session; removed when it ends
        session.json               what `lightgate token` needs to know
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from luagen.failure import Failure

RECORD = "session.json"
RECORD_FORMAT = 1

# lighttpd takes socket paths of up to 105 bytes; below $XDG_RUNTIME_DIR come up to 40 of ours.
_LONGEST_RUNTIME_DIRECTORY = 65
# Paths that mean the same to lighttpd's configuration, Lua and a shell.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/-]*")


@dataclass(frozen=True, slots=True)
class AuthRecord:
    """What a token for one `[auth]` table of the session's policy has to look like."""

    name: str
    audience: tuple[str, ...]
    roles: tuple[str, ...]  # path to the roles in the claims
    provider: str | None  # issuer URL of its development identity provider


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A running `lightgate dev`, as other commands see it."""

    pid: int
    policy: str
    url: str
    auths: tuple[AuthRecord, ...]


def user_directory() -> Path:
    """The user's directory for sessions, made when it is not there.

    Raises Failure when somebody else could have put something into it: the name under /tmp is predictable.
    """
    for candidate in _candidates():
        try:
            candidate.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            continue
        found = candidate.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise Failure(f"`{candidate}` is not a directory of yours", "remove it, or set XDG_RUNTIME_DIR")
        if found.st_mode & 0o077:
            raise Failure(f"others can read `{candidate}`", f"chmod 700 {candidate}")
        return candidate
    raise Failure("no directory for the session's sockets", "set XDG_RUNTIME_DIR to a directory of yours")


def _candidates() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and len(runtime) <= _LONGEST_RUNTIME_DIRECTORY and _PLAIN_PATH.fullmatch(runtime):
        yield Path(runtime) / "lightgate"
    yield Path("/tmp") / f"lightgate-{os.getuid()}"  # noqa: S108 - owner and mode are checked


@contextmanager
def session_directory() -> Iterator[Path]:
    """A new private directory, removed with all in it at the end, like the user's when that is empty."""
    directory = Path(tempfile.mkdtemp(prefix="dev-", dir=user_directory()))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        with suppress(OSError):  # another session lives there
            directory.parent.rmdir()


def write_record(directory: Path, record: SessionRecord) -> None:
    """Makes the session findable; readers see the whole record or none."""
    temporary = directory / f".{RECORD}"
    temporary.write_text(json.dumps({"format": RECORD_FORMAT, **asdict(record)}))
    temporary.replace(directory / RECORD)


def running_sessions() -> list[SessionRecord]:
    """The user's running sessions, newest first. Records of ended processes are passed over."""
    found: list[tuple[int, SessionRecord]] = []
    for path in user_directory().glob(f"dev-*/{RECORD}"):
        try:
            record = _read_record(path)
            age_ns = path.stat().st_mtime_ns
        except (OSError, ValueError, KeyError, TypeError):
            continue  # just ended, or not ours: as good as not running
        if _is_alive(record.pid):
            found.append((age_ns, record))
    return [record for _, record in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _read_record(path: Path) -> SessionRecord:
    data = json.loads(path.read_text())
    if data["format"] != RECORD_FORMAT:
        raise ValueError("written by another version")
    return SessionRecord(
        pid=int(data["pid"]),
        policy=str(data["policy"]),
        url=str(data["url"]),
        auths=tuple(
            AuthRecord(
                str(auth["name"]),
                tuple(map(str, auth["audience"])),
                tuple(map(str, auth["roles"])),
                None if auth["provider"] is None else str(auth["provider"]),
            )
            for auth in data["auths"]
        ),
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
