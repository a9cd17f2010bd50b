"""Long lists of code, made by as many Lua functions as it takes.

What a Lua function may hold is bounded: 60 upvalues and 2^18 constants in 5.1, 2^16 constants in LuaJIT
(functions and tables among them), 200 locals everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from luagen.lua import literals
from luagen.lua.literals import LuaCode

MAX_LOCALS = 100  # functions of the gate that a script has as locals; others are reached through the gate
MAX_UPVALUES = (
    50  # of those locals, and of other functions, in one function; a few tables come on top of them
)
MAX_ITEMS = 500  # in one part of a list
MAX_LENGTH = 250_000  # of the text of one part: each constant takes several characters

# What a script needs that has a list in parts.
APPEND = LuaCode(
    """\
-- Lua bounds what one function can hold, so that long lists are made by several.
local function append(list, part)
  local count, items = #list, part()
  for i = 1, #items do
    list[count + i] = items[i]
  end
end
"""
)

Parts = list[list[LuaCode]]


def split(items: Sequence[LuaCode], uses: Sequence[frozenset[str]] | None = None) -> Parts:
    """The items in order, in parts. `uses`: the local functions of the script that each item uses."""
    parts: Parts = []
    used: frozenset[str] = frozenset()
    length = 0
    for number, item in enumerate(items):
        used |= uses[number] if uses else frozenset()
        length += len(item.text)
        full = not parts or len(parts[-1]) == MAX_ITEMS or length > MAX_LENGTH
        if full or len(used) > MAX_UPVALUES:
            parts.append([])
            used, length = uses[number] if uses else frozenset(), len(item.text)
        parts[-1].append(item)
    return parts


def table(name: str, parts: Parts, *, local: bool = False) -> LuaCode:
    """Statements that make `name` the list of items. Items bring their own indentation and commas."""
    keyword = "local " if local else ""
    if len(parts) <= 1:
        body = "".join(f"{item}\n" for part in parts for item in part)
        return LuaCode(f"{keyword}{name} = {{\n{body}}}\n")
    statements = [f"{keyword}{name} = {{}}\n"]
    for part in parts:
        body = "".join(f"{item}\n" for item in part)
        statements.append(f"append({name}, function() return {{\n{body}}} end)\n")
    return LuaCode("".join(statements))


def names(texts: Sequence[str]) -> LuaCode:
    """Statements that give the gate the names of rules, which hold no line ends."""
    if len(texts) <= MAX_ITEMS:
        return table("gate.names", [[LuaCode(f"  {literals.string(text)},") for text in texts]])
    packed = literals.lines(text.encode() for text in texts)
    return LuaCode(
        f"""\
gate.names = {{}}
for name in string.gmatch({packed}, "[^\\n]+") do
  gate.names[#gate.names + 1] = name
end
"""
    )
