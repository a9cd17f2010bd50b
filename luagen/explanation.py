"""Why a request is decided as it is, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import click

from luagen import model, walk
from luagen.decide import Decided
from luagen.model import Expression, Policy, Type
from luagen.paths import is_reserved
from luagen.reference.decision import DEFAULT, LIGHTGATE, Decision, Outcome
from luagen.reference.evaluate import Value
from luagen.reference.play import Considered
from luagen.reference.request import Caller, Request
from luagen.reference.turn import Done
from luagen.spelling import spell

_VERDICTS = {
    Outcome.PASS: "passes",
    Outcome.RESPOND: "answered",
    Outcome.REDIRECT: "redirected",
    Outcome.CHALLENGE: "refused, a token is wanted,",
    Outcome.FORBID: "refused, not permitted,",
    Outcome.REFUSE: "refused",
}
_MARKS = {True: ("yes", "green"), False: ("no", "red"), None: ("?", "yellow")}
_UNSEEN = ("-", "bright_black")
_MARK_WIDTH = 4
_MAX_VALUES = 8  # of a part of a generator that are shown

# What a condition reads; everything else in it follows from these, or is a hash that nobody computes by head.
_READERS = (
    model.Field, model.Item, model.Items, model.Claim, model.ParsedInteger, model.Variable, model.Group,
)  # fmt: skip
_HASHES = ("percent",)


# --- for people --------------------------------------------------------------------------------------


def as_text(policy: Policy, request: Request, decided: Decided, width: int) -> Iterator[str]:
    """Lines, with colours; `width`: of the terminal."""
    yield click.style(_request_line(request), bold=True)
    caller = request.caller
    who = "nobody is known" if caller is None else f"{_plain(caller.sub)} ({_plain(caller.provider)})"
    yield f"from {_plain(request.ip)}, {who}"
    if is_reserved(request.path):
        yield "no rule is asked: what lies below `/.lightgate` is lightgate's own"
    elif policy.sites:
        site = decided.played.site
        yield "no site has this host" if site is None else f'site "{site.name}"'
    yield ""
    for considered in decided.played.considered:
        yield from _rule_lines(policy, considered, width)
    if decided.played.considered:
        yield ""
    yield from _decision_lines(request, decided.decision, width)


def _request_line(request: Request) -> str:
    query = f"?{_plain(request.query)}" if request.query else ""
    return (
        f"{_plain(request.method)} {_plain(request.scheme)}://{_plain(request.authority)}"
        f"{_plain(request.raw_path)}{query}"
    )


def _rule_lines(policy: Policy, considered: Considered, width: int) -> Iterator[str]:
    rule = considered.rule
    place = f"{policy.file}:{rule.span.line}"
    gap = max(2, width - _MARK_WIDTH - len(rule.name) - len(place))
    name = click.style(rule.name, bold=considered.held)
    yield _mark(considered.held) + name + " " * gap + click.style(place, dim=True)
    if not isinstance(rule.when, model.Literal):
        for depth, line in _condition(rule.when, considered.values, 1):
            yield _cut(" " * _MARK_WIDTH * depth + line, width)
    for done in considered.did:
        yield _cut(" " * _MARK_WIDTH + click.style(_done(done), fg="cyan"), width)
    if considered.ended:
        yield " " * _MARK_WIDTH + click.style(f"{rule.action.key}: ends the request", fg="cyan")
    elif considered.held and not considered.did:
        yield " " * _MARK_WIDTH + click.style(f"{rule.action.key}: nothing to do", fg="cyan")


def _condition(node: Expression, values: dict[int, list[Value]], depth: int) -> Iterator[tuple[int, str]]:
    found = values.get(id(node))
    if found is None:
        yield depth, _styled(*_UNSEEN) + click.style(spell(node), dim=True)
        return
    truths = list(dict.fromkeys(found))  # several: it stands in a loop, or the policy uses a name twice
    mark = _mark(truths[0]) if len(truths) == 1 else _styled("…", "yellow")  # type: ignore[arg-type]
    yield depth, mark + spell(node)
    if _is_connective(node):
        for part in walk.operands(node):
            if part.type is Type.BOOLEAN:
                yield from _condition(part, values, depth + 1)
            else:
                yield from _readings(part, values, depth + 1)
    else:
        yield from _readings(node, values, depth + 1)


def _is_connective(node: Expression) -> bool:
    return node.type is Type.BOOLEAN and isinstance(
        node, model.And | model.Or | model.Not | model.Conditional | model.Quantifier
    )


def _is_shown(part: Expression) -> bool:
    return isinstance(part, _READERS) or (isinstance(part, model.Call) and part.function in _HASHES)


def _readings(node: Expression, values: dict[int, list[Value]], depth: int) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for part in walk.nodes(node):
        if not _is_shown(part) or part.type is Type.STRING_MAP or id(part) not in values:
            continue
        spelt = spell(part)
        if spelt not in seen:
            seen.add(spelt)
            shown = list(dict.fromkeys(map(_shown, values[id(part)])))
            more = ", …" if len(shown) > _MAX_VALUES else ""
            yield depth, click.style(f"{spelt} = {', '.join(shown[:_MAX_VALUES])}{more}", dim=True)


def _decision_lines(request: Request, decision: Decision, width: int) -> Iterator[str]:
    by = {DEFAULT: "by the default", LIGHTGATE: "by lightgate itself"}.get(
        decision.rule, f'by "{decision.rule}"'
    )
    yield click.style(
        f"{_VERDICTS[decision.outcome]} {by}", fg="green" if decision.passes else "red", bold=True
    )
    if decision.passes:
        query = f"?{_plain(decision.query)}" if decision.query else ""
        origin = f" at origin `{decision.origin}`" if decision.origin else ""
        yield _cut(f"the application{origin} is asked for {_plain(decision.path)}{query}", width)
        for title, name, value in _changes(request, decision):
            yield _cut(f"  {title} {name}: {value}", width)
        if decision.body is not None:  # the application's own is not foretold
            yield f"it answers {request.origin_status}, and a `fallback` stands in for that"
    yield f"the client gets {decision.status}"
    for field, content in decision.response_headers:
        yield _cut(f"  {_plain(field)}: {_plain(content)}", width)
    if decision.challenge is not None:
        realm, scope = decision.challenge
        asked = f" with scope {_plain(scope)}" if scope else ""
        yield f"  asked for a token of {_plain(realm)}{asked}"
    if decision.body is not None and request.method != b"HEAD":
        yield _cut(f"  {_shown(decision.body)}", width)
    for rule, text in decision.logged:
        yield _cut(f"log of {rule}: {_plain(text)}", width)


def _changes(request: Request, decision: Decision) -> Iterator[tuple[str, str, str]]:
    """Header fields and variables that are not as the client sent them."""
    sent = {name.lower(): value for name, value in request.headers if value}
    for name in sorted(decision.request_headers.keys() | sent.keys() - {b"authorization"}):
        now = decision.request_headers.get(name)
        if now is None:
            yield "header", _plain(name), "removed"
        elif now != sent.get(name):
            yield "header", _plain(name), _plain(now)
    for name, value in sorted(decision.env.items()):
        yield "variable", _plain(name), _plain(value)


def _done(done: Done) -> str:
    value = None if done.value is None else _plain(done.value)
    return f"{done.what} {done.name}".strip() + (
        f": {value}" if value and done.name else f" {value or ''}".rstrip()
    )


def _mark(truth: bool | None) -> str:
    return _styled(*_MARKS[truth])


def _styled(text: str, color: str) -> str:
    return click.style(text.ljust(_MARK_WIDTH), fg=color)


def _cut(line: str, width: int) -> str:
    visible = len(click.unstyle(line))
    return line if visible <= width else click.unstyle(line)[: width - 1] + "…"


def _plain(data: bytes) -> str:
    """Text for a line: other bytes than UTF-8, and what would disturb a terminal, escaped."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _shown(value: Value) -> str:
    match value:
        case None:
            return "absent"
        case bool():
            return str(value)
        case bytes():
            return f'"{_plain(value)}"'
        case tuple():
            return "(" + ", ".join(_shown(one) if isinstance(one, bytes) else str(one) for one in value) + ")"
        case Caller():
            return _plain(value.sub)
        case int() | IPv4Address() | IPv6Address():
            return str(value)


