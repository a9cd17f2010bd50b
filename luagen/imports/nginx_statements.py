"""nginx's `return`, `rewrite` and `if` (ngx_http_rewrite_module) as items. Does no I/O.

They run in their order; the first that redirects or answers ends the request, as rules of a policy do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from luagen.imports import nginx_maps, nginx_others, nginx_values, quoting, redirects
from luagen.imports.nginx_maps import Map
from luagen.imports.nginx_others import ABSOLUTE
from luagen.imports.nginx_syntax import Directive
from luagen.imports.redirects import Group, Redirect
from luagen.imports.regex import PathShape, Pattern, shape
from luagen.imports.result import (
    REDIRECT_STATUSES,
    Item,
    Note,
    NotTranslatable,
    Origin,
    Refusal,
    Untranslated,
)

NAMES = frozenset({"return", "rewrite", "if", "set", "break"})
_EVERY_PATH = Pattern("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where statements stand: for which paths, under which conditions."""

    paths: PathShape | Pattern = _EVERY_PATH
    conditions: tuple[str, ...] = ()
    server_name: str | None = None  # what `$server_name` is
    hosts: tuple[str, ...] = ()  # those of these requests, when they are known
    captures: tuple[Pattern, str] | None = None  # of `if ($variable ~ …)`: the pattern, and the field


