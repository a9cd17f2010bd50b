"""Decisions of the real thing: front, back and Lua runtime, inside a fake lighttpd (tests/lua/host.py).

The part of the sidecar is played here, by its protocol: an allow for the caller that a request is given.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from luagen.check import check_text
from luagen.deployment import Deployment
from luagen.release import Release, build_release
from tests.differential.oracle import REFUSAL_FIELDS, Caller, Decision, Request
from tests.lua import host

DEPLOYMENT = Deployment(log_decisions=True)

ORIGIN_FIELDS = {b"X-Origin": b"1", b"Content-Type": b"text/html"}


def compile_text(policy: str) -> Release:
    """The release of a policy that must be free of errors."""
    checked, diagnostics = check_text(policy, "policy.toml", Path())
    assert checked is not None, [diagnostic.message for diagnostic in diagnostics]
    return build_release(checked, DEPLOYMENT)


def credential(caller: Caller) -> bytes:
    """A bearer token that Lua cannot decide on: signed by a key that only the sidecar would know."""
    header = {"alg": "RS256", "typ": "at+jwt"}
    claims = {"sub": caller.sub, "provider": caller.provider, "email": caller.email, "roles": caller.roles}
    segments = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (header, claims)]
    return b"Bearer " + b".".join((*segments, b"c2lnbmF0dXJl"))


# What the gate sets on its own account; everything else in the environment is the policy's.
OWN_VARIABLES = frozenset(
    ["remote_user"] + [f"lightgate_{name}" for name in ("identity", "response", "rule", "decision", "where")]
)


@dataclass(frozen=True)
class Played:
    decision: Decision
    deferrals: int


class Server:
    """One lighttpd process with one release under one Lua version."""

    def __init__(self, release: Release, lua_version: str) -> None:
        self._release = release
        self._host = host.Host(lua_version)

    def decide(self, request: Request, caller: Caller | None) -> Played:
        opened = _request(request, caller)
        self._host.open(opened)
        outcome = self._host.run(self._release.files["request.lua"])
        deferrals = 0
        while outcome.deferred:
            deferrals += 1
            assert deferrals == 1, "lighttpd asks an authorizer once per request"
            assert caller is not None, "nobody can vouch for a request without credential"
            self._host.answer(opened, self._allow(outcome, caller))
            outcome = self._host.run(self._release.files["request.lua"])
        return Played(self._decision(outcome), deferrals)

    def _allow(self, outcome: host.Outcome, caller: Caller) -> dict[bytes, bytes]:
        names = ("release", "provider", "sub", *(("email",) if caller.email else ()))
        values = (self._release.id, caller.provider, caller.sub, *((caller.email,) if caller.email else ()))
        pairs = [*zip(names, values, strict=True), *(("role", role) for role in caller.roles)]
        text = "&".join(f"{name}={quote(value.encode('latin-1'), safe='')}" for name, value in pairs)
        return {
            b"LIGHTGATE_ANSWER": self._release.id.encode() + b" " + outcome.env[b"LIGHTGATE_NONCE"],
            b"LIGHTGATE_IDENTITY": text.encode(),
            b"LIGHTGATE_EXPIRES": str(self._host.clock.now + 60).encode(),
        }

    def _decision(self, outcome: host.Outcome) -> Decision:
        status = outcome.status
        assert status != 500, outcome.printed
        word = outcome.env[b"LIGHTGATE_DECISION"]
        if status == 0:
            self._host.respond(200, ORIGIN_FIELDS)
        else:
            self._host.respond(status, outcome.response_headers, outcome.body)
        final = self._host.run(self._release.files["response.lua"])
        assert final.status == 0, final.printed
        response = _lowered(final.response_headers)
        refused = word in (b"challenge", b"forbid", b"refuse", b"unavailable")
        given = response.get("www-authenticate", "") if refused else ""
        if refused:
            response = {name: value for name, value in response.items() if name not in REFUSAL_FIELDS}
        request_headers = _lowered(outcome.request_headers)
        request_headers.pop("authorization", None)
        env = {name: value for name, value in _lowered(outcome.env).items() if name not in OWN_VARIABLES}
        return Decision(
            status=status,
            rule=outcome.env[b"LIGHTGATE_RULE"].decode(),
            request_headers=request_headers,
            env=env,
            response_headers=response,
            body=None if word != b"respond" or outcome.body is None else outcome.body.decode("latin-1"),
            challenge=_challenge(given),
        )


def _challenge(value: str) -> tuple[str, str | None] | None:
    if not value:
        return None
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', value))
    return parameters["realm"], parameters.get("scope")


def _request(request: Request, caller: Caller | None) -> host.Request:
    def raw(text: str) -> bytes:
        return text.encode("latin-1")

    headers = [(raw(name), raw(value)) for name, value in request.headers]
    if caller:
        headers.append((b"Authorization", credential(caller)))
    return host.Request(
        path=raw(request.path),
        raw_path=raw(request.raw_path),
        method=raw(request.method),
        authority=raw(request.authority),
        scheme=raw(request.scheme),
        port=str(request.port).encode(),
        query=raw(request.query) or None,
        remote=raw(request.ip),
        headers=tuple(headers),
    )


def _lowered(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in fields.items()}
