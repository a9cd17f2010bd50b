"""Header fields and variables that two rules set for the same requests: only the later one counts."""

from __future__ import annotations

from luagen.diagnostics import Bag, Code, quoted
from luagen.model import Expression, Policy, Rule


def lint(policy: Policy, bag: Bag) -> None:
    shared: _Seen = {}
    for rule in policy.rules:
        _compare(rule, (shared,), bag)
    for site in policy.sites:
        own: _Seen = {}
        for rule in site.rules:
            _compare(rule, (own, shared), bag)


_Seen = dict[tuple[str, str, Expression], Rule]


def _compare(rule: Rule, seen: tuple[_Seen, ...], bag: Bag) -> None:
    for kind, name in rule.action.sets():
        key = (kind, name.lower(), rule.when)
        earlier = next((found[key] for found in seen if key in found), None)
        if earlier is not None:
            bag.warning(
                Code.OVERWRITTEN_VALUE,
                f"the {kind} {quoted(name)} is set twice for the same requests",
                rule.span,
                help=f"{quoted(earlier.name)} in line {earlier.span.line} sets it first, which has no effect",
            )
        seen[0][key] = rule
