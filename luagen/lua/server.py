"""Decisions of the emitted scripts: one lighttpd process, played, with a release in it.

The same request and the same decision as in `luagen.reference`, so that one can be held against the other.
What lies around the scripts is played: lighttpd (`host.py`), the sidecar (`sidecar_answer.py`) and the
application, which answers with the status and the fields that the request names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from luagen.lua import host, sidecar_answer
from luagen.paths import is_reserved
from luagen.reference.decision import LIGHTGATE, Decision, Fields, Outcome, noticed
from luagen.reference.request import Caller, Request
from luagen.release import Release

DEFAULT_VERSION = "lua54"  # what Debian's lighttpd is built with
_LIGHTTPD = b"lighttpd/1.4.85"

_PROTOCOLS = {b"1.0": b"HTTP/1.0", b"1.1": b"HTTP/1.1", b"2": b"HTTP/2.0"}
_ORIGIN = re.compile(rb"/\.lightgate/origin/([^/]+)(/.*)", re.DOTALL)
_LOG_LINE = re.compile(rb"lightgate: log: (.*?): (.*)", re.DOTALL)

# What the gate sets on its own account; everything else in the environment is the policy's.
_OWN_VARIABLE = re.compile(
    rb"REMOTE_USER|REQUEST_URI|LIGHTGATE_(?:IDENTITY|RESPONSE|RULE|DECISION|WHERE|PASSED|FALLBACK|REWRITTEN|COUNTED)"
)


class ScriptFailure(Exception):
    """The scripts did what they must never do; the message says what. A bug in lightgate."""


@dataclass(frozen=True, slots=True)
class Answer:
    decision: Decision
    deferrals: int  # how often the sidecar was asked who calls: 0 or 1


class Server:
    """One process of lighttpd with one release, which must log its decisions, under one version of Lua."""

    def __init__(self, release: Release, lua_version: str = DEFAULT_VERSION) -> None:
        self._scripts = release.files
        self._release = release.id
        self._settings: Mapping[str, object] = json.loads(release.files["sidecar.json"])
        self._host = host.Host(lua_version)
        self._host.set_lighttpd_version(_LIGHTTPD)

    def presented(self, request: Request) -> Request:
        """The request with the credential of its caller, if it has one."""
        if request.caller is None:
            return request
        own = (b"Authorization", sidecar_answer.credential(request.caller, self._settings))
        headers = (*(pair for pair in request.headers if pair[0].lower() != b"authorization"), own)
        return replace(request, headers=headers)

    def decide(self, request: Request) -> Answer:
        """Raises ScriptFailure."""
        request = self.presented(request)
        self._host.clock.now = request.now
        opened = self._opened(request)
        self._host.open(opened)
        for name, value in request.variables:
            self._host.set_variable(name, value)
        outcome = self._host.run(self._scripts["request.lua"])
        printed = outcome.printed
        deferrals = 0
        if outcome.deferred and outcome.env.get(b"LIGHTGATE_ASK") == b"health":
            return Answer(self._healthy(request, outcome), 0)
        while outcome.deferred:
            deferrals += 1
            if deferrals > 1 or request.caller is None:
                raise ScriptFailure("the sidecar was asked twice, or for a request without credential")
            self._host.answer(opened, self._allow(outcome, request.caller))
            outcome = self._host.run(self._scripts["request.lua"])
            printed += outcome.printed
        return Answer(self._decision(request, outcome, printed), deferrals)

    def _opened(self, request: Request) -> host.Request:
        return host.Request(
            path=request.path,
            raw_path=request.raw_path,
            method=request.method,
            authority=request.authority,
            scheme=request.scheme,
            port=b"%d" % request.port,
            query=request.query or None,
            remote=request.ip,
            protocol=_PROTOCOLS[request.http_version],
            headers=_joined(request.headers),
            body_length=request.content_length,
        )

    def _allow(self, outcome: host.Outcome, caller: Caller) -> dict[bytes, bytes]:
        return {
            b"LIGHTGATE_ANSWER": self._release.encode() + b" " + outcome.env[b"LIGHTGATE_NONCE"],
            b"LIGHTGATE_IDENTITY": sidecar_answer.identity(caller, self._settings),
            b"LIGHTGATE_EXPIRES": b"%d" % (self._host.clock.now + 60),
        }

    def _decision(self, request: Request, first: host.Outcome, printed: tuple[bytes, ...]) -> Decision:
        word = first.env.get(b"LIGHTGATE_DECISION", b"").decode()
        if word not in set(Outcome):  # the gate has met a bug of its own
            raise ScriptFailure(b" ".join((*printed, b"(%d)" % first.status)).decode("latin-1"))
        outcome = Outcome(word)
        passes = outcome is Outcome.PASS
        path, query, origin = self._asked_for(request, first, passes)
        if passes:
            status, fields, body = request.origin_status, dict(_joined(request.origin_headers)), None
        else:
            status, fields, body = first.status, first.response_headers, first.body
        self._host.respond(status, fields, body)
        last = self._host.run(self._scripts["response.lua"])
        is_page = is_reserved(request.path) and outcome is Outcome.RESPOND
        return Decision(
            outcome=outcome,
            rule=first.env[b"LIGHTGATE_RULE"].decode(),
            status=last.status or status,
            response_headers=_separate(last.response_headers),
            body=None if is_page else last.body,
            challenge=_challenge(first.response_headers.get(b"WWW-Authenticate", b"")),
            path=path,
            query=query,
            origin=origin,
            request_headers=_noticed(first, request),
            env=_set_by_policy(first.env, request),
            logged=_log_lines((*printed, *last.printed)),
        )

    def _healthy(self, request: Request, asked: host.Outcome) -> Decision:
        """The sidecar has answered that it is well; what it says of its release is left out."""
        fields = sidecar_answer.healthy(self._release.encode(), asked.env[b"LIGHTGATE_NONCE"])
        self._host.respond(204, fields)
        last = self._host.run(self._scripts["response.lua"])
        return Decision(
            outcome=Outcome.RESPOND,
            rule=LIGHTGATE,
            status=last.status or 204,
            response_headers=tuple(
                pair for pair in _separate(last.response_headers) if pair[0] != b"lightgate-release"
            ),
            body=None,
            path=request.path,
            query=request.query,
            request_headers=_noticed(asked, request),
            logged=_log_lines((*asked.printed, *last.printed)),
        )

    def _asked_for(
        self, request: Request, first: host.Outcome, passes: bool
    ) -> tuple[bytes, bytes, str | None]:
        """Path, query and origin that the application is asked for."""
        if not passes:
            return request.path, request.query, None
        query = first.query or b""
        chosen = _ORIGIN.fullmatch(first.path)
        if chosen:
            return chosen[2], query, chosen[1].decode()
        return first.path, query, None


def _joined(headers: Fields) -> Fields:
    """Repeated fields as lighttpd has them: one value (RFC 9110 section 5.3, RFC 6265 section 5.4)."""
    fields: dict[bytes, tuple[bytes, bytes]] = {}
    for name, value in headers:
        key = name.lower()
        if not value:
            continue
        joint = b"; " if key == b"cookie" else b"\r\nSet-Cookie: " if key == b"set-cookie" else b", "
        fields[key] = (fields[key][0], fields[key][1] + joint + value) if key in fields else (name, value)
    return tuple(fields.values())


def _separate(fields: Mapping[bytes, bytes]) -> Fields:
    """Fields of a response, sorted by name: lighttpd sends a value with line breaks as several fields."""
    separate = (
        (name.lower(), line.partition(b": ")[2] if number else line)
        for name, value in fields.items()
        for number, line in enumerate(value.split(b"\r\n"))
    )
    return tuple(sorted(separate, key=lambda pair: pair[0]))


def _noticed(outcome: host.Outcome, request: Request) -> dict[bytes, bytes]:
    return noticed({name.lower(): value for name, value in outcome.request_headers.items()}, request)


def _set_by_policy(env: Mapping[bytes, bytes], request: Request) -> dict[bytes, bytes]:
    given = {name.upper(): value for name, value in request.variables}
    found = {name.upper(): value for name, value in env.items()}
    return {
        name: value
        for name, value in found.items()
        if given.get(name) != value and _OWN_VARIABLE.fullmatch(name) is None
    }


def _challenge(value: bytes) -> tuple[bytes, bytes | None] | None:
    if not value:
        return None
    parameters = dict(re.findall(rb'(\w+)="([^"]*)"', value))
    return parameters[b"realm"], parameters.get(b"scope")


def _log_lines(printed: tuple[bytes, ...]) -> tuple[tuple[str, bytes], ...]:
    found = [line for line in map(_LOG_LINE.fullmatch, printed) if line]
    return tuple((line[1].decode(), line[2]) for line in found)
