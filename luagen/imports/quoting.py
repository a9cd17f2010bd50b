"""Text of other servers' files as constants of a policy: TOML, Python strings, regular expressions."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from luagen.imports.result import NotTranslatable

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def toml(text: str) -> str:
    """A TOML string of one line."""
    if ("\\" in text or '"' in text) and "'" not in text and _CONTROL.search(text) is None:
        return f"'{text}'"
    return key(text)


def key(text: str) -> str:
    """A TOML key, in quotes always: names of hosts have dots."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def constant(text: str) -> str:
    """A constant of an expression."""
    return json.dumps(text, ensure_ascii=False)


def pattern(regex: str) -> str:
    """A regular expression as a raw string where one can hold it."""
    if '"' not in regex and not regex.endswith("\\") and _CONTROL.search(regex) is None:
        return f'r"{regex}"'
    return constant(regex)


def strings(texts: list[str]) -> str:
    """A tuple of constants, for `in`."""
    return f"({', '.join(map(constant, texts))}{',' if len(texts) == 1 else ''})"


def comment(text: str) -> str:
    """Text for a comment: one line, without control characters (TOML has none in comments)."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", " "))


def url_text(text: str) -> str:
    """A constant URL as it may stand in `Location`: all but ASCII that may stand there percent-encoded."""
    if _CONTROL.search(text):
        raise NotTranslatable("a control character would stand in the target")
    return quote(text, safe="!#$%&'()+,-./:;=?@[]_~*")
