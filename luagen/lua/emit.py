"""IR to Lua: one expression for each value, one function for each rule.

Knows Lua's syntax and limits and the names of the runtime interface (docs/internals.md), and nothing of
policies. Parentheses come from a precedence table. However large a policy is, no script meets Lua's limits:
constants that are tables live in one table `K`, chains are flat (200 nested levels), and see `parts.py`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import assert_never

from luagen import fold, ir
from luagen.ir import Constant, Value
from luagen.lua import emit_dispatch, literals
from luagen.lua.emit_values import ValueWriter
from luagen.lua.literals import LINE_LENGTH, LuaCode
from luagen.lua.parts import MAX_LOCALS, MAX_UPVALUES
from luagen.lua.pool import HELPERS, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The parts of a script that depend on the program; names and rules have the same length."""

    gate_functions: tuple[LuaCode, ...]  # of the runtime interface, as used, sorted
    helpers: tuple[LuaCode, ...]  # definitions of the local functions that rules use
    constants: tuple[LuaCode, ...]  # the elements of K
    names: tuple[str, ...]
    rules: tuple[LuaCode, ...]
    uses: tuple[frozenset[str], ...]  # the gate functions and helpers that each rule has as upvalues
    dispatch: tuple[LuaCode, ...]  # arguments of gate.dispatch; none: all rules are tried in order


# A function has at most 200 locals; rules that set more values keep them in a table.
_MAX_SLOTS_IN_LOCALS = 100


def emit(program: ir.Program) -> Script:
    """The script of a program."""
    memoised = _memoised(program)
    pool = Pool(memoised=memoised)
    written = [_write(rule, pool) for rule in program.rules]
    by_table = frozenset(sorted(pool.gate_functions)[MAX_LOCALS:])
    if by_table:
        pool = Pool(by_table=by_table, memoised=memoised)
        written = [_write(rule, pool) for rule in program.rules]
    return Script(
        gate_functions=tuple(map(LuaCode, sorted(pool.gate_functions))),
        helpers=tuple(LuaCode(code) for name, code in HELPERS.items() if name in pool.helpers),
        constants=tuple(LuaCode(code) for code in pool.constants),
        names=tuple(rule.name for rule in program.rules),
        rules=tuple(code for code, _ in written),
        uses=tuple(uses for _, uses in written),
        dispatch=emit_dispatch.plan(program),
    )


# Functions of the runtime after which a request may have other header fields; the field that the first two
# change is their first argument.
_CHANGES_FIELD = ("set_request_header", "add_request_header")
_CHANGES_FIELDS = "remove_request_headers"


def _memoised(program: ir.Program) -> frozenset[bytes]:
    """The header fields that are read in several places and that no rule changes."""
    read: Counter[bytes] = Counter()
    changed: set[bytes] = set()
    for rule in program.rules:
        for instruction in rule.code:
            if isinstance(instruction, ir.Invoke):
                if instruction.function == _CHANGES_FIELDS:
                    return frozenset()
                match instruction.arguments:
                    case (Constant(bytes() as name), *_) if instruction.function in _CHANGES_FIELD:
                        changed.add(name.lower())
            for value in ir.values_of(instruction):
                for part in ir.walk(value):
                    if isinstance(part, ir.Entry | ir.Quantifier | ir.Collected):
                        read.update(_header_fields(part))
    return frozenset(name for name, count in read.items() if count > 1) - changed


def _header_fields(value: Value) -> tuple[bytes, ...]:
    """The header field that a value is, or those that a loop reads in every turn."""
    match value:
        case ir.Entry(ir.Source.HEADER, key):
            return (key,)
        case ir.Quantifier() | ir.Collected():
            return tuple(
                part.key
                for part in ir.walk(value)
                if isinstance(part, ir.Entry) and part.source is ir.Source.HEADER
            )
        case _:
            return ()


def _write(rule: ir.Rule, pool: Pool) -> tuple[LuaCode, frozenset[str]]:
    """The function of a rule, and what it uses; a rule that uses very many reaches them through the gate."""
    before = pool.gate_functions, pool.helpers
    pool.gate_functions, pool.helpers = set(), set()
    code = _RuleWriter(rule, pool).write()
    uses = frozenset(pool.gate_functions | pool.helpers)
    if len(uses) > MAX_UPVALUES:
        by_table = pool.by_table
        pool.by_table, pool.gate_functions = by_table | pool.gate_functions, set()
        code = _RuleWriter(rule, pool).write()
        uses = frozenset(pool.helpers)
        pool.by_table = by_table
    pool.gate_functions |= before[0]
    pool.helpers |= before[1]
    return code, uses


