"""A pattern to its automaton: all stages, and the tables and programs that the last one needs."""

from __future__ import annotations

from functools import lru_cache

from luagen.regex.automaton import FIRST_RESULT, MATCH, MATCHED, PLACE, UNSET, Automaton, Program
from luagen.regex.closure import looks_back
from luagen.regex.determinize import DEAD, HERE, Dfa, Edge, Value, determinize
from luagen.regex.error import RegexError
from luagen.regex.limits import MAX_CELLS, TOO_LARGE_HELP
from luagen.regex.minimize import SINK, Table, merge_columns, merge_states
from luagen.regex.nfa import Byte, Mark, Nfa, build
from luagen.regex.parser import Parsed, parse

_MAX_PREFIX = 32  # bytes; Lua's plain search compares up to all of them at every place of the text
_MAX_KNOWN = 10_000  # automata that are kept from the check of a policy until it is written


def compile(pattern: str) -> Automaton:
    """The automaton of a pattern. Raises RegexError for what is wrong, cannot be compiled or is too large."""
    return compiled(parse(pattern))


@lru_cache(maxsize=_MAX_KNOWN)
def compiled(parsed: Parsed) -> Automaton:
    """The automaton of a parsed pattern. Raises RegexError when it is too large."""
    nfa = build(parsed)
    dfa = determinize(nfa, parsed.length)
    programs = _Programs(nfa.tags)
    table, merged = merge_columns(merge_states(_table(dfa, nfa, programs)))
    cells = sum(len(row) for row in table.targets)
    if cells > MAX_CELLS:
        raise RegexError(
            f"the automaton of this pattern has {cells:,} table entries, the most are {MAX_CELLS:,}",
            0,
            parsed.length,
            TOO_LARGE_HELP,
        )
    classes = bytearray(256)
    for members, column in zip(dfa.byte_classes, merged, strict=True):
        for byte in members:
            classes[byte] = column
    return Automaton(
        groups=parsed.groups,
        prefix=_prefix(nfa),
        classes=bytes(classes),
        targets=tuple(row[:-1] for row in table.targets),
        actions=table.actions,
        programs=programs.all(),
    )


def _prefix(nfa: Nfa) -> bytes:
    """What every match begins with; empty when an assertion looks at what stands before."""
    if looks_back(nfa):
        return b""
    found = bytearray()
    at = nfa.start
    while len(found) < _MAX_PREFIX:
        match nfa.nodes[at]:
            case Mark(_, to):
                at = to
            case Byte(accepts, to) if len(accepts) == 1:
                found += bytes(accepts)
                at = to
            case _:
                break
    return bytes(found)


def _table(dfa: Dfa, nfa: Nfa, programs: _Programs) -> Table:
    width = len(dfa.byte_classes) + 1
    targets = [(SINK,) * width]
    actions = [(0,) * width]
    # Without named groups a state that matches whatever follows need not be entered: to reach it is enough.
    certain = (
        {number for number, row in enumerate(dfa.states) if all(edge.result is not None for edge in row)}
        if not nfa.tags
        else set()
    )
    found = Edge(DEAD, ())
    for state in dfa.states:
        row = tuple(found if edge.to in certain else edge for edge in state)
        targets.append(tuple(SINK if edge.to == DEAD else edge.to + 1 for edge in row))
        actions.append(tuple(programs.number(edge) for edge in row))
    return Table(tuple(targets), tuple(actions))


class _Programs:
    """Numbers for what edges do, equal ones once."""

    def __init__(self, tags: int) -> None:
        self._tags = tags
        self._first_register = FIRST_RESULT + tags
        self._numbers: dict[Program, int] = {}

    def all(self) -> tuple[Program, ...]:
        return tuple(self._numbers)

    def number(self, edge: Edge) -> int:
        if not self._tags:
            return 0 if edge.result is None else MATCH
        program = self._result(edge.result) + self._assignments(edge.moves)
        return self._numbers.setdefault(program, len(self._numbers) + 1) if program else 0

    def _register(self, value: Value) -> int:
        if value is None:
            return UNSET
        return PLACE if value == HERE else self._first_register + value

    def _result(self, values: tuple[Value, ...] | None) -> Program:
        if values is None:
            return ()
        results = tuple((FIRST_RESULT + tag, self._register(value)) for tag, value in enumerate(values))
        return ((MATCHED, PLACE), *results)

    def _assignments(self, moves: tuple[int, ...]) -> Program:
        """Assignments one after the other that do what `moves` do at once."""
        pending = {
            self._register(to): self._register(source) for to, source in enumerate(moves) if to != source
        }
        spare = self._register(max((len(moves), *(source + 1 for source in moves))))
        done: list[tuple[int, int]] = []
        while pending:
            free = [to for to in pending if to not in pending.values()]
            if free:
                done += [(to, pending.pop(to)) for to in free]
                continue
            to = min(pending)  # all that is left are circles: one value steps aside
            done.append((spare, to))
            pending = {other: spare if source == to else source for other, source in pending.items()}
        return tuple(done)
