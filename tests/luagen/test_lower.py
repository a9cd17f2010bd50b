from __future__ import annotations

from ipaddress import ip_network

import pytest

from luagen import ir
from luagen.actions import Action, Redirect, SetEnv, SetRequestHeaders, SetResponseHeaders
from luagen.ir import Constant
from luagen.lower import lower, lower_expression
from luagen.model import Comparison, Expression
from tests.luagen.policies import (
    FALSE,
    HOST,
    IDENTITY,
    IP,
    PATH,
    PORT,
    ROLES,
    SUB,
    TRUE,
    and_,
    compare,
    contains,
    ends,
    field,
    header,
    item,
    join,
    named,
    networks,
    not_,
    number,
    or_,
    policy,
    require,
    respond,
    rule,
    starts,
    strings,
    template,
    text,
    truth,
)

PATH_ = ir.Read(ir.RequestField.PATH)
HOST_ = ir.Read(ir.RequestField.HOST)
PORT_ = ir.Read(ir.RequestField.PORT)
IP_ = ir.Read(ir.RequestField.ADDRESS)
SUB_ = ir.Caller(ir.Member.SUB)
PRESENT = ir.Caller(ir.Member.PRESENT)
YES, NO, EMPTY, ZERO = Constant(True), Constant(False), Constant(b""), Constant(0)
IS_A = ir.HasPrefix(PATH_, Constant(b"/a"))
a, b = starts(PATH, text("/a")), truth(HOST)
IS_HOST = ir.Equal(HOST_, EMPTY, negated=True)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # reading
        (text("ü"), Constant("ü".encode())),
        (HOST, HOST_),
        (header("x-a"), ir.Entry(ir.Source.HEADER, b"x-a")),
        (item("request.args", "k"), ir.Entry(ir.Source.ARG, b"k")),
        (contains(text("c"), field("request.cookies")), ir.HasEntry(ir.Source.COOKIE, b"c")),
        (SUB, SUB_),
        (join(", "), ir.Apply("join", (Constant(b", "), ir.Caller(ir.Member.ROLE_LIST)))),
        # truth
        (truth(HOST), IS_HOST),
        (truth(PORT), ir.Equal(PORT_, ZERO, negated=True)),
        (truth(IDENTITY), PRESENT),
        (truth(ROLES), ir.Caller(ir.Member.ANY_ROLE)),
        (truth(IP), YES),
        (truth(text("")), NO),
        (truth(text("x")), YES),
        (truth(number(0)), NO),
        (truth(strings()), NO),
        (truth(networks("::/0")), YES),
        (truth(or_(HOST, SUB)), ir.Any((IS_HOST, ir.Equal(SUB_, EMPTY, negated=True)))),
        (truth(and_(HOST, SUB)), ir.All((IS_HOST, ir.Equal(SUB_, EMPTY, negated=True)))),
        # not, and, or on booleans
        (not_(a), ir.Not(IS_A)),
        (not_(not_(a)), IS_A),
        (not_(b), ir.Equal(HOST_, EMPTY)),
        (not_(compare(PORT, "<", number(80))), ir.Order(Comparison.GE, PORT_, Constant(80))),
        (and_(a, TRUE, b), ir.All((IS_A, IS_HOST))),
        (and_(a, FALSE, b), NO),
        (and_(a, and_(b, a)), ir.All((IS_A, IS_HOST, IS_A))),
        (and_(TRUE, TRUE), YES),
        (or_(a, FALSE, b), ir.Any((IS_A, IS_HOST))),
        (or_(a, TRUE), YES),
        (or_(FALSE, a), IS_A),
        # and, or on values: Python's own results
        (or_(HOST, text("none")), ir.FirstNonEmpty((HOST_, Constant(b"none")))),
        (or_(HOST, text("none"), SUB), ir.FirstNonEmpty((HOST_, Constant(b"none")))),
        (or_(text(""), HOST, text("")), HOST_),
        (or_(text("x"), HOST), Constant(b"x")),
        (or_(text(""), text("")), EMPTY),
        (and_(HOST, SUB), ir.LastIfAll((HOST_, SUB_), b"")),
        (and_(text("x"), SUB), SUB_),
        (and_(HOST, text("")), EMPTY),
        (and_(HOST, text(""), SUB), EMPTY),
        (and_(HOST, or_(SUB, text("x")), SUB), ir.LastIfAll((HOST_, SUB_), b"")),
        (or_(PORT, number(443)), ir.FirstNonEmpty((PORT_, Constant(443)))),
        (and_(number(1), PORT), PORT_),
        (or_(ROLES, ROLES), ir.Caller(ir.Member.ROLE_LIST)),
        (
            contains(IP, or_(networks("::1/128"), networks("::/0"))),
            ir.InNetworks(IP_, (ip_network("::1/128"),)),
        ),
        (contains(HOST, and_(strings("a", "b"), strings("c", "d"))), ir.InStrings(HOST_, (b"c", b"d"))),
        (contains(text("x"), or_(ROLES, ROLES)), ir.HasRole(Constant(b"x"))),
        # comparison
        (compare(HOST, "==", text("a")), ir.Equal(HOST_, Constant(b"a"))),
        (compare(text("a"), "!=", HOST), ir.Equal(HOST_, Constant(b"a"), negated=True)),
        (compare(text("a"), "==", text("b")), NO),
        (compare(a, "==", TRUE), IS_A),
        (compare(a, "!=", TRUE), ir.Not(IS_A)),
        (compare(a, "==", b), ir.Equal(IS_A, IS_HOST)),
        (compare(number(1), "<", number(2)), YES),
        (compare(IP, "==", networks("10.0.0.1/32")), ir.InNetworks(IP_, (ip_network("10.0.0.1/32"),))),
        (compare(networks("::1/128"), "!=", IP), ir.Not(ir.InNetworks(IP_, (ip_network("::1/128"),)))),
        (compare(IP, "==", IP), ir.Equal(IP_, IP_)),
        # membership
        (contains(HOST, strings("a", "b")), ir.InStrings(HOST_, (b"a", b"b"))),
        (contains(HOST, strings("a")), ir.Equal(HOST_, Constant(b"a"))),
        (contains(HOST, strings()), NO),
        (contains(text("b"), strings("a", "b")), YES),
        (contains(IP, networks()), NO),
        (contains(text("admin"), ROLES), ir.HasRole(Constant(b"admin"))),
        # texts
        (contains(text("/."), PATH), ir.HasSubstring(PATH_, Constant(b"/."))),
        (contains(text(""), PATH), YES),
        (contains(text("ü"), text("grün")), YES),
        (starts(PATH, text("")), YES),
        (starts(PATH, text("/a"), HOST), ir.Any((IS_A, ir.HasPrefix(PATH_, HOST_)))),
        (starts(text("/abc"), text("/a")), YES),
        (ends(PATH, text(".js")), ir.HasSuffix(PATH_, Constant(b".js"))),
        (template(text("a"), template(text("b"), HOST), text("")), ir.Concat((Constant(b"ab"), HOST_))),
        (template(text("a"), number(5)), Constant(b"a5")),
        (template(text(""), PORT), ir.Decimal(PORT_)),
    ],
)
def test_expression(expression: Expression, value: ir.Value | None) -> None:
    if value is None:
        with pytest.raises(ValueError, match="bug in luagen"):
            lower_expression(expression)
    else:
        lowered = lower_expression(expression)
        assert lowered == value
        assert _kinds(lowered) == _kinds(value)


