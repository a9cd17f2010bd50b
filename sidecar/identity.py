"""Who the caller is, and its encoding in `LIGHTGATE_IDENTITY` (docs/internals.md, "Deferral")."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
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
    pairs = [("release", release), ("provider", identity.provider), ("sub", identity.sub)]
    if "email" in members and identity.email is not None:
        pairs.append(("email", identity.email))
    if "role" in members:
        pairs.extend(("role", role) for role in identity.roles)
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
