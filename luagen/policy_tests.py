"""The `[[test]]` tables of a policy: running them, and what of the policy they have tried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from luagen import model, statuses, walk
from luagen.decide import Decided, Decider
from luagen.failure import Failure
from luagen.model import Expression, Policy, PolicyTest, Type
from luagen.reference.decision import Decision
from luagen.reference.evaluate import Value
from luagen.reference.sample import request_of
from luagen.spelling import spell


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One expectation that was not met; `what` is the key of `expect`, and the name below it for tables."""

    what: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class TestResult:
    test: PolicyTest
    decided: Decided
    mismatches: tuple[Mismatch, ...]

    @property
    def passed(self) -> bool:
        return not self.mismatches


def run(policy: Policy, names: str | None = None) -> Iterator[TestResult]:
    """Runs the tests whose name has `names` in it, each on a server of its own as far as that can be told
    from outside. Raises Failure when reference and scripts do not agree."""
    counts = any(rule.action.key == "limit" for rule in policy.all_rules())
    decider = None
    for test in policy.tests:
        if names is not None and names not in test.name:
            continue
        if decider is None or counts:
            decider = Decider(policy)
        decided = decider.decide(request_of(test.request, policy.country))
        yield TestResult(test, decided, tuple(_mismatches(test, decided.decision)))


def all_pass(policy: Policy, path: Path) -> str:
    """What came of the tests, in words. Raises Failure when one fails, or cannot be told."""
    failed = [result for result in run(policy) if not result.passed]
    if failed:
        first = failed[0].test.name
        others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise Failure(f'the policy fails its own test "{first}"{others}', f"lightgate test {path}")
    return f"{len(policy.tests)} passed"


def _mismatches(test: PolicyTest, decision: Decision) -> Iterator[Mismatch]:
    single: tuple[tuple[str, str | int | bool | None, str | int | bool | None], ...] = (
        ("passes", test.passes, decision.passes),
        ("status", test.status, decision.status),
        ("rule", test.rule, decision.rule),
        ("body", test.body, _content(test, decision)),
        ("path", test.path, _text(decision.path)),
        ("query", test.query, _text(decision.query)),
        ("origin", test.origin, decision.origin or ""),
    )
    for what, expected, got in single:
        if expected is not None and expected != got:
            yield Mismatch(what, _spelt(expected), _spelt(got))
    response: dict[bytes, bytes] = {}
    for field_name, value in decision.response_headers:
        before = response.get(field_name)
        response[field_name] = value if before is None else before + b", " + value
    tables = (
        ("headers", test.headers, response, str.lower),
        ("request_headers", test.request_headers, decision.request_headers, str.lower),
        ("env", test.env, decision.env, str.upper),
    )
    for what, wanted, found, normal in tables:
        for name, text in wanted:
            there = _text(found.get(normal(name).encode(), b""))
            if text != there:
                yield Mismatch(f"{what}.{name}", _spelt(text), _spelt(there))


def _content(test: PolicyTest, decision: Decision) -> str | None:
    """What the client gets as content; None when that is not known here: the application's."""
    if test.request.method == "HEAD" or decision.status in statuses.WITHOUT_CONTENT:
        return ""
    return None if decision.body is None else _text(decision.body)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _spelt(value: str | int | bool | None) -> str:
    match value:
        case None:
            return "the application's, which is not known here"
        case bool():
            return str(value).lower()
        case "":
            return repr(value)
        case _:
            return str(value)


# --- coverage ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that no test has tried. `text` is the part of the condition, None for the rule as a whole."""

    rule: str
    line: int
    text: str | None
    never: str  # "tried", "true" or "false"


@dataclass(slots=True)
class Coverage:
    """What tests have tried of a policy: every rule with a condition both ways, and every part of it that
    `and`, `or` or `if` decides on."""

    policy: Policy
    _tried: set[str] = field(default_factory=set)
    _seen: defaultdict[int, set[bool]] = field(default_factory=lambda: defaultdict(set))

    def add(self, decided: Decided) -> None:
        for considered in decided.played.considered:
            self._tried.add(considered.rule.name)
            for part in _judged(considered.rule):
                self._seen[id(part)].update(_truths(considered.values.get(id(part), [])))

    def gaps(self) -> list[Gap]:
        found: list[Gap] = []
        for rule in self.policy.all_rules():
            if rule.name not in self._tried:
                found.append(Gap(rule.name, rule.span.line, None, "tried"))
                continue
            for part in _judged(rule):
                text = None if part is rule.when else spell(part)
                found += [
                    Gap(rule.name, (rule if text is None else part).span.line, text, str(truth).lower())
                    for truth in (True, False)
                    if truth not in self._seen[id(part)]
                ]
        return found

    def figures(self) -> tuple[int, int]:
        """How many outcomes the tests have seen, and how many there are."""
        possible = sum(2 * len(_judged(rule)) or 1 for rule in self.policy.all_rules())
        missed = 0
        for gap in self.gaps():
            rule = next(rule for rule in self.policy.all_rules() if rule.name == gap.rule)
            missed += (2 * len(_judged(rule)) or 1) if gap.never == "tried" else 1
        return possible - missed, possible


def _judged(rule: model.Rule) -> list[Expression]:
    """The condition of a rule and the parts of it that decide."""
    if isinstance(rule.when, model.Literal):
        return []
    found: list[Expression] = [rule.when]
    for node in walk.nodes(rule.when):
        match node:
            case (
                model.And(type=Type.BOOLEAN, operands=operands)
                | model.Or(type=Type.BOOLEAN, operands=operands)
            ):
                found += operands
            case model.Conditional(condition=condition):
                found.append(condition)
    unique = {id(node): node for node in found if not isinstance(node, model.Literal)}
    return list(unique.values())


def _truths(values: list[Value]) -> set[bool]:
    """What is neither true nor false does not hold."""
    return {value is True for value in values}
