"""Recursive descent through Python's syntax of regular expressions (documentation of `re`) to a tree.

As CPython 3.11 to 3.14 read a pattern of bytes, with these differences: a character beyond ASCII is its UTF-8
bytes as one item; unnamed groups only group; what needs backtracking, and what Python warns of, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from luagen.regex import escapes
from luagen.regex.char_class import parse_class
from luagen.regex.cursor import Cursor
from luagen.regex.flags import parse_flags
from luagen.regex.limits import MAX_DEPTH, MAX_PATTERN, MAX_REPEAT
from luagen.regex.tree import (
    ALL,
    NEWLINE,
    Alternatives,
    Assertion,
    Expression,
    NamedGroup,
    OneByte,
    Place,
    Repeat,
    Sequence,
    ignoring_case,
)

_WHITESPACE = " \t\n\r\v\f"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOUNDS = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")

# Openings that need a memory of the text, or to look at it twice: what they are, and what to write instead.
_REFUSED_GROUPS = {
    "(?=": ("a look-ahead", "write a second `matches` and join both with `and`"),
    "(?!": ("a negative look-ahead", "write a second condition: `and not matches(…)`"),
    "(?<=": (
        "a look-behind",
        "write what stands before as part of the pattern, and name the rest `(?P<rest>…)`",
    ),
    "(?<!": ("a negative look-behind", "write a second condition: `and not matches(…)`"),
    "(?>": ("an atomic group", "write `(?:…)`: there is no backtracking to prevent"),
    "(?(": ("a conditional group", "write both cases out, with `|` between them"),
    "(?P=": ("a back-reference", "name both parts, `(?P<a>…)` and `(?P<b>…)`, and compare them: `a == b`"),
}

_BYTES = tuple(OneByte(frozenset([byte])) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A pattern as a tree, with its named groups in the order of their opening parentheses."""

    expression: Expression
    groups: tuple[str, ...]
    length: int = field(compare=False)  # characters of the pattern, which is all that a mistake then names


