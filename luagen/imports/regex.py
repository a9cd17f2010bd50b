"""Regular expressions of PCRE (nginx, Apache) as those that `matches()` takes. Does no I/O.

Only what means the same in both passes; all else raises NotTranslatable with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from luagen import regex
from luagen.imports.result import NotTranslatable

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "digit": "0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
    "space": r"\s",
}
_SAME_ESCAPES = frozenset("dDwWsSbBAtnrfv")
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_HEXADECIMAL = re.compile(r"x[0-9A-Fa-f]{2}")
_NAMED_GROUP = re.compile(r"\(\?(?:P?<([A-Za-z_][A-Za-z0-9_]*)>|'([A-Za-z_][A-Za-z0-9_]*)')")
_QUANTIFIER = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")
# A path as text: what has no meaning in a regular expression, or is escaped.
_LITERAL = re.compile(r"(?:[A-Za-z0-9/_~!@%&=:;,'\" -]|\\[^A-Za-z0-9]|[^\x00-\x7f])+")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class _Group:
    """A group that captures: where its `(` stands among the pieces, and its name if it has one."""

    piece: int
    name: str | None


class Pattern:
    """A regular expression with numbered groups, of which those that are used get names."""

    def __init__(self, source: str, *, ignore_case: bool = False) -> None:
        self.source = source
        self.ignore_case = ignore_case
        self._pieces: list[str] = []
        self._groups: list[_Group] = []
        self._scan()
        try:
            re.compile("".join(self._pieces))
        except (re.error, OverflowError, RecursionError) as error:
            raise NotTranslatable(f"`{source}` is no regular expression: {error}") from None

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def number(self, reference: str) -> int | None:
        """The number of the group that has this number or name."""
        if reference.isdecimal():
            return int(reference) if 1 <= int(reference) <= self.count else None
        names = [group.name for group in self._groups]
        return names.index(reference) + 1 if reference in names else None

    def text(self, used: frozenset[int] = frozenset(), prefix: str = "g") -> str:
        """In Python's syntax; group `n` of `used` is called `{prefix}n`, the others capture nothing.

        Raises NotTranslatable when that is more than a policy takes.
        """
        pieces = list(self._pieces)
        for number, group in enumerate(self._groups, 1):
            pieces[group.piece] = f"(?P<{prefix}{number}>" if number in used else "(?:"
        text = ("(?i)" if self.ignore_case else "") + "".join(pieces)
        try:
            regex.compile(text)
        except regex.RegexError as error:
            raise NotTranslatable(
                f"`{self.source}` is more than `matches()` takes: {error.message}"
            ) from None
        return text

    def _scan(self) -> None:
        text, at = self.source, 0
        if text.startswith("(?i)"):
            self.ignore_case, at = True, 4
        while at < len(text):
            char = text[at]
            if char == "\\":
                at = self._escape(at)
            elif char == "[":
                at = self._class(at)
            elif char == "(":
                at = self._open(at)
            elif found := _QUANTIFIER.match(text, at):
                at = self._quantifier(found)
            else:
                # A brace that is no quantifier is text to PCRE; `{,2}` would be one to Python.
                self._pieces.append("\\" + char if char in "{}]" else char)
                at += 1

    def _quantifier(self, found: re.Match[str]) -> int:
        """The offset after a quantifier with the `?` that makes it lazy."""
        end = found.end()
        after = self.source[end : end + 1]
        if after == "+":
            raise NotTranslatable(f"`{found[0]}+` is possessive, which an automaton is not")
        lazy = "?" if after == "?" else ""
        self._pieces.append(found[0] + lazy)
        return end + len(lazy)

    def _escape(self, at: int) -> int:
        char = self.source[at + 1 : at + 2]
        hexadecimal = _HEXADECIMAL.match(self.source, at + 1)
        if hexadecimal:
            self._pieces.append("\\" + hexadecimal[0])
            return hexadecimal.end()
        if char in ("z", "Z"):
            self._pieces.append(r"\Z")
        elif char in _SAME_ESCAPES or (char and not char.isalnum()):
            self._pieces.append("\\" + char if char in _SAME_ESCAPES else re.escape(char))
        elif char.isdecimal():
            raise NotTranslatable(f"`\\{char}` refers back to a group, which an automaton cannot")
        else:
            raise NotTranslatable(f"`\\{char}` has no counterpart in regular expressions of a policy")
        return at + 2

    def _class(self, at: int) -> int:
        """A class in brackets; those of POSIX become ranges."""
        text, start = self.source, at
        at += 2 if text.startswith("^", at + 1) else 1
        body = ["[^" if at - start == 2 else "["]
        first = True
        while True:
            if at >= len(text):
                raise NotTranslatable("a `[` is never closed")
            posix = _POSIX_CLASS.match(text, at)
            char = text[at]
            if posix:
                if posix[1] or posix[2] not in _POSIX:
                    raise NotTranslatable(
                        f"`{posix[0]}` has no counterpart in regular expressions of a policy"
                    )
                body.append(_POSIX[posix[2]])
                at = posix.end()
            elif char == "]" and not first:
                self._pieces.append("".join(body) + "]")
                return at + 1
            elif char == "\\":
                hexadecimal = _HEXADECIMAL.match(text, at + 1)
                following = text[at + 1 : at + 2]
                if not hexadecimal and following.isalnum() and following not in "dDwWsStnrfv":
                    raise NotTranslatable(f"`\\{following}` in `[…]` has no counterpart")
                end = hexadecimal.end() if hexadecimal else at + 2
                body.append(text[at:end])
                at = end
            else:
                if not char.isascii():
                    raise NotTranslatable(f"`{char}` in `[…]` is more than one byte")
                body.append("\\" + char if char in "[]&~|" else char)
                at += 1
            first = False

    def _open(self, at: int) -> int:
        text = self.source
        named = _NAMED_GROUP.match(text, at)
        if named or not text.startswith(("(?", "(*"), at):
            self._groups.append(_Group(len(self._pieces), named[1] or named[2] if named else None))
            self._pieces.append("(")
            return named.end() if named else at + 1
        for opening in ("(?:", "(?i:"):
            if text.startswith(opening, at):
                self._pieces.append(opening)
                return at + len(opening)
        what = text[at : at + 4]
        if what.startswith(("(?=", "(?!", "(?<")):
            raise NotTranslatable(f"`{what[:3]}` looks around, which an automaton cannot")
        raise NotTranslatable(f"`{what[:3]}` has no counterpart in regular expressions of a policy")


@dataclass(frozen=True, slots=True)
class PathShape:
    """What a simple pattern fits: the path itself (`exact`), also with a `/` after it, or all beginnings.

    `captures`: group 1 is what follows.
    """

    path: str
    exact: bool
    also_slash: bool = False
    captures: bool = False


_TAILS = {
    "$": PathShape("", exact=True),
    "/?$": PathShape("", exact=True, also_slash=True),
    "": PathShape("", exact=False),
    ".*": PathShape("", exact=False),
    ".*$": PathShape("", exact=False),
    "(.*)": PathShape("", exact=False, captures=True),
    "(.*)$": PathShape("", exact=False, captures=True),
}


def shape(pattern: Pattern) -> PathShape | None:
    """The paths that the pattern fits, when it is one path or one beginning."""
    source = pattern.source
    if pattern.ignore_case or not source.startswith("^"):
        return None
    for tail in sorted(_TAILS, key=len, reverse=True):
        head = source[1 : len(source) - len(tail)]
        if not source.endswith(tail) or not head.startswith("/") or not _LITERAL.fullmatch(head):
            continue
        found = _TAILS[tail]
        path = _ESCAPED.sub(r"\1", head)
        return PathShape(path, exact=found.exact, also_slash=found.also_slash, captures=found.captures)
    return None