class Statements:
    """Translates statements; knows the maps of the file, and which of them were used."""

    def __init__(self, maps: Mapping[str, Map]) -> None:
        self._maps = maps
        self.used_maps: set[str] = set()

    def items(self, directives: Iterable[Directive], place: Place) -> list[Item]:
        """The items for statements in their order; other directives are passed over."""
        found: list[Item] = []
        directives = [directive for directive in directives if directive.name in NAMES]
        end = deciding(directives, place)
        last = len(directives) if end is None else directives.index(end) + 1
        for directive in directives[:last]:
            try:
                found += self._statement(directive, place)
            except NotTranslatable as error:
                found.append(Untranslated(directive.origin, str(error)))
        return found + [never_reached(directive, end) for directive in directives[last:] if end is not None]

    def for_map(self, one: Map, status: int, place: Place, template: str, name: str) -> list[Item]:
        """The items for a map whose variable `name` stands in the target `template`."""
        found: list[Item] = list(one.remarks)
        for entry in one.entries:
            text = template.replace("${" + name + "}", entry.value).replace("$" + name, entry.value)
            inner = replace(place, conditions=(*place.conditions, *entry.conditions))
            if entry.place is not None:
                if place.paths is not _EVERY_PATH:
                    around = _condition(place.paths)
                    inner = replace(inner, conditions=(*inner.conditions, *around))
                inner = replace(inner, paths=entry.place)
            try:
                found += self._lead(entry.origin, text, status, inner, keep_query=False)
            except NotTranslatable as error:
                found.append(Untranslated(entry.origin, str(error)))
        return found

    def _statement(self, directive: Directive, place: Place) -> list[Item]:
        match directive.name:
            case "return":
                return self._return(directive, place)
            case "rewrite":
                return self._rewrite(directive, place)
            case "if":
                return [*_beside(directive), *self._if(directive, place)]
            case "set":
                raise NotTranslatable("variables of nginx have no counterpart")
            case _:
                raise NotTranslatable("rules of a policy are not broken off")

    def _return(self, directive: Directive, place: Place) -> list[Item]:
        code, text = _code_and_text(directive.args)
        if code in REDIRECT_STATUSES and text is not None:
            name = nginx_maps.referenced(text, self._maps)
            if name is not None:
                self.used_maps.add(name)
                return self.for_map(self._maps[name], code, place, text, name)
            return self._lead(directive.origin, text, code, place, keep_query=False)
        if code == 444:
            raise NotTranslatable("a policy answers every request; 444 closes the connection")
        if not 400 <= code <= 599:
            raise NotTranslatable(f"`return {code}` is no redirect")
        conditions = (*place.conditions, *_condition(place.paths))
        if place.captures is not None:
            conditions = (*conditions, _captures_condition(place.captures, frozenset()))
        found: list[Item] = [Refusal(origin=directive.origin, conditions=conditions, status=code)]
        if text is not None:
            found.insert(0, Note(directive.origin, "the text of the response is lightgate's own"))
        return found

    def _lead(self, origin: Origin, text: str, status: int, place: Place, *, keep_query: bool) -> list[Item]:
        pattern = place.captures[0] if place.captures else None
        if pattern is None and isinstance(place.paths, Pattern):
            pattern = place.paths
        constants = {} if place.server_name is None else {"server_name": place.server_name}
        parts, keeps_own = nginx_values.target(text, constants, pattern)
        whole = Redirect(parts=parts, status=status, keep_query=keep_query or keeps_own)
        found: list[Item] = []
        for redirect, conditions in redirects.by_scheme(whole, place.conditions):
            if place.captures is not None:
                used = frozenset(part.number for part in redirect.parts if isinstance(part, Group))
                conditions = (*conditions, _captures_condition(place.captures, used))
                if used:
                    conditions = (*conditions, *_condition(place.paths))
                    found.append(redirects.rule(origin, conditions, redirect))
                    continue
            if isinstance(place.paths, Pattern):
                found += redirects.for_pattern(origin, place.paths, redirect, conditions)
            else:
                found += redirects.for_path(origin, place.paths, redirect, conditions)
        return found

    def _rewrite(self, directive: Directive, place: Place) -> list[Item]:
        args = directive.args
        if len(args) not in (2, 3):
            raise NotTranslatable("a `rewrite` has a pattern, a target and at most one flag")
        text, flag = args[1], args[2] if len(args) == 3 else ""
        if flag not in ("permanent", "redirect") and not text.startswith(ABSOLUTE):
            raise NotTranslatable(
                "a rewrite inside the server is no redirect; rules below it see the old path"
            )
        pattern = Pattern(args[0])
        conditions = place.conditions
        if not _implied(place.paths, pattern):
            conditions = (*conditions, *_condition(place.paths))
        if place.captures is not None:
            conditions = (*conditions, _captures_condition(place.captures, frozenset()))
        status = 301 if flag == "permanent" else 302
        keep_query = not text.endswith("?")
        inner = replace(place, paths=pattern, conditions=conditions, captures=None)
        name = nginx_maps.referenced(text, self._maps)
        if name is not None:
            if not redirects.fits_every_path(pattern.source):
                raise NotTranslatable("a map in the target of a pattern has no counterpart")
            self.used_maps.add(name)
            return self.for_map(self._maps[name], status, replace(inner, paths=_EVERY_PATH), text, name)
        return self._lead(directive.origin, text.removesuffix("?"), status, inner, keep_query=keep_query)

    def _if(self, directive: Directive, place: Place) -> list[Item]:
        block = directive.block or ()
        variable, operator, operand = nginx_values.condition(directive.args)
        if operator in ("=", "!="):
            compared = _compared(place, variable, operator, operand)
            if compared is None:
                return [Note(directive.origin, "left out: it is true of no host of the server")]
            return self.items(block, compared)
        if operator:
            pattern = Pattern(operand.strip("\"'"), ignore_case=operator.endswith("*"))
            if variable == "request_uri":
                raise NotTranslatable("a pattern for `$request_uri` sees the query string too")
            field = nginx_values.field(variable)
            if operator.startswith("!"):
                condition = f"not {_captures_condition((pattern, field), frozenset())}"
                return self.items(block, replace(place, conditions=(*place.conditions, condition)))
            return self.items(block, replace(place, captures=(pattern, field)))
        if variable in self._maps:  # true for the entries of the map, whose variable stands in the target
            if any(f"${variable}" not in "".join(one.args) for one in block):
                raise NotTranslatable("whether a map has an entry is asked only for its own redirects")
            return self.items(block, place)
        field = nginx_values.field(variable)
        condition = f'{field} not in ("", "0")'
        return self.items(block, replace(place, conditions=(*place.conditions, condition)))