def parse(pattern: str) -> Parsed:
    """The tree of a pattern. Raises RegexError."""
    cursor = Cursor(pattern)
    if len(pattern) > MAX_PATTERN:
        raise cursor.error(
            f"the pattern has {len(pattern):,} characters, the most are {MAX_PATTERN:,}",
            0,
            "compare with a list of texts, or match in several rules",
            end=len(pattern),
        )
    parser = _Parser(cursor)
    expression = parser.alternatives(frozenset(), opened=None)
    return Parsed(expression, tuple(parser.groups), len(pattern))


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._depth = 0
        self.groups: list[str] = []

    def alternatives(self, flags: frozenset[str], opened: int | None) -> Expression:
        """What stands in a group, whose `(` is at `opened`, up to its `)`; for None: the whole pattern."""
        cursor = self._cursor
        if opened is None:
            flags = self._flags_at_start()
        choices = [self._sequence(flags)]
        while cursor.accept("|"):
            choices.append(self._sequence(flags))
        if opened is None and cursor.next:
            raise cursor.error(
                "this `)` closes nothing", cursor.at, "write `\\)` for the character", end=cursor.at + 1
            )
        if opened is not None and not cursor.accept(")"):
            raise cursor.error(
                "this `(` is never closed",
                opened,
                "add `)`, or write `\\(` for the character",
                end=opened + 1,
            )
        return choices[0] if len(choices) == 1 else Alternatives(tuple(choices))

    def _flags_at_start(self) -> frozenset[str]:
        """The flags of the whole pattern; takes the groups that set them, and comments between."""
        cursor = self._cursor
        flags: frozenset[str] = frozenset()
        while True:
            if "x" in flags and self._skip_blank():
                continue
            start = cursor.at
            if cursor.accept("(?#"):
                self._comment(start)
                continue
            if not (cursor.accept("(?") and cursor.next and cursor.next.isalpha() and cursor.next != "P"):
                cursor.at = start
                return flags
            on, _, scoped = parse_flags(cursor, start)
            if scoped:
                cursor.at = start
                return flags
            flags |= on

    def _skip_blank(self) -> bool:
        """Takes white space or a comment of a verbose pattern; whether there was any."""
        cursor = self._cursor
        if cursor.take_while(_WHITESPACE):
            return True
        if not cursor.accept("#"):
            return False
        while cursor.next and cursor.take() != "\n":
            pass
        return True

    def _comment(self, start: int) -> None:
        cursor = self._cursor
        end = cursor.pattern.find(")", cursor.at)
        if end < 0:
            raise cursor.error("the comment has no end", start, "close it with `)`")
        cursor.at = end + 1

    def _sequence(self, flags: frozenset[str]) -> Expression:
        cursor = self._cursor
        parts: list[Expression] = []
        while cursor.next not in ("", "|", ")"):
            if "x" in flags and self._skip_blank():
                continue
            start = cursor.at
            bounds = self._quantifier()
            if bounds is not None:
                parts.append(self._repeat(parts, bounds, start))
                continue
            part = self._item(flags)
            if part is not None:
                parts.append(part)
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    # --- repetition ---------------------------------------------------------------------------------

    def _quantifier(self) -> tuple[int, int | None] | None:
        """Takes a quantifier: its least and most. None when there is none; a `{` may be a character."""
        cursor = self._cursor
        match cursor.next:
            case "*":
                bounds: tuple[int, int | None] = (0, None)
            case "+":
                bounds = (1, None)
            case "?":
                bounds = (0, 1)
            case "{":
                return self._braces()
            case _:
                return None
        cursor.take()
        return bounds

    def _braces(self) -> tuple[int, int | None] | None:
        cursor = self._cursor
        start = cursor.at
        found = _BOUNDS.match(cursor.pattern, start)
        if found is None or found[0] == "{}":
            return None
        low, comma, high = found.groups()
        cursor.at = found.end()
        if max(len(low), len(high)) > 9 or max(int(low or 0), int(high or 0)) > MAX_REPEAT:
            raise cursor.error(
                f"the most repetitions are {MAX_REPEAT:,}",
                start,
                "write `*` or `+`, and compare the length with `len`",
            )
        least = int(low or 0)
        most = (int(high) if high else None) if comma else least
        if most is not None and most < least:
            raise cursor.error(
                "the most repetitions are fewer than the least", start, "write the smaller one first"
            )
        return least, most

    def _repeat(self, parts: list[Expression], bounds: tuple[int, int | None], start: int) -> Expression:
        """Takes the last part and repeats it; `start` is where its quantifier stands."""
        cursor = self._cursor
        if not parts or isinstance(parts[-1], Place):
            raise cursor.error(
                "there is nothing to repeat", start, "write a backslash before it for the character"
            )
        if isinstance(parts[-1], Repeat):
            raise cursor.error(
                "a repetition is repeated", start, "put a group around the inner one: `(?:a+)*`"
            )
        if cursor.next == "+":
            raise cursor.error(
                "a possessive quantifier cannot be compiled",
                start,
                "leave out the second `+`: there is no backtracking to prevent",
                end=cursor.at + 1,
            )
        lazy = cursor.accept("?")
        return Repeat(parts.pop(), bounds[0], bounds[1], lazy)

    # --- one item -----------------------------------------------------------------------------------

    def _item(self, flags: frozenset[str]) -> Expression | None:
        """The next item, without its quantifier; None for a comment, which is none."""
        cursor = self._cursor
        start = cursor.at
        character = cursor.take()
        match character:
            case "(":
                return self._group(flags, start)
            case "[":
                return OneByte(parse_class(cursor, ignore_case="i" in flags))
            case ".":
                return OneByte(ALL if "s" in flags else ALL - {NEWLINE})
            case "^":
                return Place(Assertion.LINE_START if "m" in flags else Assertion.TEXT_START)
            case "$":
                return Place(Assertion.LINE_END if "m" in flags else Assertion.LAST_LINE_END)
            case "\\":
                found = escapes.outside_class(cursor)
                if isinstance(found, Place):
                    return found
                if isinstance(found, OneByte):
                    return OneByte(ignoring_case(found.accepts)) if "i" in flags else found
                character = found
        try:
            raw = character.encode()
        except UnicodeEncodeError:
            raise cursor.error("half of a surrogate pair is no character", start) from None
        return self._literal(raw, flags)

    def _literal(self, raw: bytes, flags: frozenset[str]) -> Expression:
        parts = [_BYTES[byte] for byte in raw]
        if "i" in flags:
            parts = [OneByte(ignoring_case(part.accepts)) for part in parts]
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    # --- groups -------------------------------------------------------------------------------------

    def _group(self, flags: frozenset[str], start: int) -> Expression | None:
        cursor = self._cursor
        for opening, (what, instead) in _REFUSED_GROUPS.items():
            if cursor.pattern.startswith(opening, start):
                end = start + len(opening)
                raise cursor.error(f"{what} cannot be compiled to an automaton", start, instead, end=end)
        if cursor.accept("?#"):
            self._comment(start)
            return None
        if cursor.accept("?P<"):
            return self._named(flags, start)
        if cursor.accept("?P") or cursor.accept("?<"):
            raise cursor.error("there is no such group", start, "write `(?P<name>…)`")
        if cursor.accept("?:") or not cursor.accept("?"):
            return self._inside(flags, start)
        if not (cursor.next.isalpha() or cursor.next == "-"):
            cursor.take()
            raise cursor.error("there is no such group", start, "write `\\(` for the character `(`")
        on, off, scoped = parse_flags(cursor, start)
        if not scoped:
            raise cursor.error(
                "flags for the whole pattern stand at its start", start, "move them there, or write `(?i:…)`"
            )
        return self._inside((flags | on) - off, start)

    def _inside(self, flags: frozenset[str], start: int) -> Expression:
        if self._depth == MAX_DEPTH:
            raise self._cursor.error(
                f"more than {MAX_DEPTH} groups stand inside one another",
                start,
                "leave out groups that change nothing",
                end=start + 1,
            )
        self._depth += 1
        inside = self.alternatives(flags, start)
        self._depth -= 1
        # A group may be repeated whatever is in it; wrapped, it is told from a bare `^` and a bare `a*`.
        return Sequence((inside,)) if isinstance(inside, (Place, Repeat)) else inside

    def _named(self, flags: frozenset[str], start: int) -> Expression:
        cursor = self._cursor
        found = _NAME.match(cursor.pattern, cursor.at)
        if found is None or not cursor.pattern.startswith(">", found.end()):
            raise cursor.error(
                "a group's name is letters, digits and `_`, and ends in `>`", start, "write `(?P<name>…)`"
            )
        cursor.at = found.end() + 1
        if found[0] in self.groups:
            raise cursor.error(
                f"there are two groups `{found[0]}`",
                start,
                "give each its own name, and take the one that is not empty",
            )
        index = len(self.groups)
        self.groups.append(found[0])
        return NamedGroup(index, self._inside(flags, start))
