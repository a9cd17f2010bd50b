"""The text of an nginx configuration to its directives, as ngx_conf_file.c reads it. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from luagen.imports.result import Origin

MAX_DEPTH = 50
_UNESCAPED = {'"': '"', "'": "'", "\\": "\\", "t": "\t", "r": "\r", "n": "\n"}
_BLANKS = re.compile(r"(?:\s|#[^\n]*)+")


@dataclass(frozen=True, slots=True)
class Directive:
    """`name args;` or `name args { block }`."""

    name: str
    args: tuple[str, ...]
    block: tuple[Directive, ...] | None
    line: int

    @property
    def origin(self) -> Origin:
        words = " ".join((self.name, *self.args))
        return Origin(self.line, words + (";" if self.block is None else " { … }"))


class SyntaxProblem(Exception):
    """The text is no nginx configuration; `line` says where."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def parse(text: str) -> tuple[Directive, ...]:
    """The directives of the file. Raises SyntaxProblem."""
    tokens = list(_tokens(text))
    found, at = _block(tokens, 0, 0)
    if at < len(tokens):
        raise SyntaxProblem("a `}` closes nothing", tokens[at].line)
    return found


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    is_word: bool  # otherwise `;`, `{` or `}`
    line: int


def _block(tokens: list[_Token], at: int, depth: int) -> tuple[tuple[Directive, ...], int]:
    if depth > MAX_DEPTH:
        raise SyntaxProblem(f"blocks are nested more than {MAX_DEPTH} levels deep", tokens[at].line)
    found: list[Directive] = []
    while at < len(tokens):
        start = at
        while at < len(tokens) and tokens[at].is_word:
            at += 1
        words = [token.text for token in tokens[start:at]]
        if at == len(tokens):
            raise SyntaxProblem("a `;` is missing at the end", tokens[-1].line)
        end = tokens[at]
        if not words:
            if end.text == "}":
                return tuple(found), at
            raise SyntaxProblem(f"`{end.text}` stands without a directive", end.line)
        if end.text == "}":
            raise SyntaxProblem("a `;` is missing before `}`", end.line)
        at += 1
        block: tuple[Directive, ...] | None = None
        if end.text == "{":
            block, at = _block(tokens, at, depth + 1)
            if at == len(tokens):
                raise SyntaxProblem("a `{` is never closed", end.line)
            at += 1
        found.append(Directive(words[0], tuple(words[1:]), block, tokens[start].line))
    return tuple(found), at


def _tokens(text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        blanks = _BLANKS.match(text, at)
        if blanks:
            line += blanks[0].count("\n")
            at = blanks.end()
            continue
        char = text[at]
        if char in ";{}":
            yield _Token(char, False, line)
            at += 1
        elif char in "\"'":
            end = _closing(text, at, line)
            yield _Token(_unescaped(text[at + 1 : end]), True, line)
            line += text.count("\n", at, end)
            at = end + 1
        else:
            end = _word_end(text, at)
            yield _Token(_unescaped(text[at:end]), True, line)
            line += text.count("\n", at, end)
            at = end


def _closing(text: str, at: int, line: int) -> int:
    quote, end = text[at], at + 1
    while end < len(text):
        if text[end] == quote:
            return end
        end += 2 if text[end] == "\\" else 1
    raise SyntaxProblem(f"a `{quote}` is never closed", line)


def _word_end(text: str, at: int) -> int:
    """Where a word without quotes ends: at a blank, `;` or `{`, unless that is the one of `${name}`."""
    while at < len(text) and not text[at].isspace() and text[at] != ";":
        if text[at] == "\\":
            at += 1
        elif text.startswith("${", at):
            at = max(at, text.find("}", at))
        elif text[at] == "{":
            break
        at += 1
    return min(at, len(text))


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\([\"'\\trn])", lambda found: _UNESCAPED[found[1]], text)
