"""The one gate from Python values to Lua source text.

`LuaCode` marks finished code; only this module and `emit` make it, and templates accept nothing else.
Literals mean the same in Lua 5.1 to 5.5 and LuaJIT: escapes are three decimal digits (`\\x` is another
thing in 5.1), numbers are integers that every version holds exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

MAX_INTEGER = 2**53 - 1  # above it Lua 5.1 and LuaJIT, which have only doubles, are inexact

LINE_LENGTH = 100  # of generated code; longer tables and expressions are broken


@dataclass(frozen=True, slots=True)
class LuaCode:
    """Lua source text that may be written into a script as it is."""

    text: str

    def __str__(self) -> str:
        return self.text


def _escape(byte: int) -> str:
    match byte:
        case 0x22 | 0x5C:  # the quote and the backslash
            return "\\" + chr(byte)
        case _ if 0x20 <= byte <= 0x7E:
            return chr(byte)
        case _:
            return f"\\{byte:03d}"


_ESCAPES = {byte: _escape(byte) for byte in range(256)}


def string(value: bytes | str) -> LuaCode:
    """A string literal of these bytes; text stands for its UTF-8 encoding."""
    raw = value.encode() if isinstance(value, str) else value
    return LuaCode('"' + raw.decode("latin-1").translate(_ESCAPES) + '"')


def integer(value: int) -> LuaCode:
    """A literal of an integer; raises ValueError for one that a double does not hold exactly."""
    if isinstance(value, bool) or abs(value) > MAX_INTEGER:
        raise ValueError(f"bug in luagen: no integer literal for {value!r}")
    return LuaCode(str(value))


def literal(value: bytes | str | int | bool | None) -> LuaCode:
    """The literal of a plain value."""
    match value:
        case None:
            return LuaCode("nil")
        case bool():
            return LuaCode("true" if value else "false")
        case int():
            return integer(value)
        case str() | bytes():
            return string(value)


def array(values: Collection[bytes | str], *, indent: str = "") -> LuaCode:
    """A table of strings in order, one a line when they do not fit into one."""
    return _table([string(value).text for value in values], indent)


def string_set(values: Collection[bytes | str], *, indent: str = "") -> LuaCode:
    """A table that maps each string to true, in the given order."""
    return _table([f"[{string(value)}] = true" for value in values], indent)


def record(fields: Mapping[str, LuaCode], *, indent: str = "") -> LuaCode:
    """A table with named fields, one a line; names are our own, and no Lua keywords."""
    for name in fields:
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f"bug in luagen: not a Lua name: {name!r}")
    inner = indent + "  "
    lines = [f"{inner}{name} = {code},\n" for name, code in fields.items()]
    return LuaCode("{\n" + "".join(lines) + indent + "}")


def sequence(items: Collection[LuaCode], *, indent: str = "") -> LuaCode:
    """A table of finished values in order."""
    return _table([item.text for item in items], indent)


def lines(texts: Iterable[bytes]) -> LuaCode:
    """One string literal of texts without line ends, each followed by one, and a line end before the first.

    For long lists that the runtime takes apart: in a table each text would be a constant of its function, and
    LuaJIT holds 65,536 of them.
    """
    return LuaCode('"\\\n' + "".join(string(text).text[1:-1] + "\\\n" for text in texts) + '"')


def comment(text: str) -> LuaCode:
    """Text for the inside of a line comment: whatever could end the line or hide text becomes `?`."""
    if text.isprintable():
        return LuaCode(text)
    return LuaCode("".join(char if char.isprintable() else "?" for char in text))


def _table(items: list[str], indent: str) -> LuaCode:
    one_line = "{ " + ", ".join(items) + " }" if items else "{}"
    if len(indent) + len(one_line) <= LINE_LENGTH and "\n" not in one_line:
        return LuaCode(one_line)
    inner = indent + "  "
    return LuaCode("{\n" + "".join(f"{inner}{item},\n" for item in items) + indent + "}")
