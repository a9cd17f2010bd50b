"""What becomes of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from luagen.reference.request import Request

DEFAULT = "default"  # instead of a rule's name: no rule decided
LIGHTGATE = "lightgate"  # instead of a rule's name: a check that no policy can leave out

Fields = tuple[tuple[bytes, bytes], ...]


class Outcome(StrEnum):
    """What was decided. The words are those of LIGHTGATE_DECISION."""

    PASS = "pass"  # goes on to the application
    RESPOND = "respond"
    REDIRECT = "redirect"
    CHALLENGE = "challenge"  # 401
    FORBID = "forbid"  # 403
    REFUSE = "refuse"  # any other 4xx of lightgate's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Names of header fields in lower case, of variables in upper case.

    Left out is what the gate does on its own account: the Authorization field as the client sent it,
    REMOTE_USER and LIGHTGATE_* variables, and what the pages below `/.lightgate` say of a running release.
    """

    outcome: Outcome
    rule: str  # that decided; DEFAULT or LIGHTGATE when none did
    status: int  # of the response to the client
    response_headers: Fields  # sorted by name; several of one name in their order
    body: bytes | None  # None: the application's, or none at all
    challenge: tuple[bytes, bytes | None] | None = None  # realm and scope
    # what the application is asked for; before any rewrite when the request does not reach it
    path: bytes = b"/"
    query: bytes = b""
    origin: str | None = None  # name of the [origin] chosen; None: the server's own
    request_headers: dict[bytes, bytes] = field(default_factory=dict)
    env: dict[bytes, bytes] = field(default_factory=dict)
    logged: tuple[tuple[str, bytes], ...] = ()  # rule and text of each line for the error log

    @property
    def passes(self) -> bool:
        """Whether the request reaches the application."""
        return self.outcome is Outcome.PASS


def noticed(headers: Mapping[bytes, bytes], request: Request) -> dict[bytes, bytes]:
    """The fields of a request, names in lower case, without the credential that came with it: whether the
    application sees that is the gate's affair."""
    sent = {name.lower(): value for name, value in request.headers}.get(b"authorization")
    return {name: value for name, value in headers.items() if name != b"authorization" or value != sent}


def differences(foretold: Decision, made: Decision) -> tuple[str, ...]:
    """The names of what differs."""
    return tuple(
        one.name for one in fields(Decision) if getattr(foretold, one.name) != getattr(made, one.name)
    )
