"""Lowering of what may be absent, of functions and of sequences, and the order in which parts are evaluated.

What it all means is held by tests/lua/test_conditions.py.
"""

from __future__ import annotations

import pytest

from luagen import fold, ir, model, regex
from luagen.builtins import TO_THE_END
from luagen.ir import Constant
from luagen.lower_values import lower_expression
from luagen.model import Comparison, Expression, Type
from tests.luagen.policies import (
    FALSE,
    HOST,
    IDENTITY,
    PATH,
    PORT,
    ROLES,
    SPAN,
    SUB,
    TRUE,
    and_,
    boolean,
    compare,
    contains,
    ends,
    field,
    not_,
    number,
    or_,
    starts,
    strings,
    text,
    truth,
)

PATH_ = ir.Read(ir.RequestField.PATH)
HOST_ = ir.Read(ir.RequestField.HOST)
PORT_ = ir.Read(ir.RequestField.PORT)
SUB_ = ir.Caller(ir.Member.SUB)
X_ = ir.Variable(0)


def claim(pointer: str, type_: Type) -> model.Claim:
    return model.Claim(span=SPAN, type=type_, pointer=pointer)


def call(type_: Type, function: str, *arguments: Expression) -> model.Call:
    return model.Call(span=SPAN, type=type_, function=function, arguments=arguments)


def parsed(part: Expression) -> model.ParsedInteger:
    return model.ParsedInteger(span=SPAN, type=Type.INTEGER, text=part)


def conditional(condition: Expression, then: Expression, otherwise: Expression) -> model.Conditional:
    return model.Conditional(span=SPAN, type=then.type, condition=condition, then=then, otherwise=otherwise)


def quantifier(every: bool, sequence: Expression, body: Expression) -> model.Quantifier:
    return model.Quantifier(
        span=SPAN, type=Type.BOOLEAN, every=every, variable=X, sequence=sequence, body=body
    )


def collected(sequence: Expression, condition: Expression | None, element: Expression) -> model.Comprehension:
    return model.Comprehension(
        span=SPAN, type=Type.STRINGS, variable=X, sequence=sequence, condition=condition, element=element
    )


def matches(pattern: str, part: Expression) -> model.Matches:
    split = regex.split(regex.parse(pattern))
    return model.Matches(span=SPAN, type=Type.BOOLEAN, pattern=pattern, split=split, text=part)


def integer(name: str) -> model.Field:
    return model.Field(span=SPAN, type=Type.INTEGER, name=name)


