"""What a user of this system may do with a file, by owners, groups and modes (no access lists)."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

READ, WRITE, SEARCH = 4, 2, 1  # as in modes; to connect to a socket is to write


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
