"""A compiled regular expression: how it runs, and the form in which the Lua runtime gets it.

`Automaton.search` is the reference run: the tables of lighttpd/lua/lightgate/automaton.lua, step by step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

# Registers. Those of the results follow, two for each group, then those of the threads.
PLACE = 0  # how many bytes were taken, always up to date
UNSET = 1  # never written
MATCHED = 2  # written when a match is found
FIRST_RESULT = 3

MATCH = 1  # the one action of an automaton without named groups

Program = tuple[tuple[int, int], ...]
"""Assignments, (register, register that it gets the value of), one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automaton:
    """A deterministic automaton that finds the leftmost match of a pattern in a text, in one pass.

    Row 0 stands for the end of the search. `targets[row][class]` is the next row; `actions[row][class]`, with
    one more column for the end of the text, is what happens before: nothing (0), a match (`MATCH`) when there
    are no named groups, else the program of that number, counted from 1.
    """

    groups: tuple[str, ...]
    prefix: bytes  # every match begins with it, and what stands before a match does not matter; may be empty
    classes: bytes  # of each byte its class
    targets: tuple[tuple[int, ...], ...]
    actions: tuple[tuple[int, ...], ...]
    programs: tuple[Program, ...]

    def search(self, text: bytes) -> dict[str, bytes] | None:
        """The named groups of the leftmost match (b"" for one that took no part), None without a match."""
        registers: dict[int, int | None] = {PLACE: 0}
        row = 1
        begin = text.find(self.prefix)
        if begin < 0:
            return None
        end = len(self.targets[0])
        for place in range(begin, len(text) + 1):
            column = self.classes[text[place]] if place < len(text) else end
            action = self.actions[row][column]
            if action:
                if not self.groups:
                    return {}
                registers[PLACE] = place
                for to, source in self.programs[action - 1]:
                    registers[to] = registers.get(source)
            row = self.targets[row][column] if place < len(text) else 0
            if not row:
                break
        if MATCHED not in registers:
            return None
        found = {}
        for index, name in enumerate(self.groups):
            start = registers.get(FIRST_RESULT + 2 * index)
            stop = registers.get(FIRST_RESULT + 2 * index + 1)
            found[name] = b"" if start is None or stop is None else text[start:stop]
        return found

    def packed(self) -> bytes:
        """The whole automaton as one text of printable characters, for `automaton.new` of the Lua runtime.

        Five fields, separated by `;`: names of the groups; bytes of the prefix; classes of the bytes 0 to
        255; programs, `/` between them; rows 1, 2, …, `/` between them, each with its targets and, after `:`
        when there are any, its actions. Lists are separated by `,`; in classes, targets and actions `v*n`
        stands for n times v.
        """
        programs = (",".join(f"{to},{source}" for to, source in program) for program in self.programs)
        rows = (
            _runs(targets) + (":" + _runs(actions) if any(actions) else "")
            for targets, actions in zip(self.targets[1:], self.actions[1:], strict=True)
        )
        fields = (
            ",".join(self.groups),
            ",".join(str(byte) for byte in self.prefix),
            _runs(self.classes),
            "/".join(programs),
            "/".join(rows),
        )
        return ";".join(fields).encode("ascii")


def _runs(values: Iterable[int]) -> str:
    """A list with its repetitions counted."""
    counted = ((value, len(list(run))) for value, run in groupby(values))
    return ",".join(f"{value}*{count}" if count > 1 else str(value) for value, count in counted)
