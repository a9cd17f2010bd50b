"""What a refusal of lightgate's own says: its content and the header fields that belong to it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from luagen import statuses
from luagen.reference.decision import Fields

NO_STORE = (b"cache-control", b"no-store")

_HTML = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{status} {title}</title>
<style>body{{font:1.1em/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em;color-scheme:light dark}}</style>
<h1>{title}</h1><p>{sentence}</p></html>
"""  # noqa: E501 - as sent


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is refused. `text`: a sentence without its capital and full stop; `code`: of RFC 6750
    section 3.1, None when the refusal is about no token."""

    text: str
    code: str | None = None


def content(problem: Problem, status: int, accept: bytes) -> tuple[Fields, bytes]:
    """Header fields and body, for people when the client names text/html in Accept."""
    if b"text/html" in accept:
        sentence = f"{problem.text[0].upper()}{problem.text[1:]}."
        page = _HTML.format(status=status, title=statuses.title(status), sentence=sentence)
        return (NO_STORE, (b"content-type", b"text/html; charset=utf-8")), page.encode()
    code = {} if problem.code is None else {"error": problem.code}
    document = {"status": status, **code, "error_description": problem.text}
    body = json.dumps(document, separators=(",", ":")) + "\n"
    return (NO_STORE, (b"content-type", b"application/json")), body.encode()


def challenge(problem: Problem, realm: bytes, scope: bytes | None) -> bytes:
    """WWW-Authenticate (RFC 6750 section 3): who has shown nothing is told no error."""
    value = b'Bearer realm="%s"' % realm
    if problem.code is None:
        return value
    value += b', error="%s", error_description="%s"' % (problem.code.encode(), problem.text.encode())
    return value if scope is None else value + b', scope="%s"' % scope
