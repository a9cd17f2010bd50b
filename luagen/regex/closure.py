"""What a nondeterministic automaton reaches at one place of a text without taking a byte.

A place is known by the byte before and the byte after it, as far as assertions tell bytes apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto

from luagen.regex.nfa import Begin, Byte, Finish, Fork, Mark, Match, Nfa, Require
from luagen.regex.tree import ALL, LOOKING_BACK, NEWLINE, WORD, Assertion, ByteSet


class Kind(IntEnum):  # a number, because it is part of every key here
    """What assertions see beside a place."""

    NOTHING = auto()  # the start or the end of the text
    NEWLINE = auto()
    WORD = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Reached:
    """A node that takes a byte, or the match.

    `last` when only a newline that ends the text may follow (`$` was passed before it). `tags` are the tags
    set on the way, as bits.
    """

    node: int
    last: bool
    tags: int


_LINES = frozenset({Assertion.LINE_START, Assertion.LINE_END, Assertion.LAST_LINE_END})
_BOUNDARIES = frozenset({Assertion.BOUNDARY, Assertion.NO_BOUNDARY})


def looks_back(nfa: Nfa) -> bool:
    """Whether it matters to the automaton what stands before a match."""
    return bool(_assertions(nfa) & LOOKING_BACK)


def _assertions(nfa: Nfa) -> set[Assertion]:
    return {node.assertion for node in nfa.nodes if isinstance(node, Require)}


class Closure:
    """Answers for one automaton, remembered; `spend` is told of every step, and may raise."""

    def __init__(self, nfa: Nfa, spend: Callable[[int], None]) -> None:
        self._nfa = nfa
        self._spend = spend
        self._known: dict[tuple[int, Kind, Kind], tuple[Reached, ...]] = {}
        used = _assertions(nfa)
        self._tells_newlines = bool(used & _LINES)
        self._tells_words = bool(used & _BOUNDARIES)
        self._looks_back = looks_back(nfa)
        self._sees_newline_before = Assertion.LINE_START in used

    def kinds(self) -> dict[Kind, ByteSet]:
        """All bytes, by their kind."""
        newline = frozenset([NEWLINE]) if self._tells_newlines else frozenset()
        word = WORD if self._tells_words else frozenset()
        found = {Kind.NEWLINE: newline, Kind.WORD: word, Kind.OTHER: ALL - newline - word}
        return {kind: members for kind, members in found.items() if members}

    def before(self, kind: Kind) -> Kind:
        """What is known, at the next place, of a byte of this kind (Kind.NOTHING at the start)."""
        if not self._looks_back or (kind is Kind.NEWLINE and not self._sees_newline_before):
            return Kind.OTHER
        return kind

    def reach(self, start: int, before: Kind, after: Kind) -> tuple[Reached, ...]:
        """What is reached from a node, preferred first. Of the ways to one node only the first is kept."""
        key = (start, before, after)
        if key not in self._known:
            self._known[key] = self._walk(start, before, after)
        return self._known[key]

    def _walk(self, start: int, before: Kind, after: Kind) -> tuple[Reached, ...]:
        found: dict[tuple[int, bool], Reached] = {}
        # A way is known by its node, the loops with an iteration that began here (as bits), and `last`; the
        # rest of the text treats two ways that agree in these alike, so that only the first one is followed.
        seen: set[tuple[int, int, bool]] = set()
        pending = [(start, 0, False, 0)]
        while pending:
            at, begun, last, tags = pending.pop()
            if (at, begun, last) in seen:
                continue
            seen.add((at, begun, last))
            self._spend(1)
            match self._nfa.nodes[at]:
                case Byte() | Match():
                    # One that may go on anywhere comes before one that may only end, and does all it does.
                    if (at, last) not in found and (at, False) not in found:
                        found[at, last] = Reached(at, last, tags)
                case Fork(first, second):
                    pending.append((second, begun, last, tags))
                    pending.append((first, begun, last, tags))
                case Mark(tag, to):
                    pending.append((to, begun, last, tags | 1 << tag))
                case Require(Assertion.LAST_LINE_END, to) if after is Kind.NEWLINE:
                    pending.append((to, begun, True, tags))
                case Require(assertion, to):
                    if _holds(assertion, before, after):
                        pending.append((to, begun, last, tags))
                case Begin(loop, to):
                    pending.append((to, begun | 1 << loop, last, tags))
                case Finish(loop, progressed, stuck):
                    bit = 1 << loop
                    pending.append((stuck if begun & bit else progressed, begun & ~bit, last, tags))
        return tuple(found.values())


def _holds(assertion: Assertion, before: Kind, after: Kind) -> bool:
    """CPython's SRE(at) in Modules/_sre/sre_lib.h."""
    match assertion:
        case Assertion.TEXT_START:
            return before is Kind.NOTHING
        case Assertion.LINE_START:
            return before in (Kind.NOTHING, Kind.NEWLINE)
        case Assertion.TEXT_END | Assertion.LAST_LINE_END:
            return after is Kind.NOTHING
        case Assertion.LINE_END:
            return after in (Kind.NOTHING, Kind.NEWLINE)
        case Assertion.BOUNDARY:
            return (before is Kind.WORD) != (after is Kind.WORD)
        case Assertion.NO_BOUNDARY:
            # In an empty text there is none: so CPython to 3.13; 3.14 finds one there.
            return (before is Kind.WORD) == (after is Kind.WORD) and not before is after is Kind.NOTHING
