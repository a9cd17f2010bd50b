"""What the rules of a script share: constants, functions of the runtime, and local functions."""

from __future__ import annotations

from dataclasses import dataclass, field

from luagen.lua.literals import LuaCode
from luagen.regex import Parsed

# Local functions of a script; those of the standard library come first, ours may use them.
HELPERS = {
    "concat": "local concat = table.concat",
    "find": "local find = string.find",
    "floor": "local floor = math.floor",
    "sub": "local sub = string.sub",
    "texts": "local texts = gate.texts",
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


@dataclass(slots=True)
class Pool:
    """What all rules of a script share: constants, and the functions that were used."""

    constants: dict[str, int] = field(default_factory=dict)  # code to index in K
    automata: dict[Parsed, LuaCode] = field(default_factory=dict)  # packed, as a literal
    gate_functions: set[str] = field(default_factory=set)
    helpers: set[str] = field(default_factory=set)
    by_table: frozenset[str] | set[str] = frozenset()  # gate functions that are no locals of the script
    memoised: frozenset[bytes] = frozenset()  # header fields that are read once and kept in the request

    def constant(self, code: LuaCode) -> str:
        index = self.constants.setdefault(code.text, len(self.constants) + 1)
        return f"K[{index}]"

    def gate(self, name: str) -> str:
        if name in self.by_table:
            return f"gate.{name}"
        self.gate_functions.add(name)
        return name

    def helper(self, name: str) -> str:
        self.helpers.add(name)
        if name in ("starts_with", "ends_with"):
            self.helpers.add("sub")
        return name
