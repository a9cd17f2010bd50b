"""What a server counts from one request to the next: token buckets, and lines for its error log."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor


@dataclass(frozen=True, slots=True)
class Taken:
    """`retry_after_s` is 0 when the request is within the limit."""

    allowed: bool
    remaining: int  # whole tokens left
    retry_after_s: int  # until there is a whole token again, rounded up


_MAX_LOG_LINES = 10  # in a second


class Limits:
    """The counters of one server. Exact: time and tokens are fractions."""

    def __init__(self) -> None:
        self._lines: tuple[int, int] = (0, 0)  # the second of the last line, and how many it had
        self._buckets: dict[tuple[str, bytes], tuple[Fraction, Fraction]] = {}  # tokens, and when that was

    def take(
        self, rule: str, key: bytes, now_s: Fraction | int, amount: int, period_s: int, burst: int
    ) -> Taken:
        now, rate = Fraction(now_s), Fraction(amount, period_s)
        tokens, then = self._buckets.get((rule, key), (Fraction(burst), now))
        tokens = min(Fraction(burst), tokens + max(Fraction(0), now - then) * rate)
        allowed = tokens >= 1
        if allowed:
            tokens -= 1
        self._buckets[rule, key] = (tokens, now)
        wait = 0 if allowed else ceil((1 - tokens) / rate)
        return Taken(allowed, floor(tokens), wait)

    def takes_line(self, now_s: int) -> bool:
        """Whether one more line for the error log is written in this second."""
        second, lines = self._lines
        lines = lines + 1 if second == now_s else 1
        self._lines = (now_s, lines)
        return lines <= _MAX_LOG_LINES
