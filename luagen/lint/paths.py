"""Constants that paths are compared with: what lighttpd makes of a path before any rule sees it."""

from __future__ import annotations

import re
from urllib.parse import unquote

from luagen.diagnostics import Bag, Code, quoted
from luagen.lint.literals import Compared, How

PATHS = ("request.path", "request.raw_path")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
# lighttpd resolves these (RFC 3986 section 5.2.4); what may go on after a `.` can be a name.
_REMOVED = re.compile(r"//|/\.\.?/")
_REMOVED_AT_END = re.compile(r"/\.\.?\Z")


def lint(found: Compared, bag: Bag) -> None:
    """Of a text that a path is compared with."""
    text = found.text
    if found.field == "request.path" and _ENCODED.search(text):
        bag.warning(
            Code.ENCODED_PATH,
            f"{quoted(text)} is percent-encoded, and `request.path` is decoded",
            found.span,
            help=f"write {quoted(unquote(text))}, or compare `request.raw_path`",
        )
    elif ";" in text:
        bag.warning(
            Code.PATH_PARAMETER,
            f"the `;` in {quoted(text)} is a character like any other here",
            found.span,
            help="applications that cut parameters off at `;` see another path than this rule does",
        )
    elif found.how in (How.WHOLE, How.BEGINNING) and text and not text.startswith("/"):
        if text != "*":  # of OPTIONS
            _impossible(found, "a path begins with `/`", f"write {quoted('/' + text)}", bag)
    elif _REMOVED.search(text) or (found.how in (How.WHOLE, How.END) and _REMOVED_AT_END.search(text)):
        _impossible(found, "lighttpd removes empty segments and dots from paths", None, bag)


def _impossible(found: Compared, why: str, help_text: str | None, bag: Bag) -> None:
    message = f"no path is like {quoted(found.text)}: {why}"
    bag.warning(Code.IMPOSSIBLE_PATH, message, found.span, help=help_text)