def ends(directive: Directive) -> bool:
    """Whether the statement decides every request that reaches it."""
    if directive.name == "return":
        return "$" not in "".join(directive.args[:1])
    return (
        directive.name == "rewrite"
        and len(directive.args) in (2, 3)
        and redirects.fits_every_path(directive.args[0])
        and (directive.args[-1] in ("permanent", "redirect") or directive.args[1].startswith(ABSOLUTE))
    )


def _beside(directive: Directive) -> list[Item]:
    """What is to be said of an `if`'s other directives."""
    block = [one for one in directive.block or () if one.name not in NAMES]
    found = nginx_others.hidden_redirects(block)
    names = [one.name for one in nginx_others.unrelated(block)]
    if names:
        text = f"not about redirects, left out: {nginx_others.left_out(names)}"
        found.append(Note(directive.origin, text))
    return found


def deciding(directives: Iterable[Directive], place: Place) -> Directive | None:
    """The statement that leaves no request to what stands after it."""
    left = set(place.hosts)
    for directive in directives:
        if ends(directive):
            return directive
        if directive.name != "if" or not any(ends(one) for one in directive.block or ()):
            continue
        try:
            variable, operator, operand = nginx_values.condition(directive.args)
            inner = _compared(place, variable, operator, operand) if operator in ("=", "!=") else None
        except NotTranslatable:
            continue
        if inner is None:
            continue
        if inner == place:
            return directive
        if inner.hosts != place.hosts:
            left.difference_update(inner.hosts)
            if not left:
                return directive
    return None


def never_reached(directive: Directive, end: Directive) -> Note:
    return Note(directive.origin, f"never reached: line {end.line} decides first")


def _compared(place: Place, variable: str, operator: str, operand: str) -> Place | None:
    """The part of the place where a comparison holds; None when that is nowhere. Raises NotTranslatable."""
    hosts = place.hosts
    if hosts and variable in ("host", "http_host") and "$" not in operand:
        hosts = tuple(host for host in hosts if (host == operand.lower()) is (operator == "="))
        if not hosts:
            return None
        if hosts == place.hosts:
            return place
    conditions = nginx_values.comparison(variable, operator, operand)
    new = [condition for condition in conditions if condition not in place.conditions]
    return replace(place, hosts=hosts, conditions=(*place.conditions, *new))


def _code_and_text(args: tuple[str, ...]) -> tuple[int, str | None]:
    if args and args[0].isdecimal() and len(args) <= 2:
        return int(args[0]), args[1] if len(args) == 2 else None
    if len(args) == 1:
        return 302, args[0]
    raise NotTranslatable("a `return` has a status, a target or both")


def _condition(paths: PathShape | Pattern) -> tuple[str, ...]:
    """What is true of these paths; nothing when that is all of them."""
    if isinstance(paths, PathShape):
        return () if paths == PathShape("/", exact=False) else (redirects.shape_condition(paths),)
    return () if redirects.fits_every_path(paths.source) else (redirects.pattern_condition(paths),)


def _captures_condition(captures: tuple[Pattern, str], used: frozenset[int]) -> str:
    pattern, field = captures
    return f"matches({quoting.pattern(pattern.text(used))}, {field})"


def _implied(paths: PathShape | Pattern, pattern: Pattern) -> bool:
    """Whether the pattern fits only such paths."""
    if isinstance(paths, Pattern):
        return redirects.fits_every_path(paths.source)
    found = shape(pattern)
    if paths.exact or found is None:
        literal = "".join(char if char.isalnum() or char in "/_-" else f"\\{char}" for char in paths.path)
        return not paths.exact and "|" not in pattern.source and pattern.source.startswith(f"^{literal}")
    return found.path.startswith(paths.path)
