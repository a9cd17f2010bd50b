"""IR to Lua: one expression for each value, one function for each rule.

Knows Lua's syntax and limits and the names of the runtime interface (docs/internals.md), and nothing of
policies. Parentheses come from a precedence table. Constants that are tables live in one table `K` and
chains are flat, so that no script meets Lua's limits (200 locals, 60 upvalues in 5.1, 200 nested levels).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import assert_never

from luagen import fold, ir
from luagen.ir import Constant, Value
from luagen.lua import literals
from luagen.lua.literals import LINE_LENGTH, LuaCode
from luagen.model import Comparison


class Level(IntEnum):
    """How tightly an expression binds (Lua 5.1 reference manual, section 2.5.6); higher binds tighter."""

    OR = 1
    AND = 2
    COMPARISON = 3
    CONCAT = 4
    UNARY = 5
    ATOM = 6  # a name, call, index, literal or parenthesised expression


@dataclass(frozen=True, slots=True)
class _Code:
    text: str
    level: Level = Level.ATOM
    opposite: str | None = None  # of a comparison: the text of the comparison that holds when it does not


def _compared(left: str, right: str, *, equal: bool = True) -> _Code:
    """Two texts that bind more tightly than comparisons, compared."""
    same, different = f"{left} == {right}", f"{left} ~= {right}"
    if equal:
        return _Code(same, Level.COMPARISON, different)
    return _Code(different, Level.COMPARISON, same)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The parts of a script that depend on the program; names and rules have the same length."""

    gate_functions: tuple[LuaCode, ...]  # of the runtime interface, as used, sorted
    helpers: tuple[LuaCode, ...]  # definitions of the local functions that rules use
    constants: tuple[LuaCode, ...]  # the elements of K
    names: tuple[LuaCode, ...]
    rules: tuple[LuaCode, ...]


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
}

_ENTRY = {ir.Source.HEADER: "header", ir.Source.ARG: "arg", ir.Source.COOKIE: "cookie"}
_HAS_ENTRY = {ir.Source.HEADER: "has_header", ir.Source.ARG: "has_arg", ir.Source.COOKIE: "has_cookie"}

_SETTERS = {
    ir.Target.REQUEST_HEADER: "set_request_header",
    ir.Target.RESPONSE_HEADER: "set_response_header",
    ir.Target.ENVIRONMENT: "set_env",
}

# Local functions of a script; those of the standard library come first, ours may use them.
_HELPERS = {
    "concat": "local concat = table.concat",
    "find": "local find = string.find",
    "format": "local format = string.format",
    "sub": "local sub = string.sub",
    # Strings and numbers are always true in Lua: this makes the ones that Python holds false nil.
    "filled": """\
local function filled(value)
  if value ~= "" and value ~= 0 then return value end
  return nil
end""",
    "starts_with": """\
local function starts_with(text, prefix)
  return sub(text, 1, #prefix) == prefix
end""",
    "ends_with": """\
local function ends_with(text, suffix)
  return suffix == "" or sub(text, -#suffix) == suffix
end""",
}

# Lua parses `a .. b .. c` from the right, one nested level an operand.
_MAX_CONCAT_OPERANDS = 16

# A function has at most 200 locals; rules that set more values keep them in a table.
_MAX_SLOTS_IN_LOCALS = 100


def emit(program: ir.Program) -> Script:
    """The script of a program."""
    pool = _Pool()
    rules = tuple(_RuleWriter(rule, pool).write() for rule in program.rules)
    return Script(
        gate_functions=tuple(map(LuaCode, sorted(pool.gate_functions))),
        helpers=tuple(LuaCode(code) for name, code in _HELPERS.items() if name in pool.helpers),
        constants=tuple(LuaCode(code) for code in pool.constants),
        names=tuple(literals.string(rule.name) for rule in program.rules),
        rules=rules,
    )


