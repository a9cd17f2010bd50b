"""The functions of expressions: what each takes, what it gives, and what it means, by CPython itself.

One table for all stages: the checker turns Python's methods, operators and functions into calls of these,
constants are computed with them, the reference evaluation runs them, and the Lua runtime (`texts.lua`) does
the same under the same names. Strings are bytes, so methods are those of `bytes`: letters are ASCII.

Every function is total on its types: what would raise in Python has been refused by the checker (an empty
separator, a divisor that is not a constant) or reads as empty (a place that a text does not have).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from luagen.model import Type

Computed = bytes | int | bool | tuple[bytes, ...]

BLANKS = b" \t\n\r\x0b\x0c"  # what `strip()` and `split()` take for white space
TO_THE_END = 2**53 - 1  # as a slice's stop or a limit of `split` and `replace`: there is none
PERCENT_DIGITS = 7  # hexadecimal digits of the MD5 that `percent` looks at


@dataclass(frozen=True, slots=True)
class Builtin:
    name: str
    parameters: tuple[Type, ...]
    result: Type
    compute: Callable[..., Computed]


_TEXT, _NUMBER, _TRUTH, _TEXTS = Type.STRING, Type.INTEGER, Type.BOOLEAN, Type.STRINGS


def _split(text: bytes, separator: bytes, limit: int) -> tuple[bytes, ...]:
    return tuple(text.split(separator, -1 if limit == TO_THE_END else limit))


def _replace(text: bytes, old: bytes, new: bytes, limit: int) -> bytes:
    return text.replace(old, new, -1 if limit == TO_THE_END else limit)


def _item(text: bytes, place: int) -> bytes:
    return text[place : place + 1] if place != -1 else text[-1:]


def _item_of(texts: tuple[bytes, ...], place: int) -> bytes:
    return texts[place] if -len(texts) <= place < len(texts) else b""


def percent(key: bytes) -> int:
    """0 to 99, always the same for the same key, evenly spread over keys."""
    digest = hashlib.md5(key, usedforsecurity=False).hexdigest()
    return int(digest[:PERCENT_DIGITS], 16) % 100


def _between(minute: int, start: int, end: int) -> bool:
    """Minutes of a day, `end` not included; from evening to morning when `end` is not later."""
    return start <= minute < end if start < end else minute >= start or minute < end


_BUILTINS = (
    # text to text
    Builtin("lower", (_TEXT,), _TEXT, bytes.lower),
    Builtin("upper", (_TEXT,), _TEXT, bytes.upper),
    Builtin("strip", (_TEXT, _TEXT), _TEXT, bytes.strip),
    Builtin("lstrip", (_TEXT, _TEXT), _TEXT, bytes.lstrip),
    Builtin("rstrip", (_TEXT, _TEXT), _TEXT, bytes.rstrip),
    Builtin("removeprefix", (_TEXT, _TEXT), _TEXT, bytes.removeprefix),
    Builtin("removesuffix", (_TEXT, _TEXT), _TEXT, bytes.removesuffix),
    Builtin("replace", (_TEXT, _TEXT, _TEXT, _NUMBER), _TEXT, _replace),  # old: a constant, not empty
    Builtin("slice_text", (_TEXT, _NUMBER, _NUMBER), _TEXT, lambda text, start, stop: text[start:stop]),
    Builtin("item_of_text", (_TEXT, _NUMBER), _TEXT, _item),
    Builtin("format_text", (_TEXT, _TEXT), _TEXT, lambda text, spec: _formatted(text, spec)),
    Builtin("format_integer", (_NUMBER, _TEXT), _TEXT, lambda n, spec: format(n, spec.decode()).encode()),
    # text to sequences and back
    Builtin("split", (_TEXT, _TEXT, _NUMBER), _TEXTS, _split),  # separator: a constant, not empty
    Builtin("split_blanks", (_TEXT,), _TEXTS, lambda text: tuple(text.split())),
    Builtin("join", (_TEXT, _TEXTS), _TEXT, lambda separator, texts: separator.join(texts)),
    Builtin("slice_texts", (_TEXTS, _NUMBER, _NUMBER), _TEXTS, lambda texts, start, stop: texts[start:stop]),
    Builtin("item_of_texts", (_TEXTS, _NUMBER), _TEXT, _item_of),
    # about text
    Builtin("len_text", (_TEXT,), _NUMBER, len),
    Builtin("len_texts", (_TEXTS,), _NUMBER, len),
    Builtin("find", (_TEXT, _TEXT), _NUMBER, bytes.find),
    Builtin("rfind", (_TEXT, _TEXT), _NUMBER, bytes.rfind),
    Builtin("count", (_TEXT, _TEXT), _NUMBER, bytes.count),  # what is counted: a constant, not empty
    Builtin("isdigit", (_TEXT,), _TRUTH, bytes.isdigit),
    Builtin("isalpha", (_TEXT,), _TRUTH, bytes.isalpha),
    Builtin("isalnum", (_TEXT,), _TRUTH, bytes.isalnum),
    Builtin("isascii", (_TEXT,), _TRUTH, bytes.isascii),
    Builtin("islower", (_TEXT,), _TRUTH, bytes.islower),
    Builtin("isupper", (_TEXT,), _TRUTH, bytes.isupper),
    Builtin("isspace", (_TEXT,), _TRUTH, bytes.isspace),
    Builtin("percent", (_TEXT,), _NUMBER, percent),
    # numbers; the checker sees to it that no result leaves what every Lua holds exactly
    Builtin("add", (_NUMBER, _NUMBER), _NUMBER, lambda a, b: a + b),
    Builtin("subtract", (_NUMBER, _NUMBER), _NUMBER, lambda a, b: a - b),
    Builtin("multiply", (_NUMBER, _NUMBER), _NUMBER, lambda a, b: a * b),
    Builtin("floor_divide", (_NUMBER, _NUMBER), _NUMBER, lambda a, b: a // b),  # b: a constant, not 0
    Builtin("modulo", (_NUMBER, _NUMBER), _NUMBER, lambda a, b: a % b),  # b: a constant, not 0
    Builtin("negate", (_NUMBER,), _NUMBER, lambda a: -a),
    Builtin("minimum", (_NUMBER, _NUMBER), _NUMBER, min),
    Builtin("maximum", (_NUMBER, _NUMBER), _NUMBER, max),
    Builtin("between", (_NUMBER, _NUMBER, _NUMBER), _TRUTH, _between),
)
BUILTINS: dict[str, Builtin] = {builtin.name: builtin for builtin in _BUILTINS}


def _formatted(text: bytes, spec: bytes) -> bytes:
    """`[[fill]align][width][.precision]` on bytes, as Python formats a string of one character each."""
    return format(text.decode("latin-1"), spec.decode("latin-1")).encode("latin-1")
