"""The order in which a request meets the rules, as the runtime's `dispatch.lua` takes it: sites and indexes.

Small programs without sites need none: trying all their rules is what the gate does anyway. What grows with
the policy is one string with lines that the runtime splits when it is loaded: no limit of Lua's is met.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from luagen import dispatch, ir
from luagen.lua import literals
from luagen.lua.literals import LuaCode

# The names that the runtime reads the fields of an index by.
_FIELDS = {
    ir.RequestField.PATH: "path",
    ir.RequestField.HOST: "host_name",
    ir.RequestField.METHOD: "method",
}


def plan(program: ir.Program) -> tuple[LuaCode, ...]:
    """The arguments of `gate.dispatch`; none when the gate is to try all rules in order."""
    index = dispatch.index(program.shared)
    if index is None and not program.sites:
        return ()
    shared = {"last": literals.integer(len(program.shared))}
    if index is not None:
        shared["index"] = _index(index, "  ")
    parts = literals.record(shared)
    return (parts, _sites(program)) if program.sites else (parts,)


def _sites(program: ir.Program) -> LuaCode:
    blocks = [f"{site.first} {site.last} {'pass' if site.lets_through else 'deny'}" for site in program.sites]
    hosts = [b"%d %s" % (number, host) for number, site in enumerate(program.sites, 1) for host in site.hosts]
    indexes = {
        number: _index(index, "    ")
        for number, site in enumerate(program.sites, 1)
        if (index := dispatch.index(program.rules_of(site))) is not None
    }
    entries = "".join(f"    [{number}] = {code},\n" for number, code in indexes.items())
    return literals.record(
        {
            "blocks": literals.lines(line.encode() for line in blocks),
            "hosts": literals.lines(hosts),
            "indexes": LuaCode("{\n" + entries + "  }" if entries else "{}"),
        }
    )


def _index(index: dispatch.Index, indent: str) -> LuaCode:
    inner = indent + "  "
    fields = {"always": literals.string(" ".join(map(str, index.always)))}
    for field, places in groupby(index.found, key=lambda place: place[0]):
        found = {
            where.value: literals.lines(_entries(index.found[field, where].items())) for _, where in places
        }
        fields[_FIELDS[field]] = literals.record(found, indent=inner)
    return literals.record(fields, indent=indent)


def _entries(found: Iterable[tuple[bytes, tuple[int, ...]]]) -> Iterable[bytes]:
    return (",".join(map(str, numbers)).encode() + b" " + text for text, numbers in found)
