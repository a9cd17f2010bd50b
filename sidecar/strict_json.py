"""JSON as lightgate accepts it from tokens and providers: what two parsers could read differently is refused.

Stricter than RFC 8259 where RFC 7519 section 4 and RFC 8725 leave room: UTF-8 only, one object at the top, no
member twice, nesting of at most 10, no NaN or infinities, no number of more than 15 digits (beyond that, two
implementations need not agree on its value), no lone surrogates. Does no I/O.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

JsonObject = dict[str, Any]

MAX_DEPTH = 10  # far more than any token or provider document needs
MAX_DIGITS = 15  # every integer of 15 digits is exact as a double

_WHITE_SPACE = " \t\n\r"  # RFC 8259 section 2


class JsonError(ValueError):
    """The text is not JSON as accepted here. The message never contains any of the text."""


def parse_object(data: bytes) -> JsonObject:
    """The object that `data` holds. Raises JsonError; callers bound the length of `data` first."""
    try:
        text = data.decode("utf-8").strip(_WHITE_SPACE)
        value, end = _DECODER.raw_decode(text)
    except UnicodeDecodeError:
        raise JsonError("not UTF-8") from None
    except RecursionError:
        raise JsonError("nested too deep") from None
    except JsonError:
        raise
    except ValueError:
        raise JsonError("not JSON") from None
    if end != len(text):
        raise JsonError("not JSON")
    if type(value) is not dict:
        raise JsonError("not a JSON object")
    # Brackets inside strings count too, so few of them prove that the nesting is fine without a walk.
    if text.count("{") + text.count("[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise JsonError("nested too deep")
    if "\\u" in text and _has_surrogate(value):
        raise JsonError("lone surrogate")
    return value


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonError("member given twice")
    return members


def _integer(text: str) -> int:
    if len(text) - (text[0] == "-") > MAX_DIGITS:
        raise JsonError("number of too many digits")
    return int(text)


def _fraction(text: str) -> float:
    if sum(map(str.isdigit, text)) > MAX_DIGITS:
        raise JsonError("number of too many digits")
    value = float(text)
    if value in (float("inf"), float("-inf")):  # such as 1e999
        raise JsonError("number out of range")
    return value


def _constant(_text: str) -> NoReturn:
    raise JsonError("not a JSON number")  # NaN and Infinity: Python's extension


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def _deeper_than(value: object, levels: int) -> bool:
    match value:
        case dict():
            return levels == 0 or any(_deeper_than(member, levels - 1) for member in value.values())
        case list():
            return levels == 0 or any(_deeper_than(element, levels - 1) for element in value)
        case _:
            return False


def _has_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
