"""JSON Pointers (RFC 6901) to the claims that a policy reads. Pure.

They walk objects only: what stands at an index of an array is the issuer's accident.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

MAX_POINTER_BYTES = 256  # in UTF-8; claims are nested at most 10 deep, and their names are short

# RFC 6901 section 3, without the pointer to the whole document. A control character would not get through
# LIGHTGATE_IDENTITY.
_POINTER = re.compile(r"(?:/(?:[^/~\x00-\x1f\x7f]|~[01])*)+")


class Pointer(NamedTuple):
    """`text`: as the policy's release spells it. `path`: the member names, outermost first."""

    text: str
    path: tuple[str, ...]


def parse(text: str) -> Pointer | None:
    """The pointer that `text` spells; None when it spells none, or one that is too long."""
    if not _POINTER.fullmatch(text) or len(text.encode()) > MAX_POINTER_BYTES:
        return None
    # RFC 6901 section 4: `~1` first, or `~01` would become a slash.
    names = (name.replace("~1", "/").replace("~0", "~") for name in text.split("/")[1:])
    return Pointer(text, tuple(names))


def value_at(claims: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """What stands there; None (as for `null`) when a member on the way is missing or no object."""
    value: Any = claims
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