@dataclass(slots=True)
class _Pool:
    """What all rules of a script share: constants, and the functions that were used."""

    constants: dict[str, int] = field(default_factory=dict)  # code to index in K
    gate_functions: set[str] = field(default_factory=set)
    helpers: set[str] = field(default_factory=set)

    def constant(self, code: LuaCode) -> str:
        index = self.constants.setdefault(code.text, len(self.constants) + 1)
        return f"K[{index}]"

    def gate(self, name: str) -> str:
        self.gate_functions.add(name)
        return name

    def helper(self, name: str) -> str:
        self.helpers.add(name)
        if name in ("starts_with", "ends_with"):
            self.helpers.add("sub")
        return name


class _RuleWriter:
    """Writes the function of one rule."""

    def __init__(self, rule: ir.Rule, pool: _Pool) -> None:
        self._rule = rule
        self._pool = pool
        slots = {instruction.slot for instruction in rule.code if isinstance(instruction, ir.Let)}
        self._slots_in_table = len(slots) > _MAX_SLOTS_IN_LOCALS
        self._declared: set[ir.Slot] = set()

    def write(self) -> LuaCode:
        rule = self._rule
        title = literals.comment(f'{rule.number}. "{rule.name}" ({rule.place})')
        lines = [f"  -- {title}", "  function(q)"]
        if self._slots_in_table:
            lines.append("    local v = {}")
        for instruction in rule.code:
            lines += ["    " + line for line in self._instruction(instruction)]
        if not rule.code or not isinstance(rule.code[-1], ir.Respond | ir.Redirect):
            lines.append("    return nil")
        lines.append("  end,")
        return LuaCode("\n".join(lines))

    # --- instructions --------------------------------------------------------------------------

    def _instruction(self, instruction: ir.Instruction) -> list[str]:
        match instruction:
            case ir.Let(slot, value):
                keyword = "" if self._slots_in_table or slot in self._declared else "local "
                self._declared.add(slot)
                return [f"{keyword}{self._slot(slot)} = {self._value(value).text}"]
            case ir.CheckStop():
                return ["if q.stop then return q.stop end"]
            case ir.LeaveUnless(condition):
                return self._unless(condition, "return nil")
            case ir.ForbidUnless(condition, realm, scope):
                return self._unless(condition, f"return {self._ending('forbid', realm, scope)}")
            case ir.Respond(status, body, content_type, headers):
                return ["return " + self._respond(status, body, content_type, headers)]
            case ir.Redirect(status, location):
                code = self._value(location).text
                return [f"return {self._pool.gate('redirect')}(q, {self._rule.number}, {status}, {code})"]
            case ir.RequireIdentity(providers, realm):
                accepted = self._pool.constant(literals.string_set(providers, indent="  "))
                require = f"{self._pool.gate('require_identity')}(q, {self._rule.number}, {accepted}"
                return [
                    f"local refusal = {require}, {literals.string(realm)})",
                    "if refusal then return refusal end",
                ]
            case ir.Permit():
                return [self._ending("permit")]
            case ir.Set(target, name, value):
                setter = self._pool.gate(_SETTERS[target])
                return [f"{setter}(q, {literals.string(name)}, {self._value(value).text})"]
        assert_never(instruction)

    def _unless(self, condition: Value, statement: str) -> list[str]:
        test = self._value(fold.not_(condition)).text
        if "\n" in test or len(test) + len(statement) > LINE_LENGTH:
            return [f"if {test} then", f"  {statement}", "end"]
        return [f"if {test} then {statement} end"]

    def _ending(self, function: str, *arguments: bytes | None) -> str:
        given = "".join(f", {literals.literal(argument)}" for argument in arguments)
        return f"{self._pool.gate(function)}(q, {self._rule.number}{given})"

    def _respond(
        self, status: int, body: Value | None, content_type: bytes, headers: tuple[tuple[bytes, Value], ...]
    ) -> str:
        text = "nil" if body is None else self._value(body).text
        fields = "nil"
        if headers:
            pairs = [f"{literals.string(name)}, {self._value(value).text}" for name, value in headers]
            fields = "{ " + ", ".join(pairs) + " }"
        kind = literals.string(content_type)
        return f"{self._pool.gate('respond')}(q, {self._rule.number}, {status}, {text}, {kind}, {fields})"

    # --- values --------------------------------------------------------------------------------

    def _value(self, value: Value) -> _Code:
        match value:
            case Constant(constant):
                return _Code(literals.literal(constant).text)
            case ir.Slot():
                return _Code(self._slot(value))
            case ir.Read(ir.RequestField.PATH):
                return _Code("q.path")
            case ir.Read(request_field):
                name = self._pool.gate(_MEMOISED[request_field])
                return _Code(f"q.{name} or {name}(q)", Level.OR)
            case ir.Entry(source, key):
                return _Code(f"{self._pool.gate(_ENTRY[source])}(q, {literals.string(key)})")
            case ir.HasEntry(source, key):
                return _Code(f"{self._pool.gate(_HAS_ENTRY[source])}(q, {literals.string(key)})")
            case ir.Caller() | ir.HasRole() | ir.JoinedRoles():
                return self._identity(value)
            case ir.Not(operand):
                return self._negation(operand)
            case ir.All(operands):
                return self._chain(" and ", operands, Level.AND)
            case ir.Any(operands):
                return self._chain(" or ", operands, Level.OR)
            case ir.LastIfAll(operands, empty):
                *tests, last = operands
                condition = fold.all_(fold.truth(test, empty) for test in tests)
                chosen = self._chain(" and ", (*ir.conjuncts(condition), last), Level.AND)
                return _Code(f"{chosen.text} or {literals.literal(empty)}", Level.OR)
            case ir.FirstNonEmpty(operands):
                *tests, last = operands
                filled = self._pool.helper("filled")
                alternatives = [f"{filled}({self._value(test).text})" for test in tests]
                return _Code(_joined(" or ", [*alternatives, self._tight(last, Level.OR)]), Level.OR)
            case ir.Equal(left, right, negated):
                sides = [self._tight(side, Level.CONCAT) for side in (left, right)]
                return _compared(*sides, equal=not negated)
            case ir.Order(operator, left, right):
                sides = [self._tight(side, Level.CONCAT) for side in (left, right)]
                return _Code(f"{sides[0]} {_LUA_OPERATORS[operator]} {sides[1]}", Level.COMPARISON)
            case ir.Concat() | ir.Decimal() | ir.Clean() | ir.UrlEncoded():
                return self._text(value)
            case ir.HasPrefix() | ir.HasSuffix() | ir.HasSubstring() | ir.InStrings() | ir.InNetworks():
                return self._search(value)
        assert_never(value)

    def _identity(self, value: ir.Caller | ir.HasRole | ir.JoinedRoles) -> _Code:
        # Reading the identity suspends the request at this rule when the caller is not known yet.
        caller = f"{self._pool.gate('identity')}(q, {self._rule.number})"
        match value:
            case ir.Caller(ir.Member.ANY_ROLE):
                return _Code(f"#{caller}.role_list > 0", Level.COMPARISON)
            case ir.Caller(member):
                return _Code(f"{caller}.{member.name.lower()}")
            case ir.HasRole(role):
                return _compared(f"{caller}.roles[{self._value(role).text}]", "true")
            case ir.JoinedRoles(separator):
                concat = self._pool.helper("concat")
                return _Code(f"{concat}({caller}.role_list, {literals.string(separator)})")
        assert_never(value)

    def _text(self, value: ir.Concat | ir.Decimal | ir.Clean | ir.UrlEncoded) -> _Code:
        match value:
            case ir.Concat(parts) if len(parts) > _MAX_CONCAT_OPERANDS:
                items = _joined(", ", [self._value(part).text for part in parts])
                return _Code(f"{self._pool.helper('concat')}({{ {items} }})")
            case ir.Concat(parts):
                texts = [self._tight(part, Level.UNARY) for part in parts]
                return _Code(_joined(" .. ", texts), Level.CONCAT)
            case ir.Decimal(integer):
                # Not `..`: it writes a float of 5.3 and later with a fraction.
                return _Code(f'{self._pool.helper("format")}("%d", {self._value(integer).text})')
            case ir.Clean(text):
                return _Code(f"{self._pool.gate('clean')}(q, {self._value(text).text})")
            case ir.UrlEncoded(text):
                return _Code(f"{self._pool.gate('encode')}({self._value(text).text})")
        assert_never(value)

    def _search(
        self, value: ir.HasPrefix | ir.HasSuffix | ir.HasSubstring | ir.InStrings | ir.InNetworks
    ) -> _Code:
        match value:
            case ir.HasPrefix(text, Constant(bytes() as prefix)):
                sub = f"{self._pool.helper('sub')}({self._value(text).text}, 1, {len(prefix)})"
                return _compared(sub, literals.string(prefix).text)
            case ir.HasPrefix(text, prefix):
                arguments = f"{self._value(text).text}, {self._value(prefix).text}"
                return _Code(f"{self._pool.helper('starts_with')}({arguments})")
            case ir.HasSuffix(text, Constant(bytes() as suffix)):
                sub = f"{self._pool.helper('sub')}({self._value(text).text}, -{len(suffix)})"
                return _compared(sub, literals.string(suffix).text)
            case ir.HasSuffix(text, suffix):
                arguments = f"{self._value(text).text}, {self._value(suffix).text}"
                return _Code(f"{self._pool.helper('ends_with')}({arguments})")
            case ir.HasSubstring(text, needle):
                arguments = f"{self._value(text).text}, {self._value(needle).text}, 1, true"
                return _compared(f"{self._pool.helper('find')}({arguments})", "nil", equal=False)
            case ir.InStrings(item, members):
                table = self._pool.constant(literals.string_set(members, indent="  "))
                return _compared(f"{table}[{self._value(item).text}]", "true")
            case ir.InNetworks(address, networks):
                list_ = literals.array(networks, indent="  ")
                table = self._pool.constant(LuaCode(f"{self._pool.gate('networks')}({list_})"))
                function = self._pool.gate("in_networks")
                return _Code(f"{function}({table}, {self._value(address).text})")
        assert_never(value)

    # --- syntax --------------------------------------------------------------------------------

    def _slot(self, slot: ir.Slot) -> str:
        return f"v[{slot.number}]" if self._slots_in_table else f"v{slot.number}"

    def _tight(self, value: Value, level: Level) -> str:
        """The code of a value, in parentheses when it binds less tightly than `level`."""
        return _tight(self._value(value), level)

    def _chain(self, operator: str, operands: tuple[Value, ...], level: Level) -> _Code:
        return _Code(_joined(operator, [self._tight(operand, level) for operand in operands]), level)

    def _negation(self, operand: Value) -> _Code:
        code = self._value(operand)
        if code.opposite is not None:
            return _Code(code.opposite, Level.COMPARISON, code.text)
        return _Code(f"not {_tight(code, Level.UNARY)}", Level.UNARY)


def _tight(code: _Code, level: Level) -> str:
    return code.text if code.level >= level else f"({code.text})"


def _joined(operator: str, operands: list[str]) -> str:
    """Operands with an operator between them, one a line when they do not fit into one.

    The break comes before the operator, never before a parenthesis: Lua 5.1 refuses a call whose argument
    list begins a line.
    """
    line = operator.join(operands)
    if len(line) <= LINE_LENGTH - 4:
        return line
    if operator == ", ":
        return ",\n      ".join(operands)
    return f"\n      {operator.lstrip()}".join(operands)
