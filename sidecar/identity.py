"""Who the caller is, and its encoding in `LIGHTGATE_IDENTITY` (docs/internals.md, "Deferral")."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import quote

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")


class Identity(NamedTuple):
    """A verified caller. `email` None: the issuer vouches for none. `roles`: each once, in token order."""

    provider: str
    sub: str
    email: str | None
    roles: tuple[str, ...]


def encode(identity: Identity, release: str, members: Collection[str]) -> str:
    """Percent-encoded pairs, `release` first; `email` and `role` only when among `members`.

    Everything but the unreserved characters of RFC 3986 section 2.3 is encoded, so that the text is safe in
    a header field and a role or subject can never look like another pair.
    """
    text = f"release={_quote(release)}&provider={_quote(identity.provider)}&sub={_quote(identity.sub)}"
    if "email" in members and identity.email is not None:
        text += f"&email={_quote(identity.email)}"
    if "role" in members and identity.roles:
        text += "&role=" + "&role=".join(map(_quote, identity.roles))
    return text


def _quote(text: str) -> str:
    # Most texts have nothing to encode, and finding that out is cheaper than `quote`.
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")
