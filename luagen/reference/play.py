"""A request's way through a policy: the shared rules, those of its host's site, and the end."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from luagen import model, names
from luagen.paths import RESERVED, is_reserved
from luagen.reads import stripped_fields
from luagen.reference.decision import DEFAULT, LIGHTGATE, Decision, Fields, Outcome, noticed
from luagen.reference.evaluate import Evaluator, Value
from luagen.reference.limits import Limits
from luagen.reference.own_text import NO_STORE, Problem, challenge, content
from luagen.reference.reading import host_name, parse_address
from luagen.reference.request import Request
from luagen.reference.turn import Change, Done, Effects, Ended, Fallback, Response, Turn

# Pages for clients on this machine, with the status and the kind of what they answer.
_PAGES = {RESERVED + b"/health": (204, None), RESERVED + b"/status": (200, b"application/json")}

# Fields that describe the application's answer, which go when another one stands in for it.
_DESCRIBING = frozenset(
    b"""
    accept-ranges age allow cache-control clear-site-data content-digest content-disposition content-encoding
    content-language content-location content-md5 content-range content-type digest etag expires
    last-modified link location refresh repr-digest retry-after set-cookie trailer vary www-authenticate
    x-sendfile
    """.split()
)


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule that a request met. `values`: of each part of its condition that was evaluated, by `id` of the
    node, in order; a part of a generator has several."""

    rule: model.Rule
    held: bool
    values: dict[int, list[Value]]
    did: tuple[Done, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Played:
    decision: Decision
    site: model.Site | None
    considered: tuple[Considered, ...]


class Player:
    """A policy, ready to decide requests; the buckets of its limits fill from one to the next."""

    def __init__(self, policy: model.Policy) -> None:
        self._policy = policy
        self._stripped = stripped_fields(policy)
        self._limits = Limits()

    def play(self, request: Request) -> Played:
        if is_reserved(request.path):
            return Played(_own_page(request), None, ())
        effects = Effects(received(request.headers, self._stripped))
        site = site_of(self._policy, host_name(request.authority).decode("latin-1"))
        considered: list[Considered] = []
        for rule in (*self._policy.rules, *(site.rules if site else ())):
            response = self._meet(rule, request, effects, considered)
            if response:
                return Played(_ended(response, request, effects), site, tuple(considered))
        default = site.default if site else self._policy.default
        if effects.permitted_by is None and default is model.Default.DENY:
            problem = Problem("nothing permits this request")
            refused = Response(Outcome.FORBID, DEFAULT, 403, (), None, problem)
            return Played(_ended(refused, request, effects), site, tuple(considered))
        return Played(_granted(request, effects), site, tuple(considered))

    def _meet(
        self, rule: model.Rule, request: Request, effects: Effects, considered: list[Considered]
    ) -> Response | None:
        values: dict[int, list[Value]] = {}

        def observe(part: model.Expression, value: Value) -> None:
            values.setdefault(id(part), []).append(value)

        evaluator = Evaluator(request, effects.request_headers, self._policy.country, observe)
        turn = Turn(rule.name, request, evaluator, effects, self._limits)
        held = evaluator.holds(rule.when)
        response = None
        if held:
            try:
                rule.action.play(turn)
            except Ended as end:
                response = end.response
        considered.append(Considered(rule, held, values, tuple(turn.did), response is not None))
        return response


def received(headers: Fields, stripped: Container[str] = ()) -> dict[bytes, bytes]:
    """What rules see: without the fields that clients may not supply, repeated ones joined."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        key = name.lower()
        if value and names.normal_form(key.decode("latin-1")) not in stripped:
            joint = b"; " if key == b"cookie" else b", "  # RFC 9110 section 5.3, RFC 6265 section 5.4
            fields[key] = fields[key] + joint + value if key in fields else value
    return fields


def site_of(policy: model.Policy, host: str) -> model.Site | None:
    """The site that names the host, else that with the longest fitting `*.` form, else `*`."""
    by_host = {name: site for site in policy.sites for name in site.hosts}
    if host in by_host:
        return by_host[host]
    labels = host.split(".")
    for start in range(1, len(labels)):
        form = "*." + ".".join(labels[start:])
        if form in by_host and labels[0]:
            return by_host[form]
    return by_host.get("*")


# --- ends ------------------------------------------------------------------------------------------


def _own_page(request: Request) -> Decision:
    """What lies below `/.lightgate`: nothing, but for two pages for clients on this machine."""
    effects = Effects(received(request.headers))
    address = parse_address(request.ip)
    is_local = address is not None and address.is_loopback
    asks_only = request.method in (b"GET", b"HEAD") and request.content_length == 0
    if request.path not in _PAGES or not asks_only or not is_local:
        problem = Problem("there is nothing here")
        return _ended(Response(Outcome.REFUSE, LIGHTGATE, 404, (), None, problem), request, effects)
    status, kind = _PAGES[request.path]
    fields = (NO_STORE,) if kind is None else (NO_STORE, (b"content-type", kind))
    return _ended(Response(Outcome.RESPOND, LIGHTGATE, status, fields, None), request, effects)


def _ended(response: Response, request: Request, effects: Effects) -> Decision:
    fields, body = response.headers, response.body
    if response.problem is not None:
        accept = effects.request_headers.get(b"accept", b"")
        own, body = content(response.problem, response.status, accept)
        fields = (*fields, *own)
        if response.challenge is not None:
            fields = (*fields, (b"www-authenticate", challenge(response.problem, *response.challenge)))
    return Decision(
        outcome=response.outcome,
        rule=response.rule,
        status=response.status,
        response_headers=_changed(fields, effects.response),
        body=body,
        challenge=response.challenge,
        path=request.path,
        query=request.query,
        request_headers=noticed(effects.request_headers, request),
        env=effects.env,
        logged=tuple(effects.logged),
    )


def _granted(request: Request, effects: Effects) -> Decision:
    status, headers, body = _answer(request, effects.fallbacks)
    return Decision(
        outcome=Outcome.PASS,
        rule=effects.permitted_by or DEFAULT,
        status=status,
        response_headers=_changed(headers, effects.response),
        body=body,
        path=request.path if effects.path is None else effects.path,
        query=request.query if effects.query is None else effects.query,
        origin=effects.origin,
        request_headers=noticed(effects.request_headers, request),
        env=effects.env,
        logged=tuple(effects.logged),
    )


def _answer(request: Request, fallbacks: list[Fallback]) -> tuple[int, Fields, bytes | None]:
    """Status, fields and body of the application's answer, or of what stands in for it."""
    given = tuple((name.lower(), value) for name, value in request.origin_headers)
    for fallback in reversed(fallbacks):
        if request.origin_status in fallback.on:
            kept = tuple(pair for pair in given if pair[0] not in _DESCRIBING)
            fields = (*kept, (b"content-type", fallback.content_type), *fallback.headers)
            return fallback.status, fields, fallback.body
    return request.origin_status, given, None


def _changed(fields: Fields, changes: Iterable[tuple[Change, bytes, bytes]]) -> Fields:
    """Fields of a response after all that rules have noted for it, sorted by name."""
    result = list(fields)
    for change, name, value in changes:
        present = [found for key, found in result if key == name]
        if change in (Change.SET, Change.REMOVE) or (change is Change.TOKEN and present):
            result = [pair for pair in result if pair[0] != name]
        match change:
            case Change.SET | Change.ADD:
                result.append((name, value))
            case Change.TOKEN:
                result.append((name, _with_token(present, value)))
    return tuple(sorted(result, key=lambda pair: pair[0]))


def _with_token(values: list[bytes], token: bytes) -> bytes:
    """A comma-separated list with one member more, unless it has it (RFC 9110 section 5.6.1) or has `*`."""
    members = [member.strip().lower() for value in values for member in value.split(b",")]
    joined = b", ".join(values)
    if token.lower() in members or b"*" in members:
        return joined
    return joined + b", " + token if joined else token
