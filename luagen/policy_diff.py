"""What differs between two policies: their parts by name, and what they decide on their tests' requests."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum

from luagen import model, walk
from luagen.actions.moved import Move
from luagen.decide import Decider
from luagen.model import Policy
from luagen.reference.decision import Decision
from luagen.reference.sample import request_of
from luagen.spelling import spell, spell_template

_MAX_SHOWN_BYTES = 200  # of a body or file; of longer ones only that they differ


class Kind(Enum):
    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"
    MOVED = ">"  # with or without other changes


@dataclass(frozen=True, slots=True)
class Detail:
    """One property of a part; None: it is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    part: str  # such as `rule "no dotfiles"`
    details: tuple[Detail, ...] = ()


def compare(before: Policy, after: Policy) -> list[Difference]:
    """The differences of the two texts, in the order of the policy file's parts."""
    found: list[Difference] = []
    found += _changed("the policy", _head(before), _head(after))
    found += _named("auth", _auths(before), _auths(after))
    found += _named("origin", _plain_parts(before.origins), _plain_parts(after.origins))
    found += _named("list", _lists(before), _lists(after))
    found += _rules("rule", before.rules, after.rules)
    sites = {site.name: site for site in before.sites}, {site.name: site for site in after.sites}
    found += _named("site", *({name: _site(site) for name, site in some.items()} for some in sites))
    for name in sites[0].keys() | sites[1].keys():
        old, new = (some[name].rules if name in some else () for some in sites)
        found += _rules(f'site "{name}", rule', old, new)
    return found


# --- parts of a policy ---------------------------------------------------------------------------------


def _head(policy: Policy) -> dict[str, str]:
    country = policy.country
    source = {} if country is None else {f"country.{key}": text for key, text in _properties(country).items()}
    return {"default": policy.default.value, **source}


def _auths(policy: Policy) -> dict[str, dict[str, str]]:
    return _plain_parts(policy.auths)


def _plain_parts(parts: Sequence[model.Auth] | Sequence[model.Origin]) -> dict[str, dict[str, str]]:
    return {
        part.name: {key: text for key, text in _properties(part).items() if key != "name"} for part in parts
    }


def _site(site: model.Site) -> dict[str, str]:
    return {"default": site.default.value, "hosts": ", ".join(site.hosts)}


def _lists(policy: Policy) -> dict[str, dict[str, str]]:
    """The declared lists that rules use; of an entry only that it is there."""
    found: dict[str, dict[str, str]] = {}
    for rule in policy.all_rules():
        for expression in (rule.when, *rule.action.expressions()):
            for node in walk.nodes(expression):
                match node:
                    case model.StringSet(name=str() as name, values=texts):
                        found[name] = dict.fromkeys(texts, "listed")
                    case model.NetworkSet(name=str() as name, values=networks):
                        found[name] = dict.fromkeys(map(str, networks), "listed")
    return found


def _rule(rule: model.Rule) -> dict[str, str]:
    when = (
        {} if isinstance(rule.when, model.Literal) and rule.when.value is True else {"when": spell(rule.when)}
    )
    action = {f"{rule.action.key}.{key}": text for key, text in _properties(rule.action).items()}
    return when | (action or {rule.action.key: ""})


def _properties(part: object) -> dict[str, str]:
    """The fields of a dataclass in words, those without a value left out; made of parts, one by one."""
    found: dict[str, str] = {}
    for one in fields(part):  # type: ignore[arg-type]
        value = getattr(part, one.name)
        if one.name == "span" or value is None or value in ((), ""):
            continue
        match value:
            case tuple() if all(isinstance(item, model.NamedValue) for item in value):
                found |= {item.name: spell_template(item.value) for item in value}
            case tuple() if all(isinstance(item, Move) for item in value):
                found |= {move.path: f"{move.status} {move.to}" for move in value}
            case _ if is_dataclass(value) and not isinstance(value, model.Node):
                inner = _properties(value)
                found |= {f"{one.name}.{key}": text for key, text in inner.items()}
                if not inner:
                    found[one.name] = type(value).__name__
            case _:
                found[one.name] = _words(value)
    return found


