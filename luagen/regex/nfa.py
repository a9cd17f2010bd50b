"""The tree to a nondeterministic automaton whose paths are ordered as CPython's `re` tries them."""

from __future__ import annotations

from dataclasses import dataclass

from luagen.regex.error import RegexError
from luagen.regex.limits import MAX_NODES
from luagen.regex.parser import Parsed
from luagen.regex.tree import (
    Alternatives,
    Assertion,
    ByteSet,
    Expression,
    NamedGroup,
    OneByte,
    Place,
    Repeat,
    Sequence,
    may_be_empty,
)


@dataclass(frozen=True, slots=True)
class Byte:
    """Takes one byte of a set."""

    accepts: ByteSet
    to: int


@dataclass(frozen=True, slots=True)
class Fork:
    """Two ways, the first one preferred."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Remembers the place: tag 2n is where named group n begins, 2n + 1 where it ends."""

    tag: int
    to: int


@dataclass(frozen=True, slots=True)
class Require:
    """Goes on where an assertion holds."""

    assertion: Assertion
    to: int


@dataclass(frozen=True, slots=True)
class Begin:
    """An optional iteration of loop `loop` begins here."""

    loop: int
    to: int


@dataclass(frozen=True, slots=True)
class Finish:
    """An iteration is over. One that began at this very place has taken nothing: the loop ends (`last_ptr` in
    CPython's Modules/_sre/sre_lib.h, MAX_UNTIL and MIN_UNTIL)."""

    loop: int
    progressed: int
    stuck: int


@dataclass(frozen=True, slots=True)
class Match:
    """The whole pattern has matched."""


Node = Byte | Fork | Mark | Require | Begin | Finish | Match


@dataclass(frozen=True, slots=True)
class Nfa:
    nodes: tuple[Node, ...]
    start: int
    tags: int


def build(parsed: Parsed) -> Nfa:
    """The automaton of a parsed pattern. Raises RegexError when repetitions written out are too many."""
    builder = _Builder(parsed.length)
    match = builder.add(Match())
    start = builder.build(parsed.expression, match)
    return Nfa(tuple(builder.nodes), start, 2 * len(parsed.groups))


def live_tags(nfa: Nfa) -> tuple[int, ...]:
    """For each node the tags, as bits, whose value still counts: those not set anew on every way to a match.

    A group's old end does not count inside the group, say; otherwise repeated groups would make many more
    states.
    """
    live = [0] * len(nfa.nodes)
    changed = True
    while changed:
        changed = False
        # Nodes are built from the end: nearly always the ones that follow come first.
        for number, node in enumerate(nfa.nodes):
            match node:
                case Match():
                    found = (1 << nfa.tags) - 1
                case Mark(tag, to):
                    found = live[to] & ~(1 << tag)
                case Fork(first, second) | Finish(_, first, second):
                    found = live[first] | live[second]
                case Byte(_, to) | Require(_, to) | Begin(_, to):
                    found = live[to]
            if found != live[number]:
                live[number] = found
                changed = True
    return tuple(live)


class _Builder:
    """Builds from the end: every method takes the node that follows and returns the one to enter by."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._loops = 0
        self.nodes: list[Node] = []

    def add(self, node: Node) -> int:
        if len(self.nodes) == MAX_NODES:
            raise RegexError(
                f"the pattern has more than {MAX_NODES:,} parts, repetitions written out",
                0,
                self._length,
                "repeat less often: `{m,n}` inside `{m,n}` multiplies",
            )
        self.nodes.append(node)
        return len(self.nodes) - 1

    def build(self, expression: Expression, to: int) -> int:
        match expression:
            case OneByte(accepts):
                return self.add(Byte(accepts, to))
            case Place(assertion):
                return self.add(Require(assertion, to))
            case Sequence(parts):
                for part in reversed(parts):
                    to = self.build(part, to)
                return to
            case Alternatives(choices):
                *firsts, last = choices
                entry = self.build(last, to)
                for choice in reversed(firsts):
                    entry = self.add(Fork(self.build(choice, to), entry))
                return entry
            case NamedGroup(index, body):
                return self.add(Mark(2 * index, self.build(body, self.add(Mark(2 * index + 1, to)))))
            case Repeat():
                return self._repeat(expression, to)

    def _repeat(self, repeat: Repeat, to: int) -> int:
        required = repeat.least
        if repeat.most is None:
            again = self.add(Match())  # its place is needed now, what it is comes below
            enter, body = self._iteration(repeat.body, again, to)
            self.nodes[again] = self._choice(repeat, enter, to)
            # The last required iteration is the loop's own body, entered without `Begin`: it may be empty.
            entry = body if required else again
            required = max(required - 1, 0)
        else:
            entry = to
            for _ in range(repeat.most - repeat.least):
                entry = self.add(self._choice(repeat, self._iteration(repeat.body, entry, to)[0], to))
        for _ in range(required):
            before, entry = entry, self.build(repeat.body, entry)
            if entry == before:
                break  # the body is nothing at all, however often
        return entry

    def _choice(self, repeat: Repeat, again: int, done: int) -> Fork:
        return Fork(done, again) if repeat.lazy else Fork(again, done)

    def _iteration(self, body: Expression, again: int, done: int) -> tuple[int, int]:
        """Where an optional iteration is entered, and where its body is."""
        if not may_be_empty(body):
            entry = self.build(body, again)
            return entry, entry
        loop = self._loops
        self._loops += 1
        inner = self.build(body, self.add(Finish(loop, again, done)))
        return self.add(Begin(loop, inner)), inner
