"""IR values to Lua expressions. Parentheses come from a precedence table."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from luagen import builtins, fold, ir, regex
from luagen.ir import Constant, Value
from luagen.lua import literals, packing
from luagen.lua.code import Code, Level, compared, joined, tight
from luagen.lua.literals import LuaCode
from luagen.lua.pool import Pool
from luagen.model import Comparison
from luagen.regex import Parsed, Split

_LUA_OPERATORS = {
    Comparison.LT: "<",
    Comparison.LE: "<=",
    Comparison.GT: ">",
    Comparison.GE: ">=",
}

# Request fields whose first reading computes and memoises them.
_MEMOISED = {
    ir.RequestField.METHOD: "method",
    ir.RequestField.HOST: "host_name",
    ir.RequestField.RAW_PATH: "raw_path",
    ir.RequestField.QUERY: "query",
    ir.RequestField.SCHEME: "scheme",
    ir.RequestField.PORT: "port",
    ir.RequestField.ADDRESS: "ip",
    ir.RequestField.HTTP_VERSION: "http_version",
    ir.RequestField.CONTENT_LENGTH: "content_length",
    ir.RequestField.COUNTRY: "country",
    ir.RequestField.NOW: "now",
    ir.RequestField.YEAR: "year",
    ir.RequestField.MONTH: "month",
    ir.RequestField.DAY: "day",
    ir.RequestField.WEEKDAY: "weekday",
    ir.RequestField.HOUR: "hour",
    ir.RequestField.MINUTE: "minute",
    ir.RequestField.MINUTE_OF_DAY: "minute_of_day",
}

_ENTRY = {
    ir.Source.HEADER: "header",
    ir.Source.ARG: "arg",
    ir.Source.COOKIE: "cookie",
    ir.Source.VARIABLE: "variable",
}
_HAS_ENTRY = {ir.Source.HEADER: "has_header", ir.Source.ARG: "has_arg", ir.Source.COOKIE: "has_cookie"}

# Lua parses `a .. b .. c` from the right, one nested level an operand.
_MAX_CONCAT_OPERANDS = 16

# Sets up to this size are written out; larger ones are packed into one constant and unpacked when the script
# is loaded, because a function of LuaJIT has at most 65,536 constants.
_MAX_WRITTEN_OUT = 16

# Beginnings and ends up to this number are compared one by one; more are looked up by their lengths.
_MAX_COMPARED = 4

# Functions that Lua has operators for: how tightly they bind, and how they are written.
_OPERATORS = {
    "add": (Level.SUM, "+"),
    "subtract": (Level.SUM, "-"),
    "multiply": (Level.PRODUCT, "*"),
    "modulo": (Level.PRODUCT, "%"),
}

# What an absent claim reads as.
_EMPTY_CLAIM = {ir.Kind.STRING: '""', ir.Kind.INTEGER: "0", ir.Kind.STRINGS: "{}"}


class ValueWriter:
    """Writes the values of one rule. `slot` names what a `Let` has computed."""

    def __init__(self, rule_number: int, pool: Pool, slot: Callable[[ir.Slot], str]) -> None:
        self._number = rule_number
        self._pool = pool
        self._slot = slot

    def text(self, value: Value) -> str:
        """The expression, to stand where nothing binds tighter: an argument or the right side of `=`."""
        return self._value(value).text

    def _value(self, value: Value) -> Code:
        match value:
            case Constant(int() as number) if not isinstance(number, bool) and number < 0:
                return Code(literals.integer(number).text, Level.UNARY)
            case Constant(constant):
                return Code(literals.literal(constant).text)
            case ir.Slot():
                return Code(self._slot(value))
            case ir.Variable(number):
                return Code(f"x{number}")
            case ir.Read() | ir.Entry() | ir.HasEntry() | ir.Arguments() | ir.Group():
                return self._request(value)
            case ir.Caller() | ir.HasRole() | ir.Claim() | ir.HasClaim():
                return self._identity(value)
            case ir.Not(operand):
                return self._negation(operand)
            case ir.All(operands):
                return self._chain(" and ", operands, Level.AND)
            case ir.Any(operands):
                return self._chain(" or ", operands, Level.OR)
            case ir.LastIfAll() | ir.FirstNonEmpty() | ir.Choice():
                return self._selection(value)
            case ir.Equal(left, right, negated):
                sides = [self._tight(side, Level.CONCAT) for side in (left, right)]
                return compared(*sides, equal=not negated)
            case ir.Order(operator, left, right):
                sides = [self._tight(side, Level.CONCAT) for side in (left, right)]
                return Code(f"{sides[0]} {_LUA_OPERATORS[operator]} {sides[1]}", Level.COMPARISON)
            case ir.Concat() | ir.Decimal() | ir.Clean() | ir.UrlEncoded():
                return self._text(value)
            case ir.ParsedInteger(text):
                return Code(f"{self._texts('integer')}({self.text(text)}) or 0", Level.OR)
            case ir.IsInteger(text):
                return compared(f"{self._texts('integer')}({self.text(text)})", "nil", equal=False)
            case ir.Apply():
                return self._apply(value)
            case (
                ir.HasPrefix() | ir.HasSuffix() | ir.HasAnyPrefix() | ir.HasAnySuffix() | ir.HasSubstring()
            ):  # fmt: skip
                return self._search(value)
            case ir.InStrings() | ir.InSequence() | ir.InNetworks():
                return self._membership(value)
            case ir.Strings() | ir.Quantifier() | ir.Collected():
                return self._sequence(value)
            case ir.Matches(pattern, text):
                return self._match(pattern, text)
        assert_never(value)

    def _texts(self, function: str) -> str:
        """A function of the runtime module of that name."""
        return f"{self._pool.helper('texts')}.{function}"

    def _arguments(self, values: tuple[Value, ...]) -> str:
        return ", ".join(map(self.text, values))

    def _request(self, value: ir.Read | ir.Entry | ir.HasEntry | ir.Arguments | ir.Group) -> Code:
        match value:
            case ir.Read(ir.RequestField.PATH):
                return Code("q.path")
            case ir.Read(request_field):
                name = self._pool.gate(_MEMOISED[request_field])
                return Code(f"q.{name} or {name}(q)", Level.OR)
            case ir.Entry(ir.Source.HEADER, key) if key in self._pool.memoised:
                memo, field = literals.string(b"header:" + key), literals.string(key)
                return Code(f"q[{memo}] or {self._pool.gate('header')}(q, {field}, {memo})", Level.OR)
            case ir.Entry(source, key):
                return Code(f"{self._pool.gate(_ENTRY[source])}(q, {literals.string(key)})")
            case ir.HasEntry(source, key):
                return Code(f"{self._pool.gate(_HAS_ENTRY[source])}(q, {literals.string(key)})")
            case ir.Arguments(key):
                return Code(f"{self._pool.gate('all_args')}(q, {literals.string(key)})")
            case ir.Group(name):
                return Code(f"q.groups[{literals.string(name)}]")
        assert_never(value)

    def _identity(self, value: ir.Caller | ir.HasRole | ir.Claim | ir.HasClaim) -> Code:
        # Reading the identity suspends the request at this rule when the caller is not known yet.
        match value:
            case ir.Caller(ir.Member.ANY_ROLE):
                return Code(f"#{self._caller()}.role_list > 0", Level.COMPARISON)
            case ir.Caller(member):
                return Code(f"{self._caller()}.{member.name.lower()}")
            case ir.HasRole(role):
                return compared(f"{self._caller()}.roles[{self.text(role)}]", "true")
            case ir.Claim(pointer, ir.Kind.BOOLEAN):
                return compared(self._claim(pointer, ir.Kind.BOOLEAN), "true")
            case ir.Claim(pointer, kind):
                return Code(f"{self._claim(pointer, kind)} or {_EMPTY_CLAIM[kind]}", Level.OR)
            case ir.HasClaim(pointer, kind):
                return compared(self._claim(pointer, kind), "nil", equal=False)
        assert_never(value)

    def _caller(self) -> str:
        return f"{self._pool.gate('identity')}(q, {self._number})"

    def _claim(self, pointer: bytes, kind: ir.Kind) -> str:
        name = self._pool.gate("claim")
        return f"{name}(q, {self._number}, {literals.string(pointer)}, {literals.string(kind.value)})"

    def _selection(self, value: ir.LastIfAll | ir.FirstNonEmpty | ir.Choice) -> Code:
        match value:
            case ir.LastIfAll(operands, empty):
                *tests, last = operands
                condition = fold.all_(fold.truth(test, empty) for test in tests)
                chosen = self._chain(" and ", (*ir.conjuncts(condition), last), Level.AND)
                return Code(f"{chosen.text} or {literals.literal(empty)}", Level.OR)
            case ir.FirstNonEmpty(operands):
                *tests, last = operands
                filled = self._pool.helper("filled")
                alternatives = [f"{filled}({self.text(test)})" for test in tests]
                return Code(joined(" or ", [*alternatives, self._tight(last, Level.OR)]), Level.OR)
            case ir.Choice(condition, then, otherwise):
                chosen = self._chain(" and ", (condition, then), Level.AND)
                return Code(joined(" or ", [chosen.text, self._tight(otherwise, Level.OR)]), Level.OR)
        assert_never(value)

    def _text(self, value: ir.Concat | ir.Decimal | ir.Clean | ir.UrlEncoded) -> Code:
        match value:
            case ir.Concat(parts) if len(parts) > _MAX_CONCAT_OPERANDS:
                items = joined(", ", [self.text(part) for part in parts])
                return Code(f"{self._pool.helper('concat')}({{ {items} }})")
            case ir.Concat(parts):
                texts = [self._tight(part, Level.SUM) for part in parts]
                return Code(joined(" .. ", texts), Level.CONCAT)
            case ir.Decimal(integer):
                # Not `..`: it writes a float of 5.3 and later with a fraction.
                return Code(f"{self._texts('decimal')}({self.text(integer)})")
            case ir.Clean(text):
                return Code(f"{self._pool.gate('clean')}(q, {self.text(text)})")
            case ir.UrlEncoded(text):
                return Code(f"{self._pool.gate('encode')}({self.text(text)})")
        assert_never(value)

    def _apply(self, value: ir.Apply) -> Code:
        match value.function, value.operands:
            case ("add" | "subtract" | "multiply" | "modulo") as function, (left, right):
                level, operator = _OPERATORS[function]
                # The next tighter level at the right: operators of one level are read from the left.
                code = f"{self._tight(left, level)} {operator} {self._tight(right, Level(level + 1))}"
                return Code(code, level)
            case "floor_divide", (left, right):
                quotient = f"{self._tight(left, Level.PRODUCT)} / {self._tight(right, Level.UNARY)}"
                return Code(f"{self._pool.helper('floor')}({quotient})")
            case "negate", (operand,):
                return Code(f"-{self._tight(operand, Level.ATOM)}", Level.UNARY)
            case "len_text" | "len_texts", (operand,):
                return Code(f"#{self._tight(operand, Level.ATOM)}", Level.UNARY)
            case "join", (separator, sequence):
                arguments = f"{self.text(sequence)}, {self.text(separator)}"
                return Code(f"{self._pool.helper('concat')}({arguments})")
            case "percent", (key,):
                return Code(f"{self._pool.gate('percent')}({self.text(key)})")
            case ("split" | "replace" | "slice_text" | "slice_texts") as function, (
                *given,
                Constant(builtins.TO_THE_END),
            ):
                return Code(f"{self._texts(function)}({self._arguments(tuple(given))})")
            case function, operands:
                return Code(f"{self._texts(function)}({self._arguments(operands)})")

    def _search(
        self, value: ir.HasPrefix | ir.HasSuffix | ir.HasAnyPrefix | ir.HasAnySuffix | ir.HasSubstring
    ) -> Code:
        match value:
            case ir.HasPrefix(text, Constant(bytes() as prefix)):
                sub = f"{self._pool.helper('sub')}({self.text(text)}, 1, {len(prefix)})"
                return compared(sub, literals.string(prefix).text)
            case ir.HasPrefix(text, prefix):
                return Code(f"{self._pool.helper('starts_with')}({self._arguments((text, prefix))})")
            case ir.HasSuffix(text, Constant(bytes() as suffix)):
                sub = f"{self._pool.helper('sub')}({self.text(text)}, -{len(suffix)})"
                return compared(sub, literals.string(suffix).text)
            case ir.HasSuffix(text, suffix):
                return Code(f"{self._pool.helper('ends_with')}({self._arguments((text, suffix))})")
            case ir.HasAnyPrefix(text, prefixes) if _is_cheap(text) and len(prefixes) <= _MAX_COMPARED:
                return self._value(ir.Any(tuple(ir.HasPrefix(text, Constant(one)) for one in prefixes)))
            case ir.HasAnyPrefix(text, prefixes):
                table = self._kept("by_length", prefixes)
                return Code(f"{self._texts('begins')}({table}, {self.text(text)})")
            case ir.HasAnySuffix(text, suffixes) if _is_cheap(text) and len(suffixes) <= _MAX_COMPARED:
                return self._value(ir.Any(tuple(ir.HasSuffix(text, Constant(one)) for one in suffixes)))
            case ir.HasAnySuffix(text, suffixes):
                table = self._kept("by_length", suffixes)
                return Code(f"{self._texts('ends')}({table}, {self.text(text)})")
            case ir.HasSubstring(text, needle):
                call = f"{self._pool.helper('find')}({self._arguments((text, needle))}, 1, true)"
                return compared(call, "nil", equal=False)
        assert_never(value)

    def _membership(self, value: ir.InStrings | ir.InSequence | ir.InNetworks) -> Code:
        match value:
            case ir.InStrings(item, members) if len(members) <= _MAX_WRITTEN_OUT:
                table = self._pool.constant(literals.string_set(members, indent="  "))
                return compared(f"{table}[{self.text(item)}]", "true")
            case ir.InStrings(item, members):
                table = self._kept("set", members)
                return compared(f"{table}[{self.text(item)}]", "true")
            case ir.InSequence(item, sequence):
                return Code(f"{self._texts('contains')}({self._arguments((sequence, item))})")
            case ir.InNetworks(address, networks):
                if len(networks) <= _MAX_WRITTEN_OUT:
                    list_ = literals.array(tuple(map(str, networks)), indent="  ")
                    code = f"{self._pool.gate('networks')}({list_})"
                else:
                    code = f"{self._pool.gate('packed_networks')}({packing.networks(networks)})"
                table = self._pool.constant(LuaCode(code))
                return Code(f"{self._pool.gate('in_networks')}({table}, {self.text(address)})")
        assert_never(value)

    def _kept(self, maker: str, values: tuple[bytes, ...]) -> str:
        """The constant that a function of `texts` makes of an array of strings."""
        return self._pool.constant(LuaCode(f"{self._texts(maker)}({self._array(values)})"))

    def _array(self, values: tuple[bytes, ...]) -> str:
        if len(values) <= _MAX_WRITTEN_OUT:
            return literals.array(values, indent="  ").text
        return f"{self._texts('unpacked')}({packing.strings(values)})"

    def _sequence(self, value: ir.Strings | ir.Quantifier | ir.Collected) -> Code:
        match value:
            case ir.Strings(values):
                return Code(self._pool.constant(LuaCode(self._array(values))))
            case ir.Quantifier(every, variable, sequence, body):
                function = self._texts("every" if every else "any")
                return Code(f"{function}({self.text(sequence)}, {self._function(variable, body)})")
            case ir.Collected(variable, sequence, condition, element):
                arguments = [self.text(sequence), self._function(variable, element)]
                if condition != fold.TRUE:
                    arguments.append(self._function(variable, condition))
                return Code(f"{self._texts('collected')}({', '.join(arguments)})")
        assert_never(value)

    def _function(self, variable: ir.Variable, body: Value) -> str:
        return f"function({self.text(variable)}) return {self.text(body)} end"

    def _match(self, pattern: Split, text: Value) -> Code:
        arguments = [self._automaton(pattern.rest), self.text(text)]
        if pattern.rest.groups:
            arguments.append(f"q.groups or {self._pool.gate('groups')}(q)")
        elif pattern.leading:
            arguments.append("nil")
        if pattern.leading:
            arguments.append(literals.string(pattern.leading).text)
        return Code(f"{self._pool.gate('search')}({', '.join(arguments)})")

    def _automaton(self, parsed: Parsed) -> str:
        packed = self._pool.automata.get(parsed)
        if packed is None:
            packed = self._pool.automata[parsed] = literals.string(regex.compiled(parsed).packed())
        return self._pool.constant(LuaCode(f"{self._pool.gate('automaton')}({packed})"))

    def _tight(self, value: Value, level: Level) -> str:
        """The code of a value, in parentheses when it binds less tightly than `level`."""
        return tight(self._value(value), level)

    def _chain(self, operator: str, operands: tuple[Value, ...], level: Level) -> Code:
        return Code(joined(operator, [self._tight(operand, level) for operand in operands]), level)

    def _negation(self, operand: Value) -> Code:
        code = self._value(operand)
        if code.opposite is not None:
            return Code(code.opposite, Level.COMPARISON, code.text)
        return Code(f"not {tight(code, Level.UNARY)}", Level.UNARY)


def _is_cheap(text: Value) -> bool:
    """Whether a text may as well be written several times."""
    return isinstance(text, ir.Read | ir.Slot | ir.Variable)
