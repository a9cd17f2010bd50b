"""What the file system refuses, as a failure that says what to do about it."""

from __future__ import annotations

import errno

from luagen.failure import Failure

_HELP = {
    errno.EACCES: "run it as root: sudo lightgate …",
    errno.EPERM: "run it as root: sudo lightgate …",
    errno.EROFS: "the file system is read-only: `mount` shows why",
    errno.ENOSPC: "the disk is full: `df -h` shows which",
    errno.EDQUOT: "the quota of the disk is used up: `quota` shows it",
}


def failure(error: OSError, doing: str) -> Failure:
    """A failure for `error`; `doing` completes "cannot …"."""
    reason = (error.strerror or str(error)).lower()
    path = f"`{error.filename}`: " if error.filename and str(error.filename) not in doing else ""
    return Failure(f"cannot {doing}: {path}{reason}", _HELP.get(error.errno or 0))
