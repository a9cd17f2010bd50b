"""Where a redirect may lead: the host in `Location` is fixed by the policy, or is the request's own."""

from __future__ import annotations

import re

from luagen.diagnostics import Bag, Code
from luagen.model import Concatenation, Expression, Field, Literal
from luagen.source import Span

_HELP = (
    "begin with `/` and a name, with `https://` and a host followed by `/`, or with `{request.path}`; "
    "`https://{request.host}{request.path}` keeps the host"
)
_SCHEME = re.compile(r"https?://")
# RFC 3986 section 3.2 without user information.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PATHS = ("request.path", "request.raw_path")  # lighttpd leaves one `/` at their beginning, never two


def check(to: Expression, span: Span, bag: Bag) -> bool:
    """Whether no client can choose the host of the target; otherwise that is reported."""
    parts = to.parts if isinstance(to, Concatenation) else (to,)
    reason = _reason(parts)
    if reason is not None:
        bag.error(Code.OPEN_REDIRECT, reason, span, help=_HELP)
    return reason is None


def _reason(parts: tuple[Expression, ...]) -> str | None:
    first, rest = parts[0], parts[1:]
    if _is_path(first):
        return None
    if not isinstance(first, Literal) or not isinstance(first.value, str):
        return "the client chooses where this redirect leads"
    text = first.value
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _relative_reason(text, rest)
    after = text[scheme.end() :]
    if not after:
        return _own_host_reason(scheme[0], rest)
    authority = _AUTHORITY.match(after)
    if authority is None:
        return "the target has no valid host after `//`"
    return _reason_after_host(after[authority.end() :], rest)


def _relative_reason(text: str, rest: tuple[Expression, ...]) -> str | None:
    if not text.startswith("/"):
        return "the target does not begin with `/`, `http://` or `https://`"
    if text[1:2] in ("/", "\\") and text[1:2]:
        return "browsers take what follows `//` for a host"
    if text == "/" and rest:
        return "a value that begins with `/` would make `//`, and browsers take what follows for a host"
    return None


def _own_host_reason(scheme: str, rest: tuple[Expression, ...]) -> str | None:
    match rest:
        case (Field(name="request.host"), *following) if scheme == "https://":
            match following:
                case [Literal(value=str(text)), *beyond]:
                    return _reason_after_host(text, tuple(beyond))
                case _:
                    return _reason_after_host("", tuple(following))
        case (Field(name="request.host"), *_):
            return "a redirect that keeps the host leads to `https`"
        case _:
            return "the client chooses the host of this redirect"


def _reason_after_host(text: str, rest: tuple[Expression, ...]) -> str | None:
    """`text` and `rest` follow a host that is complete only if nothing can lengthen it."""
    if text:
        return None if text.startswith("/") else "after the host stands `/`"
    if not rest or _is_path(rest[0]):
        return None
    return "a value directly after the host would become part of it"


def _is_path(part: Expression) -> bool:
    return isinstance(part, Field) and part.name in _PATHS
