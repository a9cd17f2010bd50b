"""The `.case` format: a policy, requests, and the decision on each, in one file that people read and write.

    default = "pass"
    …the policy, in TOML…

    === request
    path: /members/
    header: X-User: mallory
    caller: {"provider": "corp", "sub": "alice", "roles": ["admin", "dev"]}
    --- decision
    outcome: pass
    rule: members sign in
    status: 200
    request header: x-user: alice

Of a request only what differs from `Request()` is written. Everything that a decision sets is written, with
the request headers that the client sent. Other bytes than printable ASCII are escaped as in Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from luagen.reference.decision import Decision
from luagen.reference.request import Caller, Request

_REQUEST = "=== request"
_DECISION = "--- decision"
_PAIRS = {"header": "headers", "variable": "variables", "origin header": "origin_headers"}


@dataclass(frozen=True)
class Exchange:
    request: Request
    decision: str  # in the form of `describe`


def dump(policy: str, exchanges: list[Exchange]) -> str:
    parts = [policy.strip("\n") + "\n"]
    for exchange in exchanges:
        lines = [_REQUEST, *_request_lines(exchange.request), _DECISION]
        parts.append("\n".join(lines) + "\n" + exchange.decision)
    return "\n".join(parts)


def load(text: str) -> tuple[str, list[Exchange]]:
    policy, *blocks = text.split(f"\n{_REQUEST}\n")
    exchanges = []
    for block in blocks:
        asked, _, decision = block.partition(f"{_DECISION}\n")
        exchanges.append(Exchange(_read_request(asked), decision.strip("\n") + "\n"))
    return policy + "\n", exchanges


def describe(decision: Decision) -> str:
    """A decision as lines; equal decisions and only they have equal lines."""
    lines = [f"outcome: {decision.outcome}", f"rule: {decision.rule}", f"status: {decision.status}"]
    if decision.passes:
        lines.append(f"path: {_escape(decision.path)}")
        if decision.query:
            lines.append(f"query: {_escape(decision.query)}")
        if decision.origin is not None:
            lines.append(f"origin: {decision.origin}")
    for title, values in (
        ("request header", sorted(decision.request_headers.items())),
        ("env", sorted(decision.env.items())),
        ("response header", decision.response_headers),
    ):
        lines += [f"{title}: {_escape(name)}: {_escape(value)}" for name, value in values]
    if decision.body is not None:
        lines.append(f"body: {_escape(decision.body)}")
    if decision.challenge is not None:
        realm, scope = decision.challenge
        lines.append(f"challenge: {_escape(realm)}" + (f" {_escape(scope)}" if scope else ""))
    lines += [f"log: {rule}: {_escape(text)}" for rule, text in decision.logged]
    return "".join(line + "\n" for line in lines)


def _request_lines(request: Request) -> Iterator[str]:
    for one in fields(Request):
        value = getattr(request, one.name)
        title = next((title for title, name in _PAIRS.items() if name == one.name), None)
        if title is not None:
            yield from (f"{title}: {_escape(name)}: {_escape(content)}" for name, content in value)
        elif isinstance(value, Caller):
            yield f"caller: {json.dumps(_caller(value))}"
        elif value != one.default:
            yield f"{one.name}: {_escape(value) if isinstance(value, bytes) else value}"


def _caller(caller: Caller) -> dict[str, Any]:
    given: dict[str, Any] = {"provider": caller.provider.decode(), "sub": caller.sub.decode()}
    if caller.email:
        given["email"] = caller.email.decode()
    if caller.roles:
        given["roles"] = [role.decode() for role in caller.roles]
    return given | ({"claims": caller.claims} if caller.claims else {})


def _read_request(text: str) -> Request:
    values: dict[str, Any] = {}
    for line in text.strip("\n").split("\n") if text.strip() else []:
        key, _, value = line.partition(": ")
        if key in _PAIRS:
            name, _, content = value.partition(": ")
            values[_PAIRS[key]] = (*values.get(_PAIRS[key], ()), (_unescape(name), _unescape(content)))
        elif key == "caller":
            given = json.loads(value)
            texts = {name: given[name].encode() for name in ("provider", "sub", "email") if name in given}
            roles = tuple(role.encode() for role in given.get("roles", ()))
            values[key] = Caller(**texts, roles=roles, claims=given.get("claims", {}))
        elif key in ("port", "content_length", "now", "origin_status"):
            values[key] = int(value)
        else:
            values[key] = _unescape(value)
    return Request(**values)


def _escape(data: bytes) -> str:
    return data.decode("latin-1").encode("unicode_escape").decode()


def _unescape(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")
