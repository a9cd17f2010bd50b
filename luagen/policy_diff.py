"""What differs between two policies: their parts by name, and what they decide on their tests' requests."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from luagen import fold, model, walk
from luagen.decide import Decider
from luagen.model import Policy
from luagen.properties import Property, expression_property, properties, told_apart
from luagen.reads import stripped_fields
from luagen.reference.decision import Decision
from luagen.reference.sample import request_of


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
    found += _named("auth", _plain_parts(before.auths), _plain_parts(after.auths))
    found += _named("origin", _plain_parts(before.origins), _plain_parts(after.origins))
    found += _named("list", _lists(before), _lists(after))
    found += _rules("rule", before.rules, after.rules)
    sites = {site.name: site for site in before.sites}, {site.name: site for site in after.sites}
    found += _named("site", *({name: _site(site) for name, site in some.items()} for some in sites))
    for name in sites[0].keys() | sites[1].keys():
        old, new = (some[name].rules if name in some else () for some in sites)
        found += _rules(f'site "{name}", rule', old, new)
    taken = [", ".join(sorted(stripped_fields(policy))) or "none" for policy in (before, after)]
    if not found and taken[0] != taken[1]:
        found.append(Difference(Kind.CHANGED, "the policy", (Detail("fields taken from clients", *taken),)))
    return found


# --- parts of a policy ---------------------------------------------------------------------------------

Parts = Mapping[str, Property]  # of a part of the policy, by name


def _head(policy: Policy) -> Parts:
    country = policy.country
    source = {} if country is None else {f"country.{key}": one for key, one in properties(country).items()}
    return {"default": Property(policy.default.value), **source}


def _plain_parts(parts: Sequence[model.Auth] | Sequence[model.Origin]) -> dict[str, Parts]:
    return {part.name: {key: one for key, one in properties(part).items() if key != "name"} for part in parts}


def _site(site: model.Site) -> Parts:
    return {
        "default": Property(site.default.value),
        "hosts": Property(", ".join(site.hosts), frozenset(site.hosts)),
    }


def _lists(policy: Policy) -> dict[str, Parts]:
    """The declared lists that rules use; of an entry that it is there, and where when its place matters."""
    found: dict[str, dict[str, Property]] = {}
    ordered: set[str] = set()
    for expression in policy.expressions():
        for node in walk.nodes(expression):
            match node:
                case model.Contains() | model.Quantifier():
                    continue  # what is in it counts, and no order
                case model.StringSet(name=str() as name, values=texts):
                    found[name] = dict.fromkeys(texts, Property("listed"))
                case model.NetworkSet(name=str() as name, values=networks):
                    found[name] = dict.fromkeys(map(str, networks), Property("listed"))
            ordered |= {
                part.name for part in walk.operands(node) if isinstance(part, model.StringSet) and part.name
            }
    for name in ordered:
        found[name] = {text: Property(f"at {place}") for place, text in enumerate(found[name], 1)}
    return dict(found)


def _rule(rule: model.Rule) -> Parts:
    when = expression_property(rule.when)
    action = {f"{rule.action.key}.{key}": one for key, one in properties(rule.action).items()}
    return ({} if when.form == fold.TRUE else {"when": when}) | (action or {rule.action.key: Property("")})


# --- comparing -----------------------------------------------------------------------------------------


def _changed(part: str, before: Parts, after: Parts) -> Iterator[Difference]:
    details = tuple(_details(before, after))
    if details:
        yield Difference(Kind.CHANGED, part, details)


def _details(before: Parts, after: Parts) -> Iterator[Detail]:
    for name in (*before, *(name for name in after if name not in before)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Detail(name, None if old is None else old.text, None if new is None else new.text)
        elif old.form != new.form:
            yield Detail(name, *told_apart(old, new))


def _named(kind: str, before: Mapping[str, Parts], after: Mapping[str, Parts]) -> Iterator[Difference]:
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
