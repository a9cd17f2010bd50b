"""nginx's `map $uri $new { … }` blocks: tables of redirects (ngx_http_map_module). Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from luagen.imports import quoting
from luagen.imports.nginx_syntax import Directive
from luagen.imports.regex import PathShape, Pattern
from luagen.imports.result import Item, Note, NotTranslatable, Origin, Untranslated, decoded_path

_SOURCES = ("uri", "document_uri", "request_uri", "host", "http_host")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEntry:
    """When the variable has `value`: for one path, for paths that a pattern fits, or under conditions."""

    origin: Origin
    place: PathShape | Pattern | None
    conditions: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Map:
    """A block: its entries in the order in which nginx tries them, after the remarks about it."""

    origin: Origin
    remarks: tuple[Item, ...]
    entries: tuple[MapEntry, ...]
    leads: bool  # whether the values look like targets: only then it is about redirects


def read(directive: Directive) -> tuple[str, Map] | None:
    """The name of the block's variable and the block, or None when it is not the form of a map."""
    if len(directive.args) != 2 or not all(word.startswith("$") for word in directive.args):
        return None
    source, name = (word[1:].strip("{}") for word in directive.args)
    remarks: list[Item] = []
    exact: list[MapEntry] = []
    patterns: list[MapEntry] = []
    values = [entry.args[0] for entry in directive.block or () if len(entry.args) == 1]
    leads = any(value.startswith(("/", "http://", "https://")) for value in values)
    for entry in directive.block or ():
        try:
            found = _entry(source, entry)
        except NotTranslatable as error:
            remarks.append(Untranslated(entry.origin, str(error)))
            continue
        if found is not None:
            (patterns if isinstance(found.place, Pattern) else exact).append(found)
    if exact and source not in ("host", "http_host"):
        text = "nginx ignores case in these paths; the policy takes them as they are written"
        remarks.append(Note(directive.origin, text))
    return name, Map(directive.origin, tuple(remarks), (*exact, *patterns), leads)


def referenced(text: str, maps: Mapping[str, Map]) -> str | None:
    """The variable of a map that stands in the text. Raises NotTranslatable when there are several."""
    names = {name for name in _REFERENCE.findall(text) if name in maps}
    if len(names) > 1:
        raise NotTranslatable("the target has variables of several maps")
    return next(iter(names), None)


def _entry(source: str, entry: Directive) -> MapEntry | None:
    key = entry.name
    if key == "include":
        raise NotTranslatable("the included file was not read: import it as a map of its own")
    if key in ("hostnames", "volatile"):
        if key == "hostnames":
            raise NotTranslatable("maps with names of hosts as masks have no counterpart")
        return None
    if len(entry.args) != 1 or entry.block is not None:
        raise NotTranslatable("this is no entry of a map")
    value = entry.args[0]
    if key == "default":
        if value in ("", "0"):
            return None
        raise NotTranslatable(
            "with a default the variable is never empty, so every request would be redirected"
        )
    if value in ("", "0"):
        raise NotTranslatable("an entry that takes a path out of the map has no counterpart")
    if source not in _SOURCES:
        raise NotTranslatable(f"maps of `${source}` have no counterpart")
    key = key[1:] if key.startswith("\\") else key
    if source in ("host", "http_host"):
        if key.startswith("~"):
            raise NotTranslatable("maps with patterns for hosts have no counterpart")
        return MapEntry(
            origin=entry.origin,
            place=None,
            conditions=(f"request.host == {quoting.constant(key.lower())}",),
            value=value,
        )
    if key.startswith("~"):
        if source == "request_uri":
            raise NotTranslatable("a pattern for `$request_uri` sees the query string too")
        ignore_case = key.startswith("~*")
        pattern = Pattern(key[2:] if ignore_case else key[1:], ignore_case=ignore_case)
        return MapEntry(origin=entry.origin, place=pattern, conditions=(), value=value)
    conditions: tuple[str, ...] = ()
    if source == "request_uri":
        key, _, query = key.partition("?")
        conditions = (f"request.query == {quoting.constant(query)}",)
        key = decoded_path(key)
    if not key.startswith("/"):
        raise NotTranslatable("the path does not begin with `/`")
    return MapEntry(origin=entry.origin, place=PathShape(key, exact=True), conditions=conditions, value=value)
