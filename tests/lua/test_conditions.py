"""Absent claims and texts that are no numbers: the emitted Lua against Kleene's logic written down in Python.

Expressions are drawn as the checker types them; what they mean is `Meaning`, below, which knows nothing of
how the compiler pushes negations inward and puts guards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from enum import Enum, auto
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luagen import model, partials
from luagen.builtins import BUILTINS, TO_THE_END
from luagen.diagnostics import Bag
from luagen.lower_values import lower_expression
from luagen.lua.host import LUA_VERSIONS
from luagen.model import Comparison, Expression, Type
from luagen.walk import operands
from tests.lua.test_texts import evaluator
from tests.luagen.policies import (
    SPAN,
    and_,
    boolean,
    compare,
    contains,
    not_,
    number,
    or_,
    starts,
    strings,
    text,
    truth,
)

CLAIMS = {"/s": Type.STRING, "/t": Type.STRING, "/n": Type.INTEGER, "/b": Type.BOOLEAN, "/l": Type.STRINGS}


class AbsentError(Exception):
    pass


class Meaning:
    """What expressions mean for a caller. `strict`: inside a smallest condition, where absent is neither."""

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self._claims = claims

    def three(self, node: Expression, bound: Mapping[int, bytes]) -> bool | None:
        match node:
            case model.Not(operand=operand):
                held = self.three(operand, bound)
                return None if held is None else not held
            case model.And(operands=parts):
                return every([self.three(part, bound) for part in parts])
            case model.Or(operands=parts):
                return some([self.three(part, bound) for part in parts])
            case model.Conditional(condition=condition, then=then, otherwise=otherwise):
                held = self.three(condition, bound)
                return None if held is None else self.three(then if held else otherwise, bound)
            case model.Quantifier(every=all_, variable=variable, sequence=sequence, body=body):
                try:
                    elements = self.value(sequence, bound)
                except AbsentError:
                    return None
                held_all = [self.three(body, {**bound, variable.number: one}) for one in elements]
                return every(held_all) if all_ else some(held_all)
            case _:
                try:
                    return bool(self.smallest(node, bound))
                except AbsentError:
                    return None

    def smallest(self, node: Expression, bound: Mapping[int, bytes]) -> Any:
        match node:
            case model.Claim(pointer=pointer):
                return self._claim(pointer)
            case model.Truth(operand=operand):
                return self.value(operand, bound)
            case model.Compare(operator=operator, left=left, right=right):
                a, b = self.value(left, bound), self.value(right, bound)
                return {
                    "==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b
                }[operator.value]  # fmt: skip
            case model.Contains(item=item, container=container):
                return self.value(item, bound) in self.value(container, bound)
            case model.Affix(receiver=receiver, affixes=affixes):
                return self.value(receiver, bound).startswith(
                    tuple(self.value(one, bound) for one in affixes)
                )
            case model.Literal(value=value):
                return value
        raise AssertionError(node)

    def _claim(self, pointer: str) -> Any:
        if self._claims[pointer] is None:
            raise AbsentError
        return self._claims[pointer]

    def test(self, node: Expression, bound: Mapping[int, bytes]) -> bool:
        held = self.three(node, bound)
        if held is None:
            raise AbsentError
        return held

    def value(self, node: Expression, bound: Mapping[int, bytes]) -> Any:
        if node.type is Type.BOOLEAN:
            return self.test(node, bound)
        match node:
            case model.Literal(value=value):
                return value.encode() if isinstance(value, str) else value
            case model.StringSet(values=values):
                return tuple(value.encode() for value in values)
            case model.Claim(pointer=pointer):
                return self._claim(pointer)
            case model.ParsedInteger(text=part):
                try:
                    return int(self.value(part, bound))
                except ValueError:
                    raise AbsentError from None
            case model.Call(function=function, arguments=arguments):
                return BUILTINS[function].compute(*(self.value(one, bound) for one in arguments))
            case model.Conditional(condition=condition, then=then, otherwise=otherwise):
                return self.value(then if self.test(condition, bound) else otherwise, bound)
            case model.And(operands=parts) | model.Or(operands=parts):
                value: Any = None
                for part in parts:
                    value = self.value(part, bound)
                    if bool(value) != isinstance(node, model.And):
                        break
                return value
            case model.Variable(number=one):
                return bound[one]
            case model.Comprehension(
                variable=variable, sequence=sequence, condition=condition, element=element
            ):
                bindings = [{**bound, variable.number: one} for one in self.value(sequence, bound)]
                kept = [one for one in bindings if condition is None or self.test(condition, one)]
                return tuple(self.value(element, one) for one in kept)
        raise AssertionError(node)


def every(held: list[bool | None]) -> bool | None:
    return False if False in held else None if None in held else True


def some(held: list[bool | None]) -> bool | None:
    return True if True in held else None if None in held else False


def call(function: str, *arguments: Expression) -> model.Call:
    return model.Call(span=SPAN, type=BUILTINS[function].result, function=function, arguments=arguments)


def claim(pointer: str) -> model.Claim:
    return model.Claim(span=SPAN, type=CLAIMS[pointer], pointer=pointer)


def parsed(part: Expression) -> model.ParsedInteger:
    return model.ParsedInteger(span=SPAN, type=Type.INTEGER, text=part)


class Partial(Enum):
    """Where draws put what may be absent."""

    ANYWHERE = auto()  # also where the checker refuses it
    IN_TEXTS = auto()  # as the checker lets it be in templates
    IN_CONDITIONS = auto()  # as in conditions
    NOWHERE = auto()


class Draw:
    """Draws expressions of each type, no deeper than they say."""

    def __init__(self, data: st.DataObject, partial: Partial = Partial.IN_CONDITIONS) -> None:
        self._data = data
        self._variables = 0
        self._partial = partial

    @contextmanager
    def _where(self, changes: dict[Partial, Partial]) -> Iterator[None]:
        before = self._partial
        self._partial = changes.get(before, before)
        yield
        self._partial = before

    def _behind(self) -> AbstractContextManager[None]:
        """For parts on whose absence what a condition means would depend in a way that nobody expects."""
        return self._where({Partial.IN_CONDITIONS: Partial.NOWHERE})

    def _test(self, deep: int, bound: tuple[model.Variable, ...]) -> Expression:
        with self._where({Partial.IN_CONDITIONS: Partial.NOWHERE, Partial.IN_TEXTS: Partial.IN_CONDITIONS}):
            return self.condition(deep, bound)

    def _maybe(self, *kinds: str) -> list[str]:
        return list(kinds) if self._partial is not Partial.NOWHERE else []

    def _one(self, *choices: str) -> str:
        return self._data.draw(st.sampled_from(choices))

    def _conditional(self, type_: Type, deep: int, bound: tuple[model.Variable, ...]) -> model.Conditional:
        draw = {Type.STRING: self.text, Type.INTEGER: self.integer, Type.BOOLEAN: self.condition}[type_]
        condition = self._test(deep, bound)
        with self._behind():
            then, otherwise = draw(deep, bound), draw(deep, bound)
        return model.Conditional(span=SPAN, type=type_, condition=condition, then=then, otherwise=otherwise)

    def text(self, deep: int, bound: tuple[model.Variable, ...]) -> Expression:
        kinds = ["literal", *self._maybe("claim", "claim"), *["variable"] * 3 * bool(bound)]
        if deep > 0:
            kinds += ["call", "conditional", "chain"]
        match self._one(*kinds):
            case "literal":
                return text(self._one("", "a", "b", "1", "-2", "a,b", "1,x"))
            case "claim":
                return claim(self._one("/s", "/t"))
            case "variable":
                return self._data.draw(st.sampled_from(bound))
            case "call":
                return call("upper", self.text(deep - 1, bound))
            case "conditional":
                return self._conditional(Type.STRING, deep - 1, bound)
        chain = or_ if self._one("or", "and") == "or" else and_
        with self._behind():
            return chain(self.text(deep - 1, bound), self.text(deep - 1, bound))

    def integer(self, deep: int, bound: tuple[model.Variable, ...]) -> Expression:
        kinds = ["literal", *self._maybe("claim")]
        if deep > 0:
            kinds += [*self._maybe("parsed"), "len", "add", "conditional"]
        match self._one(*kinds):
            case "literal":
                return number(self._data.draw(st.integers(-2, 2)))
            case "claim":
                return claim("/n")
            case "parsed":
                return parsed(self.text(deep - 1, bound))
            case "len":
                return call("len_text", self.text(deep - 1, bound))
            case "add":
                return call("add", self.integer(deep - 1, bound), self.integer(deep - 1, bound))
        return self._conditional(Type.INTEGER, deep - 1, bound)

    def sequence(self, deep: int, bound: tuple[model.Variable, ...]) -> Expression:
        kinds = [*self._maybe("claim"), "set"] + ["split", "comprehension"] * (deep > 0)
        match self._one(*kinds):
            case "claim":
                return claim("/l")
            case "set":
                return strings("a", "1", "x")
            case "split":
                return call("split", self.text(deep - 1, bound), text(","), number(TO_THE_END))
        variable = self._variable()
        inside = (*bound, variable)
        sequence = self.sequence(deep - 1, bound)
        condition = self._test(deep - 1, inside) if self._one("if", "") else None
        with self._behind():
            element = self.text(deep - 1, inside)
        return model.Comprehension(
            span=SPAN, type=Type.STRINGS, variable=variable, sequence=sequence,
            condition=condition, element=element,
        )  # fmt: skip

    def _variable(self) -> model.Variable:
        self._variables += 1
        return model.Variable(span=SPAN, type=Type.STRING, name="x", number=self._variables)

    def condition(self, deep: int, bound: tuple[model.Variable, ...] = ()) -> Expression:
        kinds = [*self._maybe("claim"), "texts", "integers", "truth", "member", "affix", "literal"]
        if deep > 0:
            kinds += ["not", "not", "and", "or", "quantifier", "quantifier", "conditional", "booleans"]
        kind, deep = self._one(*kinds), deep - 1
        match kind:
            case "claim":
                return claim("/b")
            case "literal":
                return boolean(self._one("true", "") == "true")
            case "texts":
                return self._compare(("==", "!="), self.text(deep, bound), self.text(deep, bound))
            case "integers":
                comparisons = tuple(one.value for one in Comparison)
                return self._compare(comparisons, self.integer(deep, bound), self.integer(deep, bound))
            case "truth":
                draw = {"text": self.text, "integer": self.integer, "sequence": self.sequence}
                return truth(draw[self._one(*draw)](deep, bound))
            case "member":
                return contains(self.text(deep, bound), self.sequence(deep, bound))
            case "affix":
                return starts(self.text(deep, bound), self.text(deep, bound), text("a"))
            case "not":
                return not_(self.condition(deep, bound))
            case "and":
                return and_(self.condition(deep, bound), self.condition(deep, bound))
            case "or":
                return or_(self.condition(deep, bound), self.condition(deep, bound))
            case "booleans":
                with self._behind():
                    sides = self.condition(deep, bound), self.condition(deep, bound)
                return self._compare(("==", "!="), *sides)
            case "conditional":
                return self._conditional(Type.BOOLEAN, deep, bound)
        variable = self._variable()
        return model.Quantifier(
            span=SPAN, type=Type.BOOLEAN, every=self._one("all", "any") == "all", variable=variable,
            sequence=self.sequence(deep, bound), body=self.condition(deep, (*bound, variable)),
        )  # fmt: skip

    def _compare(self, among: tuple[str, ...], left: Expression, right: Expression) -> Expression:
        operator = Comparison(self._one(*among))
        return model.Compare(span=SPAN, type=Type.BOOLEAN, operator=operator, left=left, right=right)


CALLERS = st.fixed_dictionaries(
    {
        "/s": st.sampled_from([None, b"", b"a", b"1", b"a,1"]),
        "/t": st.sampled_from([None, b"", b"b", b"-2", b"a"]),
        "/n": st.sampled_from([None, 0, 1, -2]),
        "/b": st.sampled_from([None, True, False]),
        "/l": st.sampled_from([None, (), (b"a",), (b"1", b"x"), (b"", b"a,b")]),
    }
)


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_absent_is_neither_true_nor_false(version: str) -> None:
    evaluate = evaluator(version)

    @settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data(), st.lists(CALLERS, min_size=4, max_size=4))
    def agree(data: st.DataObject, callers: list[dict[str, Any]]) -> None:
        condition = Draw(data).condition(3)
        assert partials.check(condition, Bag())
        lowered = lower_expression(condition)
        negated = lower_expression(not_(condition))
        for claims in callers:
            meant = Meaning(claims).three(condition, {})
            assert evaluate(lowered, claims) is (meant is True)
            assert evaluate(negated, claims) is (meant is False)

    agree()


def test_what_the_checker_refuses_is_not_lowered() -> None:
    """Either a condition means what Kleene says, or it is refused: nothing in between gets to Lua."""
    evaluate = evaluator("lua54")
    refusals: set[str] = set()

    @settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data(), CALLERS)
    def agree(data: st.DataObject, claims: dict[str, Any]) -> None:
        condition = Draw(data, Partial.ANYWHERE).condition(3)
        bag = Bag()
        if partials.check(condition, bag):
            meant = Meaning(claims).three(condition, {})
            assert evaluate(lower_expression(condition), claims) is (meant is True)
            assert evaluate(lower_expression(not_(condition)), claims) is (meant is False)
        else:
            refusals.update(diagnostic.message for diagnostic in bag.sorted())
            with pytest.raises(ValueError, match="bug in luagen"):
                lower_expression(condition)

    agree()
    assert len({message.partition(" cannot be ")[2] for message in refusals}) == 7


S, T, N, B, L = map(claim, CLAIMS)
X = model.Variable(span=SPAN, type=Type.STRING, name="x", number=1)
SURE = compare(call("upper", text("a")), "==", text("A"))


def conditional(condition: Expression, then: Expression, otherwise: Expression) -> model.Conditional:
    return model.Conditional(span=SPAN, type=then.type, condition=condition, then=then, otherwise=otherwise)


def collected(sequence: Expression, condition: Expression | None, element: Expression) -> model.Comprehension:
    return model.Comprehension(
        span=SPAN, type=Type.STRINGS, variable=X, sequence=sequence, condition=condition, element=element
    )


def quantified(every: bool, body: Expression) -> model.Quantifier:
    return model.Quantifier(
        span=SPAN, type=Type.BOOLEAN, every=every, variable=X, sequence=strings("a", "1"), body=body
    )


# Where one absent value must not hide behind what another one, or what stands around it, decides.
SUBTLE: list[Expression] = [
    compare(S, "!=", T),
    compare(parsed(S), "!=", parsed(T)),
    compare(N, "<", parsed(S)),
    starts(S, T, text("a")),
    starts(text("a"), S, T),
    contains(S, L),
    contains(text("a"), collected(L, compare(X, "!=", text("x")), call("upper", X))),
    compare(conditional(SURE, text("a"), text("b")), "!=", S),
    quantified(False, and_(compare(S, "==", text("a")), compare(X, "==", T))),
    quantified(True, or_(not_(compare(S, "==", text("a"))), compare(X, "==", T))),
    quantified(True, or_(not_(compare(parsed(X), ">", N)), B)),
]


@pytest.mark.parametrize("version", ["lua51", "lua54", "luajit21"])
@pytest.mark.parametrize("condition", SUBTLE)
def test_every_value_counts(condition: Expression, version: str) -> None:
    evaluate = evaluator(version)
    lowered, negated = lower_expression(condition), lower_expression(not_(condition))
    outcomes = set()
    for values in product(
        (None, b"", b"a", b"1"), (None, b"", b"b", b"2"), (None, 0), (None, True, False), (None, (b"a", b"x"))
    ):
        claims = dict(zip(CLAIMS, values, strict=True))
        meant = Meaning(claims).three(condition, {})
        outcomes.add(meant)
        assert evaluate(lowered, claims) is (meant is True), claims
        assert evaluate(negated, claims) is (meant is False), claims
    assert len(outcomes) > 1


class Empty(Meaning):
    """What is absent read as empty: the meaning outside conditions."""

    def test(self, node: Expression, bound: Mapping[int, bytes]) -> bool:
        return self.three(node, bound) is True

    def value(self, node: Expression, bound: Mapping[int, bytes]) -> Any:
        try:
            return super().value(node, bound)
        except AbsentError:
            if isinstance(node, model.Claim | model.ParsedInteger):
                return {Type.STRING: b"", Type.INTEGER: 0, Type.STRINGS: ()}[node.type]
            raise

    def three(self, node: Expression, bound: Mapping[int, bytes]) -> bool | None:
        return Meaning(self._claims).three(node, bound)


@pytest.mark.parametrize("version", ["lua51", "lua54"])
def test_absent_reads_as_empty_in_texts(version: str) -> None:
    evaluate = evaluator(version)

    @settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data(), CALLERS)
    def agree(data: st.DataObject, claims: dict[str, Any]) -> None:
        draw = Draw(data, Partial.IN_TEXTS)
        for node in (draw.text(3, ()), draw.integer(3, ()), draw.sequence(3, ())):
            assert evaluate(lower_expression(node), claims) == Empty(claims).value(node, {})

    agree()


def test_the_draw_is_worth_something() -> None:
    """Conditions that are neither come up, with each kind of node in them."""
    seen: set[str] = set()
    outcomes: set[bool | None] = set()

    @settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data(), CALLERS)
    def look(data: st.DataObject, claims: dict[str, Any]) -> None:
        condition = Draw(data).condition(3)
        outcome = Meaning(claims).three(condition, {})
        outcomes.add(outcome)
        stack = [condition]
        while stack:
            node = stack.pop()
            stack += operands(node)
            if outcome is None:
                seen.add(type(node).__name__)

    look()
    assert outcomes == {True, False, None}
    assert {
        "Claim",
        "ParsedInteger",
        "Conditional",
        "Quantifier",
        "Comprehension",
        "Not",
        "And",
        "Or",
        "Compare",
    } <= seen
