"""lighttpd's configuration in one piece: every `include` replaced by what it includes.

Only to put one file in the place of another before lighttpd reads the whole: little else of the language
is understood here, and what cannot be followed (`include_shell`, alternatives in braces) is left for it.
As there, a relative path is relative to the directory of the main file, and a pattern that matches nothing is
no mistake.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_MAX_DEPTH = 16  # of includes within includes; deeper is a circle, which lighttpd complains about

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<word>[A-Za-z_][A-Za-z0-9_.-]*)
      | (?P<assign>:=|\+=|=(?![>=~^$]))
      | (?P<plus>\+)
      | (?P<open>\()
      | (?P<close>\))
      | (?P<end>\n)
      | (?P<space>[ \t\r]+)
      | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the whole, and where it comes from. `number` is 1-based."""

    text: str
    source: Path
    number: int


@dataclass(frozen=True, slots=True)
class Expansion:
    """The whole, and how often the replaced file was included."""

    lines: tuple[Line, ...]
    replaced: int

    @property
    def text(self) -> str:
        return "".join(f"{line.text}\n" for line in self.lines)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class _Include:
    """A statement at [start, end) of a text. `path`: as written, None when it cannot be known here."""

    start: int
    end: int
    path: str | None


def expand(main: Path, *, instead_of: Path, content: str) -> Expansion:
    """The configuration that begins at `main`, with `content` where `instead_of` is included.

    `instead_of` need not exist. Raises OSError when `main` or a file that it includes cannot be read.
    """
    expander = _Expander(main.absolute(), instead_of, content)
    lines = tuple(expander.file(main.absolute(), 0))
    return Expansion(lines, expander.replaced)


@dataclass(slots=True)
class _Expander:
    main: Path
    instead_of: Path
    content: str
    replaced: int = 0
    variables: dict[str, str] = field(default_factory=dict)  # of strings; `x` is `var.x`

    def file(self, path: Path, depth: int) -> Iterator[Line]:
        if _same(path, self.instead_of):
            self.replaced += 1
            yield from _lines(self.content, path, 1)
            return
        text = path.read_text("utf-8", "surrogateescape")
        at = 0
        for include in _statements(text, self.variables):
            if include.path is None or depth >= _MAX_DEPTH:
                continue
            included = self._files(include.path)
            yield from _lines(text[at : include.start], path, _number(text, at))
            if included is None:
                absolute = os.path.normpath(self.main.parent / include.path)
                yield Line(f'include "{_escaped(absolute)}"', path, _number(text, include.start))
            else:
                for one in included:
                    yield from self.file(one, depth + 1)
            at = include.end
        yield from _lines(text[at:], path, _number(text, at))

    def _files(self, written: str) -> list[Path] | None:
        """What lighttpd would include; None for what it has to complain about or read itself."""
        path = Path(os.path.normpath(self.main.parent / written))
        if _same(path, self.instead_of) or path.is_file():
            return [path]
        if "{" in written or not glob.has_magic(written):
            return None
        return [Path(found) for found in sorted(glob.glob(str(path)), key=os.fsencode)]  # noqa: PTH207


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _same(path: Path, other: Path) -> bool:
    """Whether both are the same name in the same directory, by whatever way one gets there."""
    if path.name != other.name:
        return False
    if os.path.normpath(path) == os.path.normpath(other):
        return True
    # The release in force: what `current` leads to is replaced, not the one release that it leads to now.
    return path.parent.name == other.parent.name and (
        path.parent.parent.resolve() == other.parent.parent.resolve()
    )


def _lines(text: str, source: Path, first: int) -> Iterator[Line]:
    if text:
        for number, line in enumerate(text.removesuffix("\n").split("\n"), first):
            yield Line(line, source, number)


def _number(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _statements(text: str, variables: dict[str, str]) -> Iterator[_Include]:
    """The includes of a text in order, keeping `variables` as far as they are strings."""
    depth = 0
    tokens = [token for token in _tokens(text) if token.kind not in ("space", "comment")]
    for number, token in enumerate(tokens):
        if token.kind in ("open", "close"):
            depth += 1 if token.kind == "open" else -1
        if token.kind != "word" or depth > 0:
            continue
        following = tokens[number + 1 :][:1]
        if token.text == "include":
            value, end = _value(tokens, number + 1, variables)
            yield _Include(token.start, end, value)
        elif following and following[0].kind == "assign" and (name := _variable(token.text)) is not None:
            value, _ = _value(tokens, number + 2, variables)
            if following[0].text == "+=" and value is not None:
                value = variables[name] + value if name in variables else None
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = value


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        yield _Token(found.lastgroup or "other", found.group(), found.start())


def _value(tokens: list[_Token], at: int, variables: Mapping[str, str]) -> tuple[str | None, int]:
    """The string that an expression from token `at` to the end of its statement is, and where it ends."""
    parts: list[str | None] = []
    end = tokens[at].start if at < len(tokens) else 0
    expects_value = True
    for token in tokens[at:]:
        if expects_value and token.kind in ("string", "word"):
            parts.append(_operand(token, variables))
        elif expects_value or token.kind != "plus":
            break
        expects_value = not expects_value
        end = token.end
    if expects_value or None in parts:
        return None, end
    return "".join(part for part in parts if part is not None), end


def _operand(token: _Token, variables: Mapping[str, str]) -> str | None:
    if token.kind == "string":
        return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
    if token.text.startswith("env."):
        return os.environ.get(token.text.removeprefix("env."))
    name = _variable(token.text)
    return None if name is None else variables.get(name)


def _variable(word: str) -> str | None:
    """The name of a variable of the configuration; None for what is a directive."""
    name = word.removeprefix("var.")
    return None if "." in name else name
