"""nginx configurations and parts of them: `server` blocks, or what stands in one. Does no I/O.

`rewrite`, `return` and `if` of a server come before those of its locations. The plain names of a server are
one site, as far as no other server has only some of them; masks and patterns become conditions. What a server
listens on says whether its requests come over TLS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from luagen.imports import (
    nginx_locations,
    nginx_maps,
    nginx_others,
    nginx_statements,
    nginx_syntax,
    quoting,
    redirects,
)
from luagen.imports.nginx_maps import Map
from luagen.imports.nginx_statements import Place, Statements
from luagen.imports.nginx_syntax import Directive
from luagen.imports.regex import Pattern
from luagen.imports.result import (
    Entry,
    Item,
    Note,
    NotTranslatable,
    Origin,
    Refusal,
    Rule,
    Section,
    Untranslated,
)

_SAID_ELSEWHERE = frozenset({"server", "http", "map", "location", "server_name", "listen"})


def read(text: str) -> list[Section]:
    try:
        directives = nginx_syntax.parse(text)
    except nginx_syntax.SyntaxProblem as problem:
        lines = text.split("\n")
        origin = Origin(problem.line, lines[min(problem.line, len(lines)) - 1].strip())
        return [Section(None, [Untranslated(origin, f"the file was not read: {problem}")])]
    return _Reader(directives).sections()


class _Reader:
    def __init__(self, directives: tuple[Directive, ...]) -> None:
        inside = [one for http in directives if http.name == "http" for one in http.block or ()]
        self._directives = (*directives, *inside)
        self._remarks: list[Item] = []
        self._left_out: dict[str, Directive] = {}
        self._maps: dict[str, Map] = {}
        self._servers = [one for one in self._directives if one.name == "server" and one.block is not None]
        self._sites = _sites(self._servers)
        self._named = sorted(self._sites)
        for one in self._directives:
            self._read_map(one)
        self._statements = Statements(self._maps)

    def sections(self) -> list[Section]:
        shared = Section(None)
        sections = [shared]
        bare = [one for one in self._directives if one.name not in ("server", "http", "map")]
        shared.items += self._block(bare, Place())
        for server in self._servers:
            sections += self._server(server)
        shared.items = [*self._unused_maps(), *shared.items]
        notes: list[Item] = [*self._remarks]
        if self._left_out:
            first = min(self._left_out.values(), key=lambda one: one.line)
            names = nginx_others.left_out(self._left_out)
            notes.append(Note(first.origin, f"not about redirects, left out: {names}"))
        shared.items = [*notes, *shared.items]
        return [section for section in sections if section.items]

    def _read_map(self, directive: Directive) -> None:
        if directive.name != "map":
            return
        found = nginx_maps.read(directive)
        if found is None:
            self._remarks.append(Untranslated(directive.origin, "a map is of one variable to another"))
        else:
            self._maps[found[0]] = found[1]

    def _unused_maps(self) -> list[Item]:
        """Maps that the file does not use: their use is in another file, and can only be guessed."""
        found: list[Item] = []
        for name, one in self._maps.items():
            if name in self._statements.used_maps:
                continue
            if not one.leads:
                found.append(Note(one.origin, "the map leads to no URL, left out"))
                continue
            found.append(Note(one.origin, f"the file does not say what `${name}` is for: taken as a 301"))
            found += self._statements.for_map(one, 301, Place(), f"${name}", name)
        return found

    def _server(self, server: Directive) -> list[Section]:
        block = server.block or ()
        names = [name for one in block if one.name == "server_name" for name in one.args]
        conditions = _scheme_conditions(block)
        plain = _plain_names(server)
        # `$server_name` is the first name, as it is written.
        place = Place(
            conditions=conditions, server_name=names[0] if names and names[:1] == plain[:1] else None
        )
        sections = [
            Section(hosts[0], self._block(block, replace(place, hosts=hosts)), hosts[1:])
            for hosts in dict.fromkeys(self._sites[name] for name in plain)
        ]
        for name in names:
            if name.lower() in plain:
                continue
            try:
                host = self._host_conditions(name)
            except NotTranslatable as error:
                sections.append(Section(None, [Untranslated(server.origin, f"`{name}`: {error}")]))
                continue
            sections.append(
                Section(None, self._block(block, replace(place, conditions=(*host, *conditions))))
            )
        if not names:
            host = self._host_conditions("_")
            sections.append(
                Section(None, self._block(block, replace(place, conditions=(*host, *conditions))))
            )
        if any(isinstance(one, Entry | Rule | Refusal) for section in sections for one in section.items):
            sections[0].items[:0] = _scheme_note(server, conditions)
        return sections

    def _host_conditions(self, name: str) -> tuple[str, ...]:
        """What is true of the hosts that a mask, a pattern or no name stands for."""
        if name.startswith("~"):
            return (f"matches({quoting.pattern(Pattern(name[1:], ignore_case=True).text())}, request.host)",)
        name = name.lower()
        if name in ("_", ""):
            return self._but(self._named)
        if name.startswith(("*.", ".")):
            end = name.lstrip("*")
            own = f"request.host.endswith({quoting.constant(end)})"
            if name.startswith("."):
                own = f"{own} or request.host == {quoting.constant(end[1:])}"
            return (own, *self._but([one for one in self._named if one.endswith(end)]))
        if name.endswith(".*"):
            start = name.rstrip("*")
            but = self._but([one for one in self._named if one.startswith(start)])
            return (f"request.host.startswith({quoting.constant(start)})", *but)
        raise NotTranslatable("this is no name of a host")

    @staticmethod
    def _but(hosts: list[str]) -> tuple[str, ...]:
        if len(hosts) == 1:
            return (f"request.host != {quoting.constant(hosts[0])}",)
        return (f"request.host not in {quoting.strings(hosts)}",) if hosts else ()

    def _block(self, directives: Iterable[Directive], place: Place) -> list[Item]:
        """What stands in a server, or could: its statements, then its locations."""
        directives = list(directives)
        found: list[Item] = []
        found += nginx_others.hidden_redirects(one for one in directives if one.name != "location")
        for one in nginx_others.unrelated(directives):
            if one.name not in nginx_statements.NAMES and one.name not in _SAID_ELSEWHERE:
                self._left_out.setdefault(one.name, one)
        found += self._statements.items(directives, place)
        locations = [one for one in directives if one.name == "location"]
        end = nginx_statements.deciding(directives, place)
        if end is not None:
            return [*found, *(nginx_statements.never_reached(one, end) for one in locations)]
        found += nginx_locations.items(locations, place, self._statements)
        return found


def _plain_names(server: Directive) -> list[str]:
    """The names without masks and patterns, each once."""
    names = [name for one in server.block or () if one.name == "server_name" for name in one.args]
    plain = [name.lower() for name in names if name not in ("_", "") and not name.startswith(("~", ".", "*"))]
    return list(dict.fromkeys(name for name in plain if "*" not in name))


def _sites(servers: list[Directive]) -> dict[str, tuple[str, ...]]:
    """For each plain name those that all the same servers have: they are one site."""
    having: dict[str, list[int]] = {}
    for number, server in enumerate(servers):
        for name in _plain_names(server):
            having.setdefault(name, []).append(number)
    return {
        name: tuple(other for other, theirs in having.items() if theirs == numbers)
        for name, numbers in having.items()
    }


def _scheme_note(server: Directive, conditions: tuple[str, ...]) -> list[Item]:
    """That the condition for what the server listens on depends on who is in front of lighttpd."""
    if not conditions:
        return []
    listen = next((one for one in server.block or () if one.name == "listen"), server)
    text = (
        f"each rule of this server asks for `{conditions[0]}`, by its `listen`; behind a front that ends "
        "TLS the scheme is what mod_extforward says"
    )
    return [Note(listen.origin, text)]


def _scheme_conditions(block: Iterable[Directive]) -> tuple[str, ...]:
    """Whether all requests of the server come over TLS, or none. Without `listen` it is port 80."""
    listens = [one.args for one in block if one.name == "listen"]
    secure = {"ssl" in args or "quic" in args or args[:1] == ("443",) for args in listens} or {False}
    if len(secure) > 1:
        return ()
    return (redirects.scheme_is("https" if secure.pop() else "http"),)