def _words(value: object) -> str:
    match value:
        case model.Node(type=model.Type.BOOLEAN):
            return spell(value)  # type: ignore[arg-type]
        case model.Node():
            return spell_template(value)  # type: ignore[arg-type]
        case tuple():
            return ", ".join(map(_words, value))
        case Enum():
            return str(value.value)
        case bool():
            return str(value).lower()
        case bytes() if len(value) <= _MAX_SHOWN_BYTES and value.decode("utf-8", "replace").encode() == value:
            return repr(value.decode())
        case bytes():
            return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"
        case _:
            return str(value)


# --- comparing -----------------------------------------------------------------------------------------


def _changed(part: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    details = tuple(_details(before, after))
    if details:
        yield Difference(Kind.CHANGED, part, details)


def _details(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Detail]:
    for name in (*before, *(name for name in after if name not in before)):
        if before.get(name) != after.get(name):
            yield Detail(name, before.get(name), after.get(name))


def _named(
    kind: str, before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> Iterator[Difference]:
    for name in before:
        if name not in after:
            yield Difference(Kind.REMOVED, f'{kind} "{name}"')
        else:
            yield from _changed(f'{kind} "{name}"', before[name], after[name])
    for name in after:
        if name not in before:
            yield Difference(Kind.ADDED, f'{kind} "{name}"', tuple(_details({}, after[name])))


def _rules(kind: str, before: tuple[model.Rule, ...], after: tuple[model.Rule, ...]) -> Iterator[Difference]:
    old, new = {rule.name: rule for rule in before}, {rule.name: rule for rule in after}
    for name in old:
        if name not in new:
            yield Difference(Kind.REMOVED, f'{kind} "{name}"', tuple(_details(_rule(old[name]), {})))
    places = {name: place for place, name in enumerate(old)}
    stayed = _longest_increasing([places[name] for name in new if name in old])
    for name, rule in new.items():
        if name not in old:
            yield Difference(Kind.ADDED, f'{kind} "{name}"', tuple(_details({}, _rule(rule))))
            continue
        details = tuple(_details(_rule(old[name]), _rule(rule)))
        if places[name] not in stayed:
            yield Difference(Kind.MOVED, f'{kind} "{name}"', details)
        elif details:
            yield Difference(Kind.CHANGED, f'{kind} "{name}"', details)


def _longest_increasing(places: list[int]) -> set[int]:
    """The greatest set of rules that kept their order: all others were moved (patience sorting)."""
    tails: list[int] = []  # place that ends the best run of each length
    before: dict[int, int | None] = {}
    for place in places:
        low = bisect_left(tails, place)
        before[place] = tails[low - 1] if low else None
        tails[low : low + 1] = [place]
    kept: set[int] = set()
    at: int | None = tails[-1] if tails else None
    while at is not None:
        kept.add(at)
        at = before[at]
    return kept


# --- decisions -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OtherDecision:
    """A request of a test that the two policies decide differently."""

    test: str
    before: Decision
    after: Decision


def decisions(before: Policy, after: Policy) -> Iterator[OtherDecision]:
    """For the requests of both policies' tests, a request once. Raises Failure as `Decider` does.

    A caller whose [auth] only one of the policies has is nobody to the other.
    """
    seen: list[model.SampleRequest] = []
    deciders = Decider(before), Decider(after)
    for test in (*after.tests, *before.tests):
        if test.request in seen:
            continue
        seen.append(test.request)
        found = [
            decider.decide(request_of(_known(test.request, policy), policy.country)).decision
            for decider, policy in zip(deciders, (before, after), strict=True)
        ]
        if found[0] != found[1]:
            yield OtherDecision(test.name, *found)


def _known(request: model.SampleRequest, policy: Policy) -> model.SampleRequest:
    caller = request.caller
    if caller is not None and caller.provider not in {auth.name for auth in policy.auths}:
        return replace(request, caller=None)
    return request