X = model.Variable(span=SPAN, type=Type.STRING, name="x", number=0)
PLAN = claim("/org/plan", Type.STRING)
LEVEL = claim("/level", Type.INTEGER)
BETA = claim("/beta", Type.BOOLEAN)
PLAN_ = ir.Claim(b"/org/plan", ir.Kind.STRING)
HAS_PLAN = ir.HasClaim(b"/org/plan", ir.Kind.STRING)
BETA_ = ir.Claim(b"/beta", ir.Kind.BOOLEAN)
LEVEL_ = ir.Claim(b"/level", ir.Kind.INTEGER)
HAS_LEVEL = ir.HasClaim(b"/level", ir.Kind.INTEGER)
PARTS = call(Type.STRINGS, "split", PATH, text("/"), number(TO_THE_END))
PARTS_ = ir.Apply("split", (PATH_, Constant(b"/"), Constant(TO_THE_END)))
ARGS = model.Items(span=SPAN, type=Type.STRINGS, map=field("request.args"), key="k")
IS_PRO = ir.Equal(PLAN_, Constant(b"pro"))
DOT = starts(X, text("."))
DOT_ = ir.HasPrefix(X_, Constant(b"."))
ID = model.Group(span=SPAN, type=Type.STRING, name="id")
USER = r"^/user/(?P<id>[0-9]+)$"
USER_ = regex.split(regex.parse(USER))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # reading
        (field("request.country"), ir.Read(ir.RequestField.COUNTRY)),
        (field("request.http_version"), ir.Read(ir.RequestField.HTTP_VERSION)),
        (field("request.tls.client_subject"), ir.Entry(ir.Source.VARIABLE, b"SSL_CLIENT_S_DN")),
        (integer("now"), ir.Read(ir.RequestField.NOW)),
        (integer("time.minute_of_day"), ir.Read(ir.RequestField.MINUTE_OF_DAY)),
        (ARGS, ir.Arguments(b"k")),
        (PLAN, PLAN_),
        (ID, ir.Group(b"id")),
        # functions, of constants computed
        (call(Type.STRING, "lower", HOST), ir.Apply("lower", (HOST_,))),
        (call(Type.STRING, "lower", text("ÄB")), Constant("Äb".encode())),
        (call(Type.STRINGS, "split", text("a,b"), text(","), number(TO_THE_END)), ir.Strings((b"a", b"b"))),
        (call(Type.INTEGER, "len_texts", strings("a", "b")), Constant(2)),
        (call(Type.STRING, "format_integer", PORT, text("")), ir.Decimal(PORT_)),
        (call(Type.STRING, "format_integer", number(1234567), text(",")), Constant(b"1,234,567")),
        (parsed(text("-12")), Constant(-12)),
        (parsed(text("1.5")), Constant(0)),
        (compare(parsed(text("1.5")), "==", number(0)), fold.FALSE),
        (matches(r"^/a+$", text("/aaa")), fold.TRUE),
        (matches(USER, PATH), ir.Matches(USER_, PATH_)),
        # sequences
        (contains(HOST, ARGS), ir.InSequence(HOST_, ir.Arguments(b"k"))),
        (contains(HOST, ROLES), ir.HasRole(HOST_)),
        (truth(ARGS), ir.Order(Comparison.GT, ir.Apply("len_texts", (ir.Arguments(b"k"),)), Constant(0))),
        (quantifier(False, PARTS, DOT), ir.Quantifier(False, X_, PARTS_, DOT_)),
        (not_(quantifier(True, PARTS, DOT)), ir.Not(ir.Quantifier(True, X_, PARTS_, DOT_))),
        (quantifier(True, strings(), DOT), fold.TRUE),
        (quantifier(False, ROLES, TRUE), ir.Caller(ir.Member.ANY_ROLE)),
        (quantifier(True, ROLES, FALSE), ir.Not(ir.Caller(ir.Member.ANY_ROLE))),
        (collected(PARTS, None, X), PARTS_),
        (collected(PARTS, FALSE, X), ir.Strings(())),
        (collected(PARTS, DOT, call(Type.STRING, "lower", X)),
         ir.Collected(X_, PARTS_, DOT_, ir.Apply("lower", (X_,)))),
        # conditional expressions
        (conditional(truth(HOST), text("a"), PATH),
         ir.Choice(ir.Equal(HOST_, Constant(b""), True), Constant(b"a"), PATH_)),
        (conditional(TRUE, HOST, PATH), HOST_),
        (conditional(truth(HOST), PATH, PATH), PATH_),
        (conditional(truth(PATH), boolean(True), truth(HOST)),
         ir.Any((ir.Equal(PATH_, Constant(b""), True), ir.Equal(HOST_, Constant(b""), True)))),
        # beginnings and ends: one lookup, without what a shorter one covers
        (starts(PATH, text("/a/b"), text("/c"), text("/a"), text("/c")),
         ir.HasAnyPrefix(PATH_, (b"/c", b"/a"))),
        (ends(PATH, text(".js"), text(".css"), text("s")), ir.HasSuffix(PATH_, Constant(b"s"))),
        (starts(PATH, text("/a"), text("")), fold.TRUE),
        (starts(PATH, text("/a"), text("/b"), HOST),
         ir.Any((ir.HasAnyPrefix(PATH_, (b"/a", b"/b")), ir.HasPrefix(PATH_, HOST_)))),
    ],
)  # fmt: skip
def test_expression(expression: Expression, value: ir.Value) -> None:
    assert lower_expression(expression) == value


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        # an absent claim reads as "": equal to nothing that it is compared with, so that no guard is needed
        (compare(PLAN, "==", text("pro")), IS_PRO),
        (compare(PLAN, "==", text("")), ir.All((HAS_PLAN, ir.Equal(PLAN_, Constant(b""))))),
        (compare(PLAN, "!=", text("pro")), ir.All((HAS_PLAN, ir.Equal(PLAN_, Constant(b"pro"), True)))),
        (not_(compare(PLAN, "==", text("pro"))), ir.All((HAS_PLAN, ir.Equal(PLAN_, Constant(b"pro"), True)))),
        (not_(not_(compare(PLAN, "==", text("pro")))), IS_PRO),
        (truth(PLAN), ir.Equal(PLAN_, Constant(b""), True)),
        (BETA, BETA_),
        (not_(BETA), ir.All((ir.HasClaim(b"/beta", ir.Kind.BOOLEAN), ir.Not(BETA_)))),
        (compare(LEVEL, ">", number(3)), ir.Order(Comparison.GT, LEVEL_, Constant(3))),
        (compare(LEVEL, "<", number(3)), ir.All((HAS_LEVEL, ir.Order(Comparison.LT, LEVEL_, Constant(3))))),
        (compare(parsed(HOST), ">=", number(0)),
         ir.All((ir.IsInteger(HOST_), ir.Order(Comparison.GE, ir.ParsedInteger(HOST_), Constant(0))))),
        # not goes inward
        (not_(and_(truth(HOST), compare(PLAN, "==", text("pro")))),
         ir.Any((ir.Equal(HOST_, Constant(b"")),
                 ir.All((HAS_PLAN, ir.Equal(PLAN_, Constant(b"pro"), True)))))),
        (not_(quantifier(False, PARTS, compare(X, "==", PLAN))),
         ir.Quantifier(True, X_, PARTS_, ir.All((HAS_PLAN, ir.Equal(X_, PLAN_, True))))),
        # and has no place where nothing can be absent
        (not_(and_(truth(HOST), truth(PATH))),
         ir.Not(ir.All((ir.Equal(HOST_, Constant(b""), True), ir.Equal(PATH_, Constant(b""), True))))),
    ],
)  # fmt: skip
def test_condition(condition: Expression, value: ir.Value) -> None:
    assert lower_expression(condition) == value


