"""What a user of this system may do with a file, by owners, groups and modes (no access lists)."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READ, WRITE, SEARCH = 4, 2, 1  # as in modes; to connect to a socket is to write

_MAX_LINKS = 40  # as the kernel's


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int  # its own group
    gids: frozenset[int]  # all of its groups


def account(name: str) -> Account | None:
    """The user of that name; None when there is none."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, found.pw_uid, found.pw_gid, frozenset(os.getgrouplist(name, found.pw_gid)))


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def blocker(user: Account, path: Path, want: int) -> Path | None:
    """What keeps `user` from `path`: the first directory that it may not search, or `path` itself; None when
    nothing does.

    Links are followed. Raises OSError when this process may not look, or `path` is not there.
    """
    target = path.resolve(strict=True)
    ways = [*reversed(path.absolute().parents), *reversed(target.parents)]
    for directory in dict.fromkeys(ways):
        if not _may(user, directory, SEARCH):
            return directory
    return None if _may(user, target, want) else target


def openings(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Where on the way from / to what `path` names somebody else than root (and the user of this process) can
    put something else in place, each with its status: a directory or file that belongs to another user or
    that its group or others may write, sticky directories too; a link that belongs to another user.

    Links are looked at as links, then followed. Raises OSError when this process may not look, or something
    on the way is not there.
    """
    trusted = {0, os.geteuid()}
    for place in _way(path):
        status = place.lstat()
        writable = not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o022
        if status.st_uid not in trusted or writable:
            yield place, status


def _way(path: Path) -> Iterator[Path]:
    """Every name that the kernel looks up, in order, none of them below a link."""
    here = Path("/")
    yield here
    left = list(reversed(path.absolute().parts[1:]))
    links = 0
    while left:
        name = left.pop()
        if name == "..":
            here = here.parent
            continue
        place = here / name
        yield place
        if not place.is_symlink():
            here = place
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = place.readlink()
        if target.is_absolute():
            here = Path("/")
        left.extend(reversed([name for name in target.parts if name != "/"]))


def _may(user: Account, path: Path, want: int) -> bool:
    if user.uid == 0:
        return True
    status = path.stat()
    if status.st_uid == user.uid:
        granted = status.st_mode >> 6
    elif status.st_gid in user.gids:
        granted = status.st_mode >> 3
    else:
        granted = status.st_mode
    return granted & want == want
