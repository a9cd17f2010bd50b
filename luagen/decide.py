"""Decisions of a policy made twice: by the reference, and by the scripts that would run in lighttpd."""

from __future__ import annotations

import re
from dataclasses import dataclass

from luagen import resources
from luagen.deployment import Deployment
from luagen.failure import Failure
from luagen.lua.server import ScriptFailure, Server
from luagen.model import Policy
from luagen.reference.decision import Decision, differences
from luagen.reference.play import Played, Player
from luagen.reference.request import Request
from luagen.release import build_release

# Decisions are logged, because they are read from the log; no secret of this host is to be found.
DEPLOYMENT = Deployment(log_decisions=True, secrets_directory="/nonexistent")


@dataclass(frozen=True, slots=True)
class Decided:
    """What the reference says with its reasons, and what the scripts did; both say the same."""

    played: Played
    decision: Decision


class Decider:
    """A policy, ready to decide requests as one server would, one after another."""

    def __init__(self, policy: Policy) -> None:
        self._player = Player(policy)
        self._has_auth = bool(policy.auths)
        self._server = Server(build_release(policy, DEPLOYMENT))

    def decide(self, request: Request) -> Decided:
        """Raises Failure when reference and scripts do not agree, a bug of ours, to be reported; and for a
        credential that nobody here could judge."""
        fields = [value for name, value in request.headers if name.lower() == b"authorization"]
        if self._has_auth and request.caller is None and any(map(_BEARER.match, fields)):
            raise Failure("the request has a bearer token, which is not verified here", _CALLER)
        request = self._server.presented(request)
        played = self._player.play(request)
        try:
            decision = self._server.decide(request).decision
        except ScriptFailure as failure:
            raise Failure(f"the emitted scripts failed: {failure}", _REPORT) from failure
        found = differences(played.decision, decision)
        if found:
            words = "; ".join(
                f"{name}: {getattr(played.decision, name)!r}, but {getattr(decision, name)!r}"
                for name in found
            )
            raise Failure(f"the reference and the emitted scripts do not agree on {words}", _REPORT)
        return Decided(played, decision)


_BEARER = re.compile(rb"bearer( |$)", re.IGNORECASE)  # RFC 6750 section 2.1
_CALLER = (
    "say who calls: `identity` in the request of a [[test]], `--identity` or `--token` of `lightgate explain`"
)
_REPORT = (
    f"this is a bug in lightgate {resources.version()}: please report it with the policy and the request, "
    "and do not put this policy in force"
)
