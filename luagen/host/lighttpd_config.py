"""lighttpd's merged configuration: what `lighttpd -p` prints, after includes, conditions and all `+=`.

The printed language is not quite lighttpd's own. Newer versions print an `if` before conditions; in values
only `"` is escaped, in keys and conditions nothing is; `+=` is merged already, so a value inside a condition
is all of it. What this reader does not know it keeps as text or steps over, because a later lighttpd may
print more: only output that is no configuration at all is a failure.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from luagen.failure import Failure
from luagen.lighttpd_host import Lighttpd

_TIMEOUT_S = 20  # lighttpd answers in milliseconds; a busy machine gets some more
_MAX_DEPTH = 50  # of arrays; real ones have three

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_ASSIGN = re.compile(r"[ \t]*=[ \t]*")
_INTEGER = re.compile(r"-?[0-9]+(?=[\s,)]|$)")
# A backslash before a quote always escapes it: no string of lighttpd can end in one.
_STRING = re.compile(r'"(.*?)(?<!\\)"', re.DOTALL)
_ENTRY_END = re.compile(r"[ \t]*[\n,)]")
_KEY = re.compile(r'"([^\n]*?)"[ \t]*=> ')
_BARE = re.compile(r"[^\s,()]+")
_BLOCK = re.compile(
    r"(?P<head>(?:if |else )?(?:if )?\$.*?|else) \{\n[ \t]*# block (?P<number>\d+)\n", re.DOTALL
)
_UNKNOWN_BLOCK = re.compile(r"(?P<head>[^\n]*?) ?\{[ \t]*(?:\n|\Z)")
_CONDITION = re.compile(r'(?P<field>\$[^ ]+) (?P<operator>[=!][=~^$]) "(?P<text>.*)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Array:
    """A list or map of lighttpd: entries in order, each with its key, or None where it has none."""

    entries: tuple[tuple[str | None, Value], ...] = ()

    def get(self, key: str) -> Value | None:
        """The value of a key, None when there is no such key."""
        return next((value for name, value in self.entries if name == key), None)

    def strings(self) -> tuple[str, ...]:
        """The entries that are strings, in order."""
        return tuple(value for _, value in self.entries if isinstance(value, str))


Value = str | int | Array


@dataclass(frozen=True, slots=True)
class Condition:
    """`$HTTP["host"] == "a.example"`: field, operator and text, each as printed; one of a kind that is not
    known is all field."""

    field: str
    operator: str
    text: str

    def __str__(self) -> str:
        return f'{self.field} {self.operator} "{self.text}"' if self.operator else self.field


@dataclass(frozen=True, slots=True)
class Settings:
    """Values by name, with the reading that each kind of value needs. What is absent or of another kind is
    None, () or an empty Array."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def string(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        """An integer; lighttpd takes quoted digits for one, so this does too."""
        value = self.values.get(name)
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            return int(value)
        return value if isinstance(value, int) else None

    def array(self, name: str) -> Array:
        value = self.values.get(name)
        return value if isinstance(value, Array) else Array()

    def strings(self, name: str) -> tuple[str, ...]:
        """The strings of an array; a plain string is an array of one, as it is for lighttpd."""
        value = self.values.get(name)
        return (value,) if isinstance(value, str) else self.array(name).strings()

    def enabled(self, name: str) -> bool | None:
        """Whether a switch is on; None when it is not set."""
        value = self.values.get(name)
        return None if value is None else is_on(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Settings):
    """What one condition sets. `conditions`: from the outermost to its own; an `else` without a condition
    adds none of its own, and `is_else` says so."""

    conditions: tuple[Condition, ...]
    is_else: bool = False

    @property
    def condition(self) -> Condition | None:
        """Its own condition; None for a bare `else`."""
        return self.conditions[-1] if self.conditions and not self.is_else else None

    @property
    def where(self) -> str:
        """The conditions in words of the configuration, for messages."""
        parts = [str(condition) for condition in self.conditions] + (["else"] if self.is_else else [])
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedConfig(Settings):
    """The whole: global values, and the conditional blocks in the order of the file (the later one wins)."""

    blocks: tuple[Block, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """server.modules as lighttpd loads them: of a name that is there twice, the first counts."""
        return tuple(dict.fromkeys(self.strings("server.modules")))

    @property
    def sockets(self) -> tuple[Block, ...]:
        """The blocks of `$SERVER["socket"] == "ADDRESS"`, each a listener of its own."""
        return tuple(
            block
            for block in self.blocks
            if block.condition is not None
            and (block.condition.field, block.condition.operator) == ('$SERVER["socket"]', "==")
        )

    def places(self, name: str) -> Iterator[tuple[str, Value]]:
        """Each place that sets `name`: where (empty: globally), and the value there."""
        for where, settings in [("", self), *((block.where, block) for block in self.blocks)]:
            if name in settings.values:
                yield where, settings.values[name]


def is_on(value: Value) -> bool:
    """How lighttpd reads a switch: `enable`, `true` or a number other than 0."""
    if isinstance(value, str):
        return value.lower() in ("enable", "enabled", "true", "1")
    return isinstance(value, int) and value != 0


def read(lighttpd: Lighttpd, path: Path) -> MergedConfig:
    """The configuration at `path` as this lighttpd reads it.

    Loads no module and opens no certificate. Raises Failure with what lighttpd says against it.
    """
    arguments = [lighttpd.executable, "-p", "-f", str(path)]
    try:
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"cannot run `{' '.join(arguments)}`: {error}") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        # The last line is often only where the parser gave up; the first says what about.
        reason = said[0] if said else "it gives no reason"
        raise Failure(
            f"lighttpd cannot read its configuration: {reason}", f"lighttpd -tt -f {path} says everything"
        )
    return parse(done.stdout.decode(errors="surrogateescape"))


def parse(printed: str) -> MergedConfig:
    """What `lighttpd -p` printed. Raises Failure when it is no configuration."""
    if not printed.startswith("config {"):
        raise Failure("`lighttpd -p` does not print a configuration")
    return _Reader(printed).config()


class _Reader:
    """Goes through the text once; `_at` is how far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = text.index("{") + 1
        self._blocks: list[Block | None] = []

    def config(self) -> MergedConfig:
        values = self._body(())
        return MergedConfig(values=values, blocks=tuple(filter(None, self._blocks)))

    def _body(self, outer: tuple[Condition, ...]) -> dict[str, Value]:
        """Assignments and blocks up to the closing brace, which it takes."""
        values: dict[str, Value] = {}
        while True:
            self._skip_space()
            if self._at >= len(self._text) or self._take("}"):
                return values
            if block := _BLOCK.match(self._text, self._at):
                self._block(block, outer)
            elif (name := _NAME.match(self._text, self._at)) and (
                assign := _ASSIGN.match(self._text, name.end())
            ):
                self._at = assign.end()
                values[name[0]] = self._value(0)
            elif block := _UNKNOWN_BLOCK.match(self._text, self._at):
                self._block(block, outer)
            else:
                self._skip_line()

    def _block(self, found: re.Match[str], outer: tuple[Condition, ...]) -> None:
        self._at = found.end()
        head = found["head"].removeprefix("else ").removeprefix("if ")
        known = _CONDITION.fullmatch(head)
        is_else = head == "else"
        if known is not None:
            outer = (*outer, Condition(known["field"], known["operator"], known["text"]))
        elif not is_else:
            outer = (*outer, Condition(head, "", ""))
        place = len(self._blocks)
        self._blocks.append(None)  # blocks inside come after it
        values = self._body(outer)
        self._blocks[place] = Block(values=values, conditions=outer, is_else=is_else)
        # ` # end of CONDITION` repeats the condition, which may have line ends in it.
        end = f" # end of {head}"
        if self._text.startswith(end, self._at):
            self._at += len(end)
        else:
            self._skip_line()

    def _value(self, depth: int) -> Value:
        if self._text.startswith("(", self._at) and depth < _MAX_DEPTH:
            self._at += 1
            return self._array(depth + 1)
        if integer := _INTEGER.match(self._text, self._at):
            self._at = integer.end()
            return int(integer[0])
        if string := _STRING.match(self._text, self._at):
            self._at = string.end()
            return string[1].replace('\\"', '"')
        if bare := _BARE.match(self._text, self._at):
            self._at = bare.end()
            return bare[0]
        self._skip_line()
        return ""

    def _array(self, depth: int) -> Array:
        """Entries up to the closing parenthesis, which it takes."""
        entries: list[tuple[str | None, Value]] = []
        while True:
            self._skip_space()
            if self._at >= len(self._text) or self._take(")"):
                return Array(tuple(entries))
            if self._take(","):
                continue
            key = self._key()
            entries.append((key, self._value(depth)))

    def _key(self) -> str | None:
        """The key before an entry's value, with its arrow; None when the entry is only a value."""
        string = _STRING.match(self._text, self._at)
        key = _KEY.match(self._text, self._at)
        if string is None or key is None or _ENTRY_END.match(self._text, string.end()):
            return None
        self._at = key.end()
        return key[1]

    def _skip_space(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _skip_line(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end + 1

    def _take(self, char: str) -> bool:
        if not self._text.startswith(char, self._at):
            return False
        self._at += 1
        return True
