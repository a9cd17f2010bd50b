"""One change of the release in force at a time. The lock is the kernel's, so it ends with its process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from luagen.failure import Failure
from luagen.host import clock, file_errors, operator

WAIT_S = 5.0  # another deploy may be in its last steps
_POLL_S = 0.1
_MAX_BYTES = 500  # of what the holder says about itself

# For its owner alone: whoever can open the file can lock it, and keep everybody from deploying.
_MODE = 0o600
_DIRECTORY_MODE = 0o755


@contextmanager
def exclusive(directory: Path, doing: str, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Holds the lock of a state directory, which is made when it is not there. `doing`: the command's name.

    Raises Failure when another process has it for longer than `wait_s`, or when there can be no lock.
    """
    path = directory / "lock"
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
            directory.chmod(_DIRECTORY_MODE)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    except OSError as error:
        raise file_errors.failure(error, f"write to `{directory}`") from error
    try:
        _acquire(descriptor, wait_s)
        # For whoever waits; not to be relied on: it outlives the lock.
        holder = f"`lightgate {doing}` of {operator.name()}, pid {os.getpid()}, {clock.text(clock.now())}"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode()[:_MAX_BYTES], 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                holder = os.pread(descriptor, _MAX_BYTES, 0).decode(errors="replace")
                raise Failure(
                    f"another command changes the release in force: {holder}", "wait for it, then try again"
                ) from None
            time.sleep(_POLL_S)
        else:
            return
