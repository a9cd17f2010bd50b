"""Constants that hosts are compared with: requests have them in lower case and without port."""

from __future__ import annotations

import re

from luagen.check_sites import host_mistake
from luagen.diagnostics import Bag, Code, quoted
from luagen.lint.literals import Compared, How

_PORT = re.compile(r":[0-9]*\Z")


def lint(found: Compared, bag: Bag) -> None:
    """Of a text that the host is compared with."""
    mistake = _mistake(found.text, found.how)
    if mistake is not None:
        what, help_text = mistake
        message = f"no host is like {quoted(found.text)}, which {what}"
        bag.warning(Code.IMPOSSIBLE_HOST, message, found.span, help=help_text)


def _mistake(text: str, how: How) -> tuple[str, str] | None:
    if not text:
        return None  # a request without a host
    if how is How.WHOLE:
        if text.startswith("*."):
            return "is compared as it stands", f'write `request.host.endswith("{text[1:]}")`'
        return host_mistake(text)
    if text != text.lower():
        return "has capital letters", f"write {quoted(text.lower())}"
    if how is How.END and _PORT.search(text) and not text.startswith("["):
        return "has a port", "`request.port` tells ports apart"
    return None