def _kinds(value: ir.Value) -> list[type]:
    """Types of the constants in a value: to Python True equals 1."""
    return [type(part.value) for part in ir.walk(value) if isinstance(part, Constant)]


PLAIN = Constant(b"text/plain; charset=utf-8")


def final(function: str, *arguments: ir.Argument, unless: ir.Value | None = None) -> ir.Invoke:
    return ir.Invoke(function, (ir.RULE, *arguments), ir.Outcome.ENDS, unless)


def does(function: str, *arguments: ir.Argument) -> ir.Invoke:
    return ir.Invoke(function, arguments, ir.Outcome.GOES_ON)


def asks_for(*providers: bytes) -> ir.Invoke:
    accepted = ir.Kept(ir.NameSet(providers))
    return ir.Invoke("require_identity", (ir.RULE, accepted, Constant(providers[0])), ir.Outcome.MAY_END)


PERMIT = does("permit", ir.RULE)
LEAVE_UNLESS_A = ir.LeaveUnless(IS_A)
V1, V2 = ir.Slot(1), ir.Slot(2)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (respond(404), (final("respond", Constant(404), ir.NIL, PLAIN, ir.NIL),)),
        (
            respond(403, SUB, named(X_A=HOST, X_B=text("b"))),
            (
                ir.Let(V1, HOST_),
                ir.Let(ir.Slot(3), SUB_),
                ir.CheckStop(),
                ir.Let(V1, ir.Clean(V1)),
                ir.CheckStop(),
                final(
                    "respond",
                    Constant(403),
                    ir.Slot(3),
                    PLAIN,
                    ir.Row((Constant(b"X-A"), V1, Constant(b"X-B"), Constant(b"b"))),
                ),
            ),
        ),
        (
            Redirect(
                to=template(text("https://"), HOST, field("request.raw_path"), text("?"), PATH, PORT),
                status=301,
            ),
            (
                ir.Let(
                    V1,
                    ir.Clean(
                        ir.Concat(
                            (
                                Constant(b"https://"),
                                HOST_,
                                ir.Read(ir.RequestField.RAW_PATH),
                                Constant(b"?"),
                                ir.UrlEncoded(PATH_),
                                ir.Decimal(PORT_),
                            )
                        )
                    ),
                ),
                ir.CheckStop(),
                final("redirect", Constant(301), V1),
            ),
        ),
        (
            Redirect(to=or_(HOST, text("/x")), status=302),
            (final("redirect", Constant(302), ir.UrlEncoded(ir.FirstNonEmpty((HOST_, Constant(b"/x"))))),),
        ),
        (require("corp"), (asks_for(b"corp"), PERMIT)),
        (
            require("corp", "partner", that=contains(text("x"), ROLES), scope="write"),
            (
                asks_for(b"corp", b"partner"),
                ir.Let(V1, ir.HasRole(Constant(b"x"))),
                ir.CheckStop(),
                final("forbid", Constant(b"corp"), Constant(b"write"), unless=V1),
                PERMIT,
            ),
        ),
        (require(that=b), (final("forbid", ir.NIL, ir.NIL, unless=IS_HOST), PERMIT)),
        (require(that=TRUE), (PERMIT,)),
        (require(that=FALSE), (final("forbid", ir.NIL, ir.NIL, unless=NO), PERMIT)),
        (
            SetRequestHeaders(values=named(X_User=SUB, X_A=header("x-a"), X_N=text(""))),
            (
                ir.Let(V1, SUB_),
                ir.Let(V2, ir.Entry(ir.Source.HEADER, b"x-a")),
                ir.CheckStop(),
                ir.Let(V2, ir.Clean(V2)),
                ir.CheckStop(),
                does("set_request_header", Constant(b"X-User"), V1),
                does("set_request_header", Constant(b"X-A"), V2),
                does("set_request_header", Constant(b"X-N"), EMPTY),
            ),
        ),
        (
            SetEnv(values=named(A=template(join(","), text("; "), or_(SUB, text("-"))))),
            (
                ir.Let(
                    V1,
                    ir.Concat(
                        (
                            ir.Apply("join", (Constant(b","), ir.Caller(ir.Member.ROLE_LIST))),
                            Constant(b"; "),
                            ir.FirstNonEmpty((SUB_, Constant(b"-"))),
                        )
                    ),
                ),
                ir.CheckStop(),
                does("set_env", Constant(b"A"), V1),
            ),
        ),
        (
            SetEnv(values=named(A=or_(SUB, text("a\nb")))),
            (
                ir.Let(V1, ir.FirstNonEmpty((SUB_, Constant(b"a\nb")))),
                ir.CheckStop(),
                ir.Let(V1, ir.Clean(V1)),
                ir.CheckStop(),
                does("set_env", Constant(b"A"), V1),
            ),
        ),
        (
            SetResponseHeaders(values=named(X_R=text("nosniff"))),
            (does("set_response_header", Constant(b"X-R"), Constant(b"nosniff")),),
        ),
    ],
)
def test_action(action: Action, code: tuple[ir.Instruction, ...]) -> None:
    [lowered] = lower(policy(rule(action, a))).rules
    assert lowered.code == (LEAVE_UNLESS_A, *code)


def test_condition_that_may_suspend_is_followed_by_a_check() -> None:
    [lowered] = lower(policy(rule(respond(), and_(a, truth(IDENTITY))))).rules
    assert lowered.code[:3] == (
        ir.Let(ir.Slot(0), ir.All((IS_A, PRESENT))),
        ir.CheckStop(),
        ir.LeaveUnless(ir.Slot(0)),
    )


def test_rules_with_constant_conditions() -> None:
    program = lower(
        policy(
            rule(respond(), FALSE, "never"),
            rule(respond(), TRUE, "always"),
            rule(respond(), and_(a, FALSE), "nor this"),
            rule(respond(), a, "last"),
        )
    )
    assert [(one.number, one.name, len(one.code)) for one in program.rules] == [
        (1, "always", 1),
        (2, "last", 2),
    ]
    assert program.rules[0].place == "test.toml:7"
