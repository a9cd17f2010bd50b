"""Rewrites that lead behind a check: rules see the path that the client asked for, and no other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from luagen.actions import Require, Rewrite
from luagen.diagnostics import Bag, Code, quoted
from luagen.lint.covering import Covering
from luagen.lint.implication import alternatives, conjuncts, implies, only_paths, texts
from luagen.lint.protection import protects
from luagen.model import Concatenation, Expression, Field, Literal, Policy, Rule


def lint(policy: Policy, bag: Bag) -> None:
    _lint(policy.rules, _Protected(policy.all_rules()), bag)
    for site in policy.sites:
        _lint(site.rules, _Protected((*policy.rules, *site.rules)), bag)


def _lint(rules: Sequence[Rule], protected: _Protected, bag: Bag) -> None:
    for rule in rules:
        if not isinstance(rule.action, Rewrite) or rule.action.path is None:
            continue
        found = [
            (text, check)
            for text, is_whole in _beginnings(rule.action.path, rule.when)
            for check in protected.meeting(text, is_whole)
            if not implies(rule.when, check.when) and not protected.asks_the_same(rule, check)
        ]
        for text, check in found[:1]:
            message = f"what is at {quoted(text)} is protected by {quoted(check.name)}, which does not see it"
            help_text = "rules see the path that the client asked for: `require` the same of these requests"
            bag.warning(Code.REWRITE_BEHIND_CHECK, message, rule.action.path.span, help=help_text)


def _beginnings(path: Expression, when: Expression) -> Iterator[tuple[str, bool]]:
    """The constant texts that a path can begin with, and whether that is all of it."""
    match path:
        case Literal(value=str(text)):
            yield text, True
        case Concatenation(parts=(Literal(value=str(text)), Field(name="request.path"), *rest)):
            for value, is_prefix in _paths(when) or [("/", True)]:
                yield text + value, not is_prefix and not rest
        case Concatenation(parts=(Literal(value=str(text)), *_)):
            yield text, False


def _paths(when: Expression) -> list[tuple[str, bool]]:
    """The paths that a condition is about, and whether they are beginnings; none: it does not say."""
    for part in conjuncts(when):
        if found := only_paths(part):
            return list(found)
    return []


class _Protected:
    """The paths that rules protect, and what is required for them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._required = Covering()
        self._whole: dict[str, Rule] = {}
        self._begins: dict[str, Rule] = {}
        for rule in filter(protects, rules):
            if isinstance(rule.action, Require):
                self._required.add(rule)
            for part in conjuncts(rule.when):
                for choice in alternatives(part):
                    match texts(choice):
                        case Field(name="request.path"), values, are_prefixes:
                            for value in values:
                                (self._begins if are_prefixes else self._whole).setdefault(value, rule)
        self._sorted = {True: sorted(self._begins), False: sorted(self._whole)}
        self._lengths = sorted(set(map(len, self._begins)))

    def meeting(self, text: str, is_whole: bool) -> Iterator[Rule]:
        """The rules that protect a path which is, or begins with, the text."""
        if is_whole and text in self._whole:
            yield self._whole[text]
        for length in self._lengths:
            if length <= len(text) and text[:length] in self._begins:
                yield self._begins[text[:length]]
        if not is_whole:
            for found, rules in ((self._sorted[True], self._begins), (self._sorted[False], self._whole)):
                at = bisect_left(found, text)
                if at < len(found) and found[at].startswith(text):
                    yield rules[found[at]]

    def asks_the_same(self, rule: Rule, check: Rule) -> bool:
        """Whether a `require` that asks for what `check` asks for fits all requests of the rule."""
        return any(other.action == check.action for other in self._required.all(rule.when))
