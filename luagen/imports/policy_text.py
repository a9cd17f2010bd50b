"""Items as a part of a policy, in the layout of `lightgate fmt`. Does no I/O.

Each rule has a comment with the place that it comes from; what is not translated is a comment at its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from luagen.imports import quoting
from luagen.imports.result import (
    Entry,
    Note,
    Origin,
    Refusal,
    Rule,
    Section,
    Untranslated,
)

MAX_RULE_NAME = 100  # characters; of the policy's own rules for names


@dataclass(frozen=True, slots=True)
class Import:
    """The policy's part as text, and what there is to say about it, in the order of the file."""

    text: str
    untranslated: tuple[Untranslated, ...]
    notes: tuple[Note, ...]
    redirects: int


@dataclass(slots=True)
class _Decided:
    """Paths that earlier entries have decided, with the places of those."""

    exact: dict[str, Origin] = field(default_factory=dict)
    prefixes: dict[str, Origin] = field(default_factory=dict)

    def by(self, entry: Entry) -> Origin | None:
        """The place of the entry that fits all that this one fits."""
        if not entry.is_prefix and entry.path in self.exact:
            return self.exact[entry.path]
        for end in range(len(entry.path) + 1):
            if entry.path[:end] in self.prefixes:
                return self.prefixes[entry.path[:end]]
        return None

    def add(self, entry: Entry) -> None:
        (self.prefixes if entry.is_prefix else self.exact)[entry.path] = entry.origin


@dataclass(slots=True)
class _Group:
    """Entries that stand in one table."""

    entries: list[Entry] = field(default_factory=list)
    remarks: list[list[str]] = field(default_factory=list)  # before each of the entries
    decided: _Decided = field(default_factory=_Decided)

    def takes(self, entry: Entry) -> bool:
        """Whether the entry can stand here: one table has one status for entries of one condition."""
        return not self.entries or _table_of(self.entries[0]) == _table_of(entry)

    def add(self, entry: Entry, remarks: list[str]) -> None:
        self.entries.append(entry)
        self.remarks.append(remarks)
        self.decided.add(entry)


def write(sections: list[Section], file: str) -> Import:
    """`file` is the imported file as the user named it."""
    return _Writer(file).write(sections)


def report(imported: Import, file: str) -> list[str]:
    """What there is to say about the import, a line each, in the order of the file; then the counts."""
    file = quoting.comment(file)
    said: list[tuple[int, list[str]]] = [
        (one.origin.line, [f"{file}:{one.origin.line}: note: {quoting.comment(one.text)}"])
        for one in imported.notes
    ]
    for missing in imported.untranslated:
        place = f"{file}:{missing.origin.line}: not translated"
        text = quoting.comment(missing.origin.text)
        said.append((missing.origin.line, [f"{place}: {quoting.comment(missing.reason)}", f"  {text}"]))
    counts = f"{file}: {imported.redirects} redirects, {len(imported.untranslated)} not translated"
    return [*(line for _, lines in sorted(said) for line in lines), counts]


