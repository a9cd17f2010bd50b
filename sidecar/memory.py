"""Keeping what this process knows in this process: secrets must not end in a core dump."""

from __future__ import annotations

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # prctl(2), linux/prctl.h


def keep_private() -> None:
    """Forbids core dumps, and debuggers of the same user. Best effort: the unit forbids dumps as well."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # RLIMIT_CORE does not bind a collector that the kernel pipes dumps to; this does.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
