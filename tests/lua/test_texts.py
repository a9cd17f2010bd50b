"""The functions of expressions against CPython: what the compiler writes for a call, run by every Lua."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from luagen import ir
from luagen.builtins import BLANKS, BUILTINS, TO_THE_END
from luagen.lua.emit_values import ValueWriter
from luagen.lua.host import LUA_VERSIONS, Host
from luagen.lua.literals import MAX_INTEGER
from luagen.lua.pool import Pool
from luagen.model import Type

LETTERS = b"aAbBzZ09_,./ \t\n\r\v\f\0\x7f\x80\xc3\xa4\xff%^$[]"
TEXTS = st.lists(
    st.sampled_from([bytes([byte]) for byte in LETTERS]) | st.binary(max_size=2), max_size=9
).map(b"".join)
SHORT = st.binary(min_size=1, max_size=2) | st.sampled_from([b"a", b"ab", b"/", b",", b"aa", b"  "])
PLACES = st.integers(-12, 12) | st.just(TO_THE_END)
LIMITS = st.integers(0, 4) | st.just(TO_THE_END)
INTEGERS = st.integers(-100, 100) | st.integers(-MAX_INTEGER, MAX_INTEGER)
SEQUENCES = st.lists(TEXTS, max_size=5).map(tuple)
NOT_ZERO = INTEGERS.filter(bool)
MINUTES = st.integers(0, 1440)
DEFAULTS: dict[Type, st.SearchStrategy[Any]] = {
    Type.STRING: TEXTS,
    Type.INTEGER: INTEGERS,
    Type.STRINGS: SEQUENCES,
}


@st.composite
def text_specs(draw: st.DrawFn) -> bytes:
    fill = draw(st.sampled_from(["", "*", "0", "<", ".", " "]))
    align = draw(st.sampled_from("<>^")) if fill else draw(st.sampled_from(["", "<", ">", "^"]))
    width = draw(st.sampled_from(["", "1", "5", "12", "30"]))
    precision = draw(st.sampled_from(["", ".0", ".3", ".20"]))
    return f"{fill}{align}{width}{precision}".encode()


@st.composite
def integer_specs(draw: st.DrawFn) -> bytes:
    zero = draw(st.sampled_from(["", "0"]))
    width = draw(st.sampled_from(["", "1", "2", "7", "8", "9", "30"]))
    comma = draw(st.sampled_from(["", ","]))
    kind = draw(st.sampled_from(["", "d"] if comma else ["", "d", "x", "X", "o", "b"]))
    return f"{zero}{width}{comma}{kind}".encode()


# What the checker lets through, where that is less than the types say.
PARTICULAR: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "strip": (TEXTS, TEXTS | st.just(BLANKS)),
    "lstrip": (TEXTS, TEXTS | st.just(BLANKS)),
    "rstrip": (TEXTS, TEXTS | st.just(BLANKS)),
    "removeprefix": (TEXTS, SHORT | TEXTS),
    "removesuffix": (TEXTS, SHORT | TEXTS),
    "replace": (TEXTS, SHORT, TEXTS, LIMITS),
    "slice_text": (TEXTS, PLACES, PLACES),
    "item_of_text": (TEXTS, PLACES),
    "format_text": (TEXTS, text_specs()),
    "format_integer": (INTEGERS, integer_specs()),
    "split": (TEXTS, SHORT, LIMITS),
    "slice_texts": (SEQUENCES, PLACES, PLACES),
    "item_of_texts": (SEQUENCES, PLACES),
    "find": (TEXTS, SHORT | TEXTS),
    "rfind": (TEXTS, SHORT | TEXTS),
    "count": (TEXTS, SHORT),
    "floor_divide": (INTEGERS, NOT_ZERO),
    "modulo": (INTEGERS, NOT_ZERO),
    "between": (MINUTES, MINUTES, MINUTES),
}


def evaluator(version: str) -> Any:
    """A function from IR values to what that Lua makes of the code that is written for them."""
    host = Host(version)
    modules = host.load_runtime("address", "texts", "automaton", "fields")
    gate, q = host.table({}), host.table({})
    modules["fields"][b"attach"](gate, host.fake[b"lighty"], q)
    prelude = (
        b"local gate, q, K = ...\n"
        b"local floor, concat, find, sub = math.floor, table.concat, string.find, string.sub\n"
        b"local texts, percent = gate.texts, gate.percent\n"
        b"local types = { string = 'string', integer = 'number', boolean = 'boolean', strings = 'table' }\n"
        b"local function claim(q, _, pointer, kind)\n"
        b"  local value = q.claims[pointer]\n"
        b"  if type(value) == types[kind] then return value end\n"
        b"  return nil\n"
        b"end\n"
        b"local function filled(value) if value ~= '' and value ~= 0 then return value end return nil end\n"
        b"local function starts_with(text, prefix) return sub(text, 1, #prefix) == prefix end\n"
    )

    def evaluate(value: ir.Value, claims: Mapping[str, Any] | None = None) -> Any:
        known = {pointer.encode(): claim for pointer, claim in (claims or {}).items() if claim is not None}
        q[b"claims"] = host.table(known)
        pool = Pool()
        code = ValueWriter(1, pool, lambda slot: "nil").text(value).encode()
        kept = b"K = { " + b", ".join(constant.encode() for constant in pool.constants) + b" }\n"
        found = host._chunk(prelude + kept + b"return " + code, b"@value")(gate, q)
        if isinstance(found, (bool, bytes, int, float)):
            return found
        return tuple(found.values())

    return evaluate


def constant(value: Any) -> ir.Value:
    return ir.Strings(value) if isinstance(value, tuple) else ir.Constant(value)


def drawn(name: str) -> st.SearchStrategy[tuple[Any, ...]]:
    builtin = BUILTINS[name]
    return st.tuples(*PARTICULAR.get(name, [DEFAULTS[type_] for type_ in builtin.parameters]))


@pytest.mark.parametrize("version", LUA_VERSIONS)
@pytest.mark.parametrize("name", BUILTINS)
def test_equals_cpython(name: str, version: str) -> None:
    evaluate = evaluator(version)

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(drawn(name))
    def agree(arguments: tuple[Any, ...]) -> None:
        expected = BUILTINS[name].compute(*arguments)
        if isinstance(expected, int):
            assume(abs(expected) <= MAX_INTEGER)
        found = evaluate(ir.Apply(name, tuple(map(constant, arguments))))
        assert found == expected
        assert isinstance(found, bool) == isinstance(expected, bool)
        if isinstance(expected, int) and not isinstance(expected, bool):
            assert evaluate(ir.Decimal(ir.Apply(name, tuple(map(constant, arguments))))) == b"%d" % expected

    agree()


FORMATS: list[tuple[str, Any, bytes]] = [
    ("format_text", b"ab", b"^5"), ("format_text", b"abc", b"*^8"), ("format_text", b"ab", b"05"),
    ("format_text", b"ab", b"<<4.1"), ("format_text", b"ab", b">4"), ("format_text", b"ab", b"4"),
    ("format_text", b"ab", b"1"), ("format_text", b"ab", b".1"), ("format_text", b"ab", b"\xff>4"),
    ("format_integer", 123, b"04,"), ("format_integer", -123, b"04,"), ("format_integer", 1234567, b","),
    ("format_integer", -1234, b"010,"), ("format_integer", -5, b"04d"), ("format_integer", -5, b"4d"),
    ("format_integer", MAX_INTEGER, b"x"), ("format_integer", -255, b"08X"), ("format_integer", 0, b"b"),
    ("format_integer", 0, b"0"), ("format_integer", 8, b"o"),
]  # fmt: skip


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_formats(version: str) -> None:
    evaluate = evaluator(version)
    for name, value, spec in FORMATS:
        found = evaluate(ir.Apply(name, (constant(value), ir.Constant(spec))))
        assert found == BUILTINS[name].compute(value, spec), (value, spec)


ORDERS = [
    ("subtract", "subtract"), ("subtract", "add"), ("multiply", "add"), ("floor_divide", "multiply"),
    ("modulo", "multiply"), ("subtract", "negate"), ("negate", "subtract"), ("negate", "negate"),
    ("multiply", "modulo"),
]  # fmt: skip


@pytest.mark.parametrize("version", LUA_VERSIONS)
@pytest.mark.parametrize(("outer", "inner"), ORDERS)
def test_operators_nest_as_they_are_meant(outer: str, inner: str, version: str) -> None:
    evaluate = evaluator(version)

    for a, b in ((7, -3), (-7, 3), (-7, -2)):
        arity = len(BUILTINS[inner].parameters)
        inside = ir.Apply(inner, tuple(map(ir.Constant, (a, b)[:arity])))
        known = BUILTINS[inner].compute(*(a, b)[:arity])
        for places in ((inside, ir.Constant(5)), (ir.Constant(5), inside)):
            operands = places[: len(BUILTINS[outer].parameters)]
            values = [known if operand is inside else 5 for operand in operands]
            if outer in ("floor_divide", "modulo") and values[-1] == 0:
                continue
            assert evaluate(ir.Apply(outer, operands)) == BUILTINS[outer].compute(*values)


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_integers_in_texts(version: str) -> None:
    evaluate = evaluator(version)
    accepted = [b"0", b"-0", b"7", b"-7", b"007", b"999999999999999", b"-999999999999999"]
    for text in accepted:
        assert evaluate(ir.IsInteger(ir.Constant(text))) is True
        assert evaluate(ir.ParsedInteger(ir.Constant(text))) == int(text)
        assert evaluate(ir.Decimal(ir.ParsedInteger(ir.Constant(text)))) == b"%d" % int(text)
    refused = [
        b"",
        b"-",
        b"--7",
        b"+7",
        b" 7",
        b"7 ",
        b"7\n",
        b"1_0",
        b"0x10",
        b"1e3",
        b"7.0",
        b"1" * 16,
        b"\xb2",
        b"7\0",
    ]
    for text in refused:
        assert evaluate(ir.IsInteger(ir.Constant(text))) is False
        assert evaluate(ir.ParsedInteger(ir.Constant(text))) == 0


X, Y = ir.Variable(0), ir.Variable(1)
WORDS = ir.Strings((b"a", b"bb", b"", b"a"))
IS_A = ir.Equal(X, ir.Constant(b"a"))


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_sequences(version: str) -> None:
    evaluate = evaluator(version)
    none = ir.Apply("split_blanks", (ir.Constant(b" "),))
    assert evaluate(ir.InSequence(ir.Constant(b"bb"), WORDS)) is True
    assert evaluate(ir.InSequence(ir.Constant(b"b"), WORDS)) is False
    assert evaluate(ir.Quantifier(False, X, WORDS, IS_A)) is True
    assert evaluate(ir.Quantifier(True, X, WORDS, IS_A)) is False
    assert evaluate(ir.Quantifier(False, X, none, IS_A)) is False
    assert evaluate(ir.Quantifier(True, X, none, IS_A)) is True
    doubled = ir.Collected(X, WORDS, ir.Not(IS_A), ir.Concat((X, X)))
    assert evaluate(doubled) == (b"bbbb", b"")
    assert evaluate(ir.Collected(X, WORDS, ir.Constant(True), ir.Concat((X, X)))) == (
        b"aa",
        b"bbbb",
        b"",
        b"aa",
    )
    inner = ir.Quantifier(True, Y, WORDS, ir.Equal(X, Y))
    assert evaluate(ir.Quantifier(False, X, WORDS, inner)) is False


@pytest.mark.parametrize("version", LUA_VERSIONS)
@pytest.mark.parametrize("number", [2, 5, 40, 70_000])
def test_many_constants(version: str, number: int) -> None:
    evaluate = evaluator(version)
    members = tuple(b"/path/%d/" % n for n in range(1, number + 1))
    for text, is_member in (
        (b"/path/1/", True),
        (b"/path/%d/" % number, True),
        (b"/path/0/", False),
        (b"", False),
    ):
        known = ir.Constant(text)
        more, less = ir.Constant(text + b"x"), ir.Constant(b"x" + text)
        assert evaluate(ir.InStrings(known, members)) is is_member
        assert evaluate(ir.HasAnyPrefix(more, members)) is is_member
        assert evaluate(ir.HasAnyPrefix(less, members)) is False
        assert evaluate(ir.HasAnySuffix(less, members)) is is_member
        assert evaluate(ir.HasAnySuffix(more, members)) is False
        assert evaluate(ir.InSequence(known, ir.Strings(members))) is is_member


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_choices(version: str) -> None:
    evaluate = evaluator(version)
    for holds in (True, False):
        condition = ir.Equal(ir.Constant(b"a"), ir.Constant(b"a" if holds else b"b"))
        assert evaluate(ir.Choice(condition, ir.Constant(0), ir.Constant(-1))) == (0 if holds else -1)
        nested = ir.Choice(
            condition, ir.Choice(ir.Not(condition), ir.Constant(b"x"), ir.Constant(b"")), ir.Constant(b"z")
        )
        assert evaluate(nested) == (b"" if holds else b"z")


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_time_grows_with_the_text(version: str) -> None:
    """Texts for which a backtracking pattern would take minutes."""
    evaluate = evaluator(version)
    blanks = b" " * 200_000
    assert (
        evaluate(ir.Apply("strip", (ir.Constant(b"x" + blanks + b"x"), ir.Constant(BLANKS))))
        == b"x" + blanks + b"x"
    )
    assert evaluate(ir.Apply("rstrip", (ir.Constant(blanks + b"x"), ir.Constant(BLANKS)))) == blanks + b"x"
    assert evaluate(ir.Apply("isspace", (ir.Constant(blanks + b"x"),))) is False
    assert evaluate(ir.Apply("split_blanks", (ir.Constant(blanks),))) == ()
    assert evaluate(ir.IsInteger(ir.Constant(b"1" * 200_000 + b"x"))) is False
    assert (
        len(
            evaluate(
                ir.Apply("split", (ir.Constant(b"/" * 100_000), ir.Constant(b"/"), ir.Constant(TO_THE_END)))
            )
        )
        == 100_001
    )
