"""Which rules fit all that meets a condition, found without comparing every rule with every other one."""

from __future__ import annotations

from collections.abc import Iterator

from luagen.lint.implication import alternatives, conjuncts, implies, texts
from luagen.model import Contains, Expression, NetworkSet, Rule

_MAX_CANDIDATES = 16  # for one key; what more rules with the same text would find is left unsaid

# A rule stands under every text that its condition starts from, or under a whole part of its condition.
_Key = tuple[Expression, str] | Expression


class Covering:
    """Rules, to be asked which of them fit whatever meets a condition."""

    def __init__(self) -> None:
        self._rules: dict[_Key, list[Rule]] = {}
        self._prefix_lengths: dict[Expression, set[int]] = {}

    def add(self, rule: Rule) -> None:
        for key in dict.fromkeys(self._keys(rule.when)):
            found = self._rules.setdefault(key, [])
            if len(found) < _MAX_CANDIDATES:
                found.append(rule)

    def first(self, condition: Expression) -> Rule | None:
        """A rule that fits every request which meets the condition, as far as one can see."""
        return next(self.all(condition), None)

    def all(self, condition: Expression) -> Iterator[Rule]:
        """The rules that fit every request which meets the condition, as far as one can see."""
        return (rule for rule in self._candidates(condition) if implies(condition, rule.when))

    def _keys(self, condition: Expression) -> Iterator[_Key]:
        """The condition as a whole, and what one of its parts compares something with.

        What meets a part that is a choice, such as `under(…)`, meets one of its sides: each has a key.
        """
        yield condition
        parts = conjuncts(condition)
        part = next((one for one in parts if all(map(_is_list, alternatives(one)))), parts[0])
        for side in alternatives(part):
            match texts(side), side:
                case (subject, values, are_prefixes), _:
                    if are_prefixes:
                        self._prefix_lengths.setdefault(subject, set()).update(map(len, values))
                    for value in values:
                        yield subject, value
                case None, Contains(item=item, container=NetworkSet()):
                    yield item
                case _:
                    yield side

    def _candidates(self, condition: Expression) -> Iterator[Rule]:
        yield from self._rules.get(condition, ())
        for part in conjuncts(condition):
            yield from self._rules.get(part, ())
            first = next(alternatives(part))  # what covers the part covers this
            match texts(first), first:
                case (subject, (text, *_), _), _:
                    yield from self._rules.get((subject, text), ())
                    for length in self._prefix_lengths.get(subject, ()):
                        if length < len(text):
                            yield from self._rules.get((subject, text[:length]), ())
                case None, Contains(item=item, container=NetworkSet()):
                    yield from self._rules.get(item, ())
                case _:
                    yield from self._rules.get(first, ())


def _is_list(condition: Expression) -> bool:
    """Whether it compares something with constants, by which it can be found."""
    match condition:
        case Contains(container=NetworkSet()):
            return True
        case _:
            return texts(condition) is not None
