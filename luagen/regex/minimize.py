"""Merges states that do the same for every text, and byte classes that every state treats alike.

J. Hopcroft, "An n log n algorithm for minimizing states in a finite automaton", 1971.

Works on plain tables: what an edge does is a number, and state 0 is the sink that does nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass

SINK = 0


@dataclass(frozen=True, slots=True)
class Table:
    """`targets[state][column]` and `actions[state][column]`; state 0 is the sink, state 1 the start.

    There is a column for each byte class and, last, one for the end of the text.
    """

    targets: tuple[tuple[int, ...], ...]
    actions: tuple[tuple[int, ...], ...]


def merge_states(table: Table) -> Table:
    """The smallest table that does the same; states are numbered as they are first reached from the start."""
    block_of = _partition(table)
    first: dict[int, int] = {}  # a state that stands for its block
    for state, block in enumerate(block_of):
        first.setdefault(block, state)
    # The sink keeps its number; so does the start, even when it does nothing and is in the sink's block.
    order = [SINK, 1]
    number = {block_of[1]: 1}
    number[block_of[SINK]] = SINK
    for state in order:
        for target in table.targets[state]:
            block = block_of[target]
            if block not in number:
                number[block] = len(order)
                order.append(first[block])
    return Table(
        tuple(tuple(number[block_of[target]] for target in table.targets[state]) for state in order),
        tuple(table.actions[state] for state in order),
    )


def merge_columns(table: Table) -> tuple[Table, tuple[int, ...]]:
    """The table without columns that equal an earlier one, and for each old byte class its new one."""
    width = len(table.targets[SINK]) - 1
    columns: dict[tuple[tuple[int, int], ...], int] = {}
    kept: list[int] = []
    classes = []
    for column in range(width):
        content = tuple(
            (targets[column], actions[column])
            for targets, actions in zip(table.targets, table.actions, strict=True)
        )
        if content not in columns:
            columns[content] = len(kept)
            kept.append(column)
        classes.append(columns[content])
    kept.append(width)

    def pick(rows: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(row[column] for column in kept) for row in rows)

    return Table(pick(table.targets), pick(table.actions)), tuple(classes)


def _partition(table: Table) -> list[int]:
    """For each state the block of states that it may be merged with."""
    width = len(table.targets[SINK])
    sources: list[dict[int, list[int]]] = [{} for _ in range(width)]
    for state, targets in enumerate(table.targets):
        for column, target in enumerate(targets):
            sources[column].setdefault(target, []).append(state)

    by_actions: dict[tuple[int, ...], set[int]] = {}
    for state, actions in enumerate(table.actions):
        by_actions.setdefault(actions, set()).add(state)
    blocks = list(by_actions.values())
    block_of = [0] * len(table.targets)
    for number, block in enumerate(blocks):
        for state in block:
            block_of[state] = number

    pending = set(range(len(blocks)))
    while pending:
        splitter = tuple(blocks[number := min(pending)])
        pending.discard(number)
        for column in range(width):
            leading: dict[int, set[int]] = {}  # by block, the states that the column leads into the splitter
            for target in splitter:
                for state in sources[column].get(target, ()):
                    leading.setdefault(block_of[state], set()).add(state)
            for old, inside in leading.items():
                outside = blocks[old] - inside
                if not outside:
                    continue
                new = len(blocks)
                smaller, larger = sorted((inside, outside), key=len)
                blocks[old] = larger
                blocks.append(smaller)
                for state in smaller:
                    block_of[state] = new
                # When the old block is still pending both parts are; otherwise the smaller one is enough.
                pending.add(new)
    return block_of