IS_A = starts(PATH, text("/a"))
IS_A_ = ir.HasPrefix(PATH_, Constant(b"/a"))
PRESENT_ = ir.Caller(ir.Member.PRESENT)
IS_SUB_ = ir.Equal(SUB_, Constant(b"x"))
IS_SUB = compare(SUB, "==", text("x"))
HAS_X = contains(text("x"), field("request.cookies"))
HAS_X_ = ir.HasEntry(ir.Source.COOKIE, b"x")


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        (and_(truth(IDENTITY), IS_A), ir.All((IS_A_, PRESENT_))),
        (or_(truth(IDENTITY), IS_A), ir.Any((IS_A_, PRESENT_))),
        (and_(IS_SUB, HAS_X, truth(IDENTITY), IS_A), ir.All((HAS_X_, IS_A_, IS_SUB_, PRESENT_))),
        (and_(or_(IS_SUB, HAS_X), IS_A), ir.All((IS_A_, ir.Any((HAS_X_, IS_SUB_))))),
        (and_(and_(IS_SUB, IS_A), HAS_X), ir.All((IS_A_, HAS_X_, IS_SUB_))),
        (and_(compare(PLAN, "==", text("pro")), IS_A), ir.All((IS_A_, IS_PRO))),
        (and_(quantifier(False, ROLES, DOT), IS_A),
         ir.All((IS_A_, ir.Quantifier(False, X_, ir.Caller(ir.Member.ROLE_LIST), DOT_)))),
        # a group is there only after its pattern has matched
        (and_(matches(USER, PATH), compare(ID, "==", SUB), IS_A),
         ir.All((ir.Matches(USER_, PATH_), IS_A_, ir.Equal(ir.Group(b"id"), SUB_)))),
        (and_(matches(USER, SUB), compare(ID, "==", text("1"))),
         ir.All((ir.Matches(USER_, SUB_), ir.Equal(ir.Group(b"id"), Constant(b"1"))))),
    ],
)  # fmt: skip
def test_who_is_calling_is_asked_last(condition: Expression, value: ir.Value) -> None:
    assert lower_expression(condition) == value


def test_what_may_end_a_request() -> None:
    assert ir.may_stop(ir.Read(ir.RequestField.COUNTRY))
    assert not ir.may_suspend(ir.Read(ir.RequestField.COUNTRY))
    assert ir.may_suspend(ir.Quantifier(False, X_, PARTS_, ir.Equal(X_, PLAN_)))
    assert ir.may_suspend(ir.Choice(HAS_PLAN, PATH_, HOST_))
    assert not ir.may_stop(ir.Matches(USER_, ir.Entry(ir.Source.HEADER, b"x")))
