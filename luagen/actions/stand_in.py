"""A response that stands in for failures of the application: constant, and kept by the response script."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_KEY_LENGTH = 16  # hexadecimal digits


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    on: tuple[int, ...]  # statuses of the application that it stands in for, ascending
    status: int
    body: bytes
    content_type: str
    retry_after_s: int | None

    @property
    def key(self) -> str:
        """What the request script calls it by. Equal ones have the same key, whatever their release."""
        parts = (self.on, self.status, self.content_type, self.retry_after_s, self.body)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:_KEY_LENGTH]
