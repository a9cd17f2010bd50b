"""What is decided about a request, as values. Only `Allow` lets it on; everything else is a response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sidecar.reasons import Reason


class Allow(NamedTuple):
    """`identity`: the encoded LIGHTGATE_IDENTITY. `expires`: the second until which Lua may remember it.

    `current_identity`: where another release has come into force since the request asked, what that one says;
    "" when it is the same release, or does not let the caller in.
    """

    identity: str
    expires: int
    current_identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """401 (RFC 6750 section 3). Without a credential there is no error code in the challenge."""

    reason: Reason
    realm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRequest:
    """400 `invalid_request`: a credential that is not `Bearer` and one token."""

    reason: Reason
    realm: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """403: the request does not come from our Lua."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Unavailable:
    """503: nothing can be said about the credential now."""

    reason: Reason


class Healthy(NamedTuple):
    """204: not a request but a question, whether lighttpd and the sidecar run the same release."""


Decision = Allow | Healthy | Challenge | BadRequest | Forbidden | Unavailable


@dataclass(frozen=True, slots=True)
class NeedKeys:
    """The decision waits for keys of the issuer of this name."""

    issuer: str


@dataclass(frozen=True, slots=True)
class NeedIntrospection:
    """The decision waits for what the issuer of this name says about the token."""

    issuer: str
    token: bytes

    def __repr__(self) -> str:  # the token must not get into an exception's text
        return f"NeedIntrospection(issuer={self.issuer!r})"


Need = NeedKeys | NeedIntrospection
