"""The `.case` format: a policy, requests, and the decision on each, in one file that people read and write.

    default = "pass"
    …the policy, in TOML…

    === request
    path: /members/
    header: X-User: mallory
    caller: {"provider": "corp", "sub": "alice", "roles": ["admin", "dev"]}
    --- decision
    status: 0
    rule: members sign in
    request header: x-user: alice

Of a request only what differs from `oracle.Request()` is written. Everything that a decision
sets is written, with the request headers that the client sent. Other bytes than printable ASCII are escaped
as in Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields

from tests.differential.oracle import Caller, Decision, Request

_REQUEST = "=== request"
_DECISION = "--- decision"


@dataclass(frozen=True)
class Exchange:
    request: Request
    caller: Caller | None
    decision: str  # in the form of `describe`


def dump(policy: str, exchanges: list[Exchange]) -> str:
    parts = [policy.strip("\n") + "\n"]
    for exchange in exchanges:
        lines = [_REQUEST, *_request_lines(exchange.request, exchange.caller), _DECISION]
        parts.append("\n".join(lines) + "\n" + exchange.decision)
    return "\n".join(parts)


def load(text: str) -> tuple[str, list[Exchange]]:
    policy, *blocks = text.split(f"\n{_REQUEST}\n")
    exchanges = []
    for block in blocks:
        asked, _, decision = block.partition(f"{_DECISION}\n")
        request, caller = _read_request(asked)
        exchanges.append(Exchange(request, caller, decision.strip("\n") + "\n"))
    return policy + "\n", exchanges


def describe(decision: Decision) -> str:
    """A decision as lines; equal decisions and only they have equal lines."""
    lines = [f"status: {decision.status}", f"rule: {decision.rule}"]
    for title, values in (
        ("request header", decision.request_headers),
        ("env", decision.env),
        ("response header", decision.response_headers),
    ):
        lines += [f"{title}: {name}: {_escape(value)}" for name, value in sorted(values.items())]
    if decision.body is not None:
        lines.append(f"body: {_escape(decision.body)}")
    if decision.challenge is not None:
        realm, scope = decision.challenge
        lines.append(f"challenge: {realm}" + (f" {scope}" if scope else ""))
    return "".join(line + "\n" for line in lines)


def _request_lines(request: Request, caller: Caller | None) -> Iterator[str]:
    for one in fields(Request):
        value = getattr(request, one.name)
        if one.name == "headers":
            yield from (f"header: {name}: {_escape(content)}" for name, content in value)
        elif value != one.default:
            yield f"{one.name}: {_escape(str(value))}"
    if caller:
        given = {one.name: getattr(caller, one.name) for one in fields(Caller)}
        yield f"caller: {json.dumps({name: value for name, value in given.items() if value})}"


def _read_request(text: str) -> tuple[Request, Caller | None]:
    values: dict[str, str | int] = {}
    headers: list[tuple[str, str]] = []
    caller = None
    for line in text.strip("\n").split("\n") if text.strip() else []:
        key, _, value = line.partition(": ")
        match key:
            case "header":
                name, _, content = value.partition(": ")
                headers.append((name, _unescape(content)))
            case "caller":
                given = json.loads(value)
                caller = Caller(**(given | {"roles": tuple(given.get("roles", ()))}))
            case "port":
                values[key] = int(value)
            case _:
                values[key] = _unescape(value)
    return Request(**values, headers=tuple(headers)), caller  # type: ignore[arg-type]


def _escape(text: str) -> str:
    return text.encode("unicode_escape").decode()


def _unescape(text: str) -> str:
    return text.encode("latin-1").decode("unicode_escape")