class _RuleWriter:
    """Writes the function of one rule."""

    def __init__(self, rule: ir.Rule, pool: Pool) -> None:
        self._rule = rule
        self._pool = pool
        slots = {instruction.slot for instruction in rule.code if isinstance(instruction, ir.Let)}
        self._slots_in_table = len(slots) > _MAX_SLOTS_IN_LOCALS
        self._declared: set[ir.Slot] = set()
        self._may_have_ended = False  # whether the local `refusal` is there
        self._values = ValueWriter(rule.number, pool, self._slot)

    def write(self) -> LuaCode:
        rule = self._rule
        title = literals.comment(f'{rule.number}. "{rule.name}" ({rule.place})')
        lines = [f"  -- {title}", "  function(q)"]
        if self._slots_in_table:
            lines.append("    local v = {}")
        for instruction in rule.code:
            lines += ["    " + line for line in self._instruction(instruction)]
        if not rule.code or not _always_ends(rule.code[-1]):
            lines.append("    return nil")
        lines.append("  end,")
        return LuaCode("\n".join(lines))

    # --- instructions --------------------------------------------------------------------------

    def _instruction(self, instruction: ir.Instruction) -> list[str]:
        match instruction:
            case ir.Let(slot, value):
                keyword = "" if self._slots_in_table or slot in self._declared else "local "
                self._declared.add(slot)
                return [f"{keyword}{self._slot(slot)} = {self._values.text(value)}"]
            case ir.CheckStop():
                return ["if q.stop then return q.stop end"]
            case ir.LeaveUnless(condition):
                return self._unless(condition, "return nil")
            case ir.Invoke():
                return self._invoke(instruction)
        assert_never(instruction)

    def _unless(self, condition: Value, *statements: str) -> list[str]:
        test = self._values.text(fold.not_(condition))
        if len(statements) > 1 or "\n" in test or len(test) + len(statements[0]) > LINE_LENGTH:
            return [f"if {test} then", *(f"  {statement}" for statement in statements), "end"]
        return [f"if {test} then {statements[0]} end"]

    def _invoke(self, instruction: ir.Invoke) -> list[str]:
        arguments = "".join(", " + self._argument(argument) for argument in instruction.arguments)
        call = f"{self._pool.gate(instruction.function)}(q{arguments})"
        match instruction.outcome:
            case ir.Outcome.GOES_ON:
                statements = [call]
            case ir.Outcome.ENDS:
                statements = [f"return {call}"]
            case ir.Outcome.MAY_END:
                keyword = "" if self._may_have_ended else "local "
                self._may_have_ended = True
                statements = [f"{keyword}refusal = {call}", "if refusal then return refusal end"]
        if instruction.unless is None:
            return statements
        return self._unless(instruction.unless, *statements)

    def _argument(self, argument: ir.Argument) -> str:
        match argument:
            case ir.Nothing():
                return "nil"
            case ir.RuleNumber():
                return str(self._rule.number)
            case ir.Row(values):
                return "{ " + ", ".join(map(self._values.text, values)) + " }"
            case ir.Kept(data, maker):
                code = _data(data, "  ")
                return self._pool.constant(
                    code if maker is None else LuaCode(f"{self._pool.gate(maker)}({code})")
                )
            case _:
                return self._values.text(argument)

    def _slot(self, slot: ir.Slot) -> str:
        return f"v[{slot.number}]" if self._slots_in_table else f"v{slot.number}"


def _always_ends(instruction: ir.Instruction) -> bool:
    match instruction:
        case ir.Invoke(outcome=ir.Outcome.ENDS, unless=None):
            return True
        case _:
            return False


def _data(data: ir.Data, indent: str) -> LuaCode:
    inner = indent + "  "
    match data:
        case ir.NameSet(values):
            return literals.string_set(values, indent=indent)
        case ir.Record(fields):
            given = {name: _data(value, inner) for name, value in fields if value is not None}
            return literals.record(given, indent=indent)
        case tuple():
            return literals.sequence([_data(item, inner) for item in data], indent=indent)
        case _:
            return literals.literal(data)
