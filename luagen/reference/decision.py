"""What becomes of a request."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum

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

    Not foretold are texts of lightgate's own (`body` is None then) and what the gate does on its own account:
    the Authorization field, REMOTE_USER and LIGHTGATE_* variables.
    """

    outcome: Outcome
    rule: str  # that decided; DEFAULT or LIGHTGATE when none did
    status: int  # of the response to the client
    response_headers: Fields  # sorted by name; several of one name in their order
    body: bytes | None  # None: the application's, or lightgate's own text
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


def differences(foretold: Decision, made: Decision) -> tuple[str, ...]:
    """The names of what differs; a body that is not foretold can be anything."""
    return tuple(
        one.name
        for one in fields(Decision)
        if getattr(foretold, one.name) != getattr(made, one.name)
        and not (one.name == "body" and foretold.body is None)
    )
