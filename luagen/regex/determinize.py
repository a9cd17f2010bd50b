"""The nondeterministic automaton to a deterministic one.

Without tags: sets of nodes (the powerset construction); the first match anywhere is enough. With tags: lists
of threads, best first, as in a Pike machine, each with the registers that hold its tags (V. Laurikari, "NFAs
with Tagged Transitions", 2000); registers are renamed by first use, so that equal lists are one state.

A state sees the byte ahead before it passes an assertion, so that it knows both sides of the place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from luagen.regex.closure import Closure, Kind, Reached
from luagen.regex.error import RegexError
from luagen.regex.limits import MAX_STATES, MAX_STEPS, TOO_LARGE_HELP
from luagen.regex.nfa import Byte, Match, Nfa, live_tags
from luagen.regex.tree import ByteSet

Value = int | None  # of a tag: a register, HERE, or None when it was not set
HERE = -1

DEAD = -1  # in place of a state: nothing that follows can change the result


@dataclass(frozen=True, slots=True)
class Edge:
    """What one byte class, or the end of the text, does.

    `result`: when a match is found here, the values of its tags. `moves`: for each register of the next state
    the one, or HERE, that it gets its value from; all at once, after the result was taken.
    """

    to: int
    result: tuple[Value, ...] | None = None
    moves: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Dfa:
    """State 0 is the start. An edge for each byte class and, last, one for the end of the text."""

    byte_classes: tuple[ByteSet, ...]
    states: tuple[tuple[Edge, ...], ...]


class _Thread(NamedTuple):  # hashed a million times, which takes a dataclass several times as long
    node: int
    last: bool  # only the end of the text may follow
    values: tuple[Value, ...]


class _State(NamedTuple):
    threads: tuple[_Thread, ...]
    searching: bool  # no match yet: one may begin here, after all threads
    before: Kind


def determinize(nfa: Nfa, length: int) -> Dfa:
    """Raises RegexError, for all of a pattern of that length, when the states, or the steps to build them,
    are too many."""
    return _Determinizer(nfa, length).run()


class _Determinizer:
    def __init__(self, nfa: Nfa, length: int) -> None:
        self._nfa = nfa
        self._length = length
        self._closure = Closure(nfa, self._spend)
        self._live = live_tags(nfa)
        self._steps = 0
        self._kinds = self._closure.kinds()
        self._byte_classes = _byte_classes(nfa, self._kinds)
        self._index: dict[_State, int] = {}
        self._states: list[_State] = []
        # Behind the first byte a pattern that is anchored at the start begins no match.
        befores = {self._closure.before(kind) for kind in self._kinds}
        self._restarts = any(
            self._closure.reach(nfa.start, before, after)
            for before in befores
            for after in (*self._kinds, Kind.NOTHING)
        )

    def run(self) -> Dfa:
        self._number(_State((), True, self._closure.before(Kind.NOTHING)))
        rows: list[tuple[Edge, ...]] = []
        while len(rows) < len(self._states):
            rows.append(tuple(self._edges(self._states[len(rows)])))
        return Dfa(tuple(members for _, members in self._byte_classes), _cut_dead_ends(rows))

    def _number(self, state: _State) -> int:
        if not state.threads and not state.searching:
            return DEAD
        if state not in self._index:
            if len(self._states) == MAX_STATES:
                raise self._too_large(f"has more than {MAX_STATES:,} states")
            self._index[state] = len(self._states)
            self._states.append(state)
        return self._index[state]

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise self._too_large(f"takes more than {MAX_STEPS:,} steps to build")

    def _too_large(self, what: str) -> RegexError:
        return RegexError(f"the automaton of this pattern {what}", 0, self._length, TOO_LARGE_HELP)

    def _edges(self, state: _State) -> Iterator[Edge]:
        reached = {kind: list(self._reach(state, kind)) for kind in self._kinds}
        for kind, members in self._byte_classes:
            self._spend(1 + len(reached[kind]))
            yield self._edge(state, reached[kind], kind, min(members))
        yield self._edge(state, list(self._reach(state, Kind.NOTHING)), Kind.NOTHING, None)

    def _reach(self, state: _State, after: Kind) -> Iterator[tuple[Reached, tuple[Value, ...]]]:
        """Everything reached at the next place, best first, with the values of its tags."""
        at_end = after is Kind.NOTHING
        ways = [(thread.node, thread.values) for thread in state.threads if at_end or not thread.last]
        if state.searching:
            ways.append((self._nfa.start, (None,) * self._nfa.tags))
        seen: set[tuple[int, bool]] = set()
        for start, values in ways:
            found = self._closure.reach(start, state.before, after)
            self._spend(len(found))
            for reached in found:
                if (reached.node, reached.last) in seen or (reached.node, False) in seen:
                    continue
                seen.add((reached.node, reached.last))
                yield reached, _passed(values, reached.tags)

    def _edge(
        self, state: _State, reached: list[tuple[Reached, tuple[Value, ...]]], kind: Kind, byte: int | None
    ) -> Edge:
        threads: dict[tuple[int, bool], _Thread] = {}
        result: tuple[Value, ...] | None = None
        for found, values in reached:
            node = self._nfa.nodes[found.node]
            if isinstance(node, Match) and not found.last:
                result = values
                break  # the threads behind it are worse
            if byte is None:
                continue
            if isinstance(node, Match):
                _add(threads, self._thread(found.node, True, values))
            elif isinstance(node, Byte) and byte in node.accepts:
                _add(threads, self._thread(node.to, found.last, values))
        if byte is None or (result is not None and not self._nfa.tags):
            return Edge(DEAD, result)
        kept = list(threads.values())
        if not self._nfa.tags:
            kept.sort(key=lambda thread: (thread.node, thread.last))
        moves: dict[int, int] = {}
        renamed = tuple(
            _Thread(thread.node, thread.last, tuple(_rename(value, moves) for value in thread.values))
            for thread in kept
        )
        searching = state.searching and result is None and self._restarts
        to = self._number(_State(renamed, searching, self._closure.before(kind)))
        return Edge(to, result, tuple(moves))

    def _thread(self, node: int, last: bool, values: tuple[Value, ...]) -> _Thread:
        live = self._live[node]
        return _Thread(
            node, last, tuple(value if live >> tag & 1 else None for tag, value in enumerate(values))
        )


def _add(threads: dict[tuple[int, bool], _Thread], thread: _Thread) -> None:
    """Adds a thread unless a better one is in the same place."""
    if (thread.node, False) not in threads:
        threads.setdefault((thread.node, thread.last), thread)


def _passed(values: tuple[Value, ...], tags: int) -> tuple[Value, ...]:
    """The values after a way that sets these tags."""
    if not tags:
        return values
    return tuple(HERE if tags >> tag & 1 else value for tag, value in enumerate(values))


def _rename(value: Value, moves: dict[int, int]) -> Value:
    return None if value is None else moves.setdefault(value, len(moves))


def _byte_classes(nfa: Nfa, kinds: Mapping[Kind, ByteSet]) -> tuple[tuple[Kind, ByteSet], ...]:
    """The bytes in groups that no node and no assertion tells apart, in the order of their first byte."""
    accepting = [0] * 256  # for each byte the sets that it is in, as bits
    for number, accepts in enumerate({node.accepts for node in nfa.nodes if isinstance(node, Byte)}):
        for byte in accepts:
            accepting[byte] |= 1 << number
    kind_of = {byte: kind for kind, members in kinds.items() for byte in members}
    groups: dict[tuple[Kind, int], set[int]] = {}
    for byte in range(256):
        groups.setdefault((kind_of[byte], accepting[byte]), set()).add(byte)
    return tuple((kind, frozenset(members)) for (kind, _), members in groups.items())


def _cut_dead_ends(rows: list[tuple[Edge, ...]]) -> tuple[tuple[Edge, ...], ...]:
    """The rows with DEAD in place of every state from which no match can be reached."""
    sources: dict[int, set[int]] = {}
    for number, row in enumerate(rows):
        for edge in row:
            sources.setdefault(edge.to, set()).add(number)
    pending = [number for number, row in enumerate(rows) if any(edge.result is not None for edge in row)]
    alive = set(pending)
    while pending:
        for source in sources.get(pending.pop(), set()) - alive:
            alive.add(source)
            pending.append(source)
    return tuple(tuple(edge if edge.to in alive else Edge(DEAD, edge.result) for edge in row) for row in rows)
