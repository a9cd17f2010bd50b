"""Who the caller is, and its encoding in `LIGHTGATE_IDENTITY` (docs/internals.md, "Deferral")."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple, assert_never
from urllib.parse import quote

Claim = str | int | bool | tuple[str, ...]

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")


class Identity(NamedTuple):
    """A verified caller. `email` None: the issuer vouches for none. `roles`: each once, in token order.

    `claims`: JSON Pointer and value of those that the policy reads and the token has, in the policy's order.
    """

    provider: str
    sub: str
    email: str | None
    roles: tuple[str, ...]
    claims: tuple[tuple[str, Claim], ...] = ()


def encode(identity: Identity, release: str, members: Collection[str]) -> str:
    """Percent-encoded pairs, `release` first; `email` and `role` only when among `members`.

    Everything but the unreserved characters of RFC 3986 section 2.3 is encoded, so that the text is safe in
    a header field and a role, claim or subject can never look like another pair.
    """
    text = f"release={_quote(release)}&provider={_quote(identity.provider)}&sub={_quote(identity.sub)}"
    if "email" in members and identity.email is not None:
        text += f"&email={_quote(identity.email)}"
    if "role" in members and identity.roles:
        text += "&role=" + "&role=".join(map(_quote, identity.roles))
    return text + encode_claims(identity.claims) if identity.claims else text


def encode_claims(claims: tuple[tuple[str, Claim], ...]) -> str:
    """The pairs of claims, each with an ampersand before it."""
    return "".join(f"&{name}={_quote(value)}" for claim in claims for name, value in _claim_pairs(*claim))


def _claim_pairs(pointer: str, value: Claim) -> Iterator[tuple[str, str]]:
    """`claim` with pointer, space, letter of the type, and text; after that of an array, its elements."""
    spaceless = pointer.replace("%", "%25").replace(" ", "%20")
    match value:
        case bool():  # before int, which it is too
            yield "claim", f"{spaceless} b{value:d}"
        case int():
            yield "claim", f"{spaceless} i{value}"
        case str():
            yield "claim", f"{spaceless} s{value}"
        case tuple():
            yield "claim", f"{spaceless} l"
            for element in value:
                yield "element", element
        case _:
            assert_never(value)


def _quote(text: str) -> str:
    # Most texts have nothing to encode, and finding that out is cheaper than `quote`.
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")
