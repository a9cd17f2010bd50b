"""Ctrl-C, a closed terminal and `kill` in the middle of a change: it goes back in order, once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raised_once() -> Iterator[None]:
    """The first of these signals raises KeyboardInterrupt where the program is; those after it are ignored,
    so that the way back is not interrupted. For the main thread."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _ignore()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ignored_afterwards() -> Iterator[None]:
    """Within `raised_once`: when the body has ended, well or not, these signals are ignored for the rest of
    it. One that comes before raises KeyboardInterrupt out of here."""
    try:
        yield
    finally:
        _ignore()


def _ignore() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