# --- for programs --------------------------------------------------------------------------------------


def as_json(policy: Policy, request: Request, decided: Decided) -> dict[str, Any]:
    return {
        "request": _request_line(request),
        "site": decided.played.site.name if decided.played.site else None,
        "rules": [_rule_json(policy, one) for one in decided.played.considered],
        "decision": decision_json(decided.decision),
    }


def _rule_json(policy: Policy, considered: Considered) -> dict[str, Any]:
    return {
        "name": considered.rule.name,
        "file": policy.file,
        "line": considered.rule.span.line,
        "held": considered.held,
        "condition": _condition_json(considered.rule.when, considered.values),
        "did": [
            {"what": one.what, "name": one.name, "value": None if one.value is None else _plain(one.value)}
            for one in considered.did
        ],
        "ended": considered.ended,
    }


def _condition_json(node: Expression, values: dict[int, list[Value]]) -> dict[str, Any]:
    found = values.get(id(node), [])
    parts = (
        [part for part in walk.operands(node) if part.type is Type.BOOLEAN] if _is_connective(node) else []
    )
    reads = () if parts else walk.nodes(node)
    return {
        "text": spell(node),
        "values": [value if isinstance(value, bool) else None for value in found],
        "parts": [_condition_json(part, values) for part in parts],
        "reads": {
            spell(part): [_shown(value) for value in values[id(part)]]
            for part in reads
            if _is_shown(part) and id(part) in values
        },
    }


def decision_json(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": decision.outcome.value,
        "passes": decision.passes,
        "rule": decision.rule,
        "status": decision.status,
        "response_headers": [[_plain(name), _plain(value)] for name, value in decision.response_headers],
        "body": None if decision.body is None else decision.body.decode("utf-8", "backslashreplace"),
        "challenge": None if decision.challenge is None else _plain(decision.challenge[0]),
        "path": _plain(decision.path),
        "query": _plain(decision.query),
        "origin": decision.origin,
        "request_headers": {_plain(name): _plain(value) for name, value in decision.request_headers.items()},
        "env": {_plain(name): _plain(value) for name, value in decision.env.items()},
        "log": [[rule, _plain(text)] for rule, text in decision.logged],
    }
