"""Keeping a secret that this process reads in this process: no core dump holds it."""

from __future__ import annotations

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # prctl(2), linux/prctl.h


def keep_private() -> None:
    """Forbids core dumps of this process and debuggers of its user; its children make no dumps either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # RLIMIT_CORE does not bind a collector that the kernel pipes dumps to; this does.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