class _Writer:
    def __init__(self, file: str) -> None:
        self._file = quoting.comment(file)
        self._untranslated: dict[Untranslated, None] = {}  # in their order, each once
        self._notes: dict[Note, None] = {}
        self._names: set[str] = set()
        self._sites: set[str] = set()  # those whose further hosts are written
        self._redirects = 0

    def write(self, sections: list[Section]) -> Import:
        blocks = [block for section in sections for block in self._section(section)]
        text = "\n".join(blocks)
        return Import(
            text,
            tuple(sorted(self._untranslated, key=lambda one: one.origin.line)),
            tuple(sorted(self._notes, key=lambda one: one.origin.line)),
            self._redirects,
        )

    def _section(self, section: Section) -> Iterator[str]:
        """Blocks of lines; each ends with a line end, and a blank line stands between them."""
        table = "rule" if section.host is None else f"site.{quoting.key(section.host)}.rule"
        yield from self._hosts(section)
        group = _Group()
        always = _Decided()  # by entries without conditions
        remarks: list[str] = []  # since the last entry: they stand before the next one, or after the table
        for item in section.items:
            match item:
                case Entry():
                    if not group.takes(item):
                        yield from self._closed(group, table, remarks)
                        group, remarks = _Group(), []
                    decided = always.by(item) or group.decided.by(item)
                    if decided is None:
                        group.add(item, remarks)
                        remarks = []
                        if not item.conditions:
                            always.add(item)
                    elif decided != item.origin:
                        note = Note(item.origin, f"never reached: line {decided.line} decides first")
                        remarks += self._remark(note)
                case Note() | Untranslated():
                    remarks += self._remark(item)
                case Rule() | Refusal():
                    yield from self._closed(group, table, remarks)
                    group, remarks = _Group(), []
                    yield self._rule(item, table)
        yield from self._closed(group, table, remarks)

    def _hosts(self, section: Section) -> Iterator[str]:
        """The table that says for which further hosts the site's rules are, before the first of them."""
        if section.host is None or not section.further_hosts or section.host in self._sites:
            return
        if any(isinstance(item, Entry | Rule | Refusal) for item in section.items):
            self._sites.add(section.host)
            hosts = ", ".join(quoting.toml(host) for host in section.further_hosts)
            yield f"[site.{quoting.key(section.host)}]\nhosts = [{hosts}]\n"

    def _closed(self, group: _Group, table: str, remarks: list[str]) -> Iterator[str]:
        """The table of the group, and the remarks that stand after it."""
        if group.entries:
            yield "".join(f"{line}\n" for line in self._table(group, table))
        if remarks:
            yield "".join(f"{line}\n" for line in remarks)

    def _table(self, group: _Group, table: str) -> Iterator[str]:
        first, last = group.entries[0], group.entries[-1]
        self._redirects += len(group.entries)
        if group.remarks[0]:
            yield from group.remarks[0]
            yield ""
        yield f"[[{table}]]"
        yield f"name = {self._name(first.origin, last.origin)}"
        if first.conditions:
            yield f"when = {quoting.toml(_all_of(first.conditions))}"
        yield from ("", f"[{table}.redirects]", f"status = {first.status}")
        if first.keep_query:
            yield "keep_query = true"
        yield from ("", f"[{table}.redirects.entries]")
        for index, (entry, before) in enumerate(zip(group.entries, group.remarks, strict=True)):
            if index:
                yield from before
            path = entry.path + ("*" if entry.is_prefix else "")
            target = entry.target + "*" if entry.with_rest else _without_star(entry.target)
            yield f"{quoting.key(path)} = {quoting.toml(target)}  # {self._file}:{entry.origin.line}"

    def _rule(self, item: Rule | Refusal, table: str) -> str:
        lines = [
            f"# {self._file}:{item.origin.line}: {quoting.comment(item.origin.text)}",
            f"[[{table}]]",
            f"name = {self._name(item.origin, item.origin)}",
        ]
        if item.conditions:
            lines.append(f"when = {quoting.toml(_all_of(item.conditions))}")
        if isinstance(item, Refusal):
            lines.append(f"respond = {{ status = {item.status} }}")
        else:
            self._redirects += 1
            query = ", keep_query = true" if item.keep_query else ""
            lines.append(f"redirect = {{ to = {quoting.toml(item.to)}, status = {item.status}{query} }}")
        return "".join(f"{line}\n" for line in lines)

    def _remark(self, item: Note | Untranslated) -> list[str]:
        """The lines of a comment, when there was no such remark yet."""
        place = f"# {self._file}:{item.origin.line}: "
        if isinstance(item, Note):
            if item in self._notes:
                return []
            self._notes[item] = None
            return [f"{place}note: {quoting.comment(item.text)}"]
        if item in self._untranslated:
            return []
        self._untranslated[item] = None
        reason = quoting.comment(item.reason)
        return [f"{place}not translated: {reason}", f"#   {quoting.comment(item.origin.text)}"]

    def _name(self, first: Origin, last: Origin) -> str:
        """A name for a rule that no other has."""
        lines = f"{first.line}" if first.line == last.line else f"{first.line}-{last.line}"
        base = f"{PurePath(self._file).name[: MAX_RULE_NAME - 40]}:{lines}"
        name, count = base, 1
        while name in self._names:
            count += 1
            name = f"{base} ({count})"
        self._names.add(name)
        return quoting.toml(name)


def _table_of(entry: Entry) -> tuple[int, bool, tuple[str, ...]]:
    return entry.status, entry.keep_query, entry.conditions


def _all_of(conditions: tuple[str, ...]) -> str:
    """One expression. Only the readers' own `or` is looser than `and`; in strings parentheses do no harm."""
    if len(conditions) == 1:
        return conditions[0]
    return " and ".join(f"({one})" if " or " in one else one for one in conditions)


def _without_star(target: str) -> str:
    """A target without a rest: a `*` at its end would stand for one."""
    return target[:-1] + "%2A" if target.endswith("*") else target
