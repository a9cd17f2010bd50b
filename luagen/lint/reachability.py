"""Rules that no request reaches: an earlier one ends all that they fit."""

from __future__ import annotations

from collections.abc import Sequence

from luagen.diagnostics import Bag, Code, quoted
from luagen.lint.conditions import constant
from luagen.lint.covering import Covering
from luagen.model import Policy, Rule


def lint(policy: Policy, bag: Bag) -> None:
    shared = Covering()
    if _after(policy.rules, shared, None, bag):
        for site in policy.sites:
            _after(site.rules, Covering(), shared, bag)
    elif rules := [rule for site in policy.sites for rule in site.rules]:
        _never_reached(rules, _first_ending(policy.rules), bag)


def _after(rules: Sequence[Rule], own: Covering, shared: Covering | None, bag: Bag) -> bool:
    """Reports rules that earlier ones leave nothing; False when one ends every request."""
    for index, rule in enumerate(rules):
        earlier = own.first(rule.when) or (shared.first(rule.when) if shared is not None else None)
        if earlier is not None:
            message = f"{quoted(rule.name)} is never reached: an earlier rule ends all requests that it fits"
            help_text = f"{quoted(earlier.name)} in line {earlier.span.line} does; put this rule before it"
            bag.warning(Code.SHADOWED_RULE, message, rule.span, help=help_text)
        if not rule.action.ends:
            continue
        if constant(rule.when) is True:
            _never_reached(rules[index + 1 :], rule, bag)
            return False
        own.add(rule)
    return True


def _first_ending(rules: Sequence[Rule]) -> Rule:
    return next(rule for rule in rules if rule.action.ends and constant(rule.when) is True)


def _never_reached(rules: Sequence[Rule], earlier: Rule, bag: Bag) -> None:
    if rules:
        bag.warning(
            Code.UNREACHABLE_RULE,
            "this rule is never reached"
            if len(rules) == 1
            else f"these {len(rules)} rules are never reached",
            rules[0].span,
            help=f"{quoted(earlier.name)} in line {earlier.span.line} ends every request",
        )
