"""nginx's locations in the order of rules (ngx_http_core_module, `location`). Does no I/O.

nginx takes one location for a request: the exact one; else the longest prefix when it has `^~`; else the
first pattern that fits; else the longest prefix. Rules are tried one after the other, so they come in that
order, and each says of which other locations its requests are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from luagen.imports import nginx_statements, quoting
from luagen.imports.nginx_statements import NAMES, Place, Statements
from luagen.imports.nginx_syntax import Directive
from luagen.imports.regex import PathShape, Pattern
from luagen.imports.result import Item, NotTranslatable, Untranslated


@dataclass(frozen=True, slots=True)
class _Location:
    directive: Directive
    paths: PathShape | Pattern
    before_patterns: bool  # `=` and `^~`

    @property
    def redirects(self) -> bool:
        """Whether there is something to translate in it."""
        return any(one.name in NAMES or one.name == "location" for one in self.directive.block or ())

    @property
    def decides(self) -> bool:
        """Whether rules for it decide all of its requests, so that no later rule sees one."""
        return any(nginx_statements.ends(one) for one in self.directive.block or ())

    @property
    def is_exact(self) -> bool:
        return isinstance(self.paths, PathShape) and self.paths.exact

    @property
    def prefix(self) -> str | None:
        return self.paths.path if isinstance(self.paths, PathShape) and not self.paths.exact else None


def items(directives: Iterable[Directive], place: Place, statements: Statements) -> list[Item]:
    """The items of all locations."""
    found: list[Item] = []
    locations: list[_Location] = []
    for directive in directives:
        try:
            locations.append(_location(directive))
        except NotTranslatable as error:
            found.append(Untranslated(directive.origin, str(error)))
    locations.sort(key=_rank)
    for index, one in enumerate(locations):
        if not one.redirects:
            continue
        try:
            conditions = tuple(_others(one, locations[:index], locations[index + 1 :]))
        except NotTranslatable as error:
            found.append(Untranslated(one.directive.origin, str(error)))
            continue
        inner = replace(place, paths=one.paths, conditions=(*place.conditions, *conditions))
        found += statements.items(one.directive.block or (), inner)
        found += [
            Untranslated(nested.origin, "locations in locations have no counterpart")
            for nested in one.directive.block or ()
            if nested.name == "location"
        ]
    return found


def _location(directive: Directive) -> _Location:
    match directive.args:
        case ("=", path):
            return _Location(directive, PathShape(path, exact=True), True)
        case ("^~", path):
            return _Location(directive, PathShape(path, exact=False), True)
        case ("~" | "~*" as how, regex):
            return _Location(directive, Pattern(regex, ignore_case=how == "~*"), False)
        case (path,) if path.startswith("/"):
            return _Location(directive, PathShape(path, exact=False), False)
        case (name,) if name.startswith("@"):
            raise NotTranslatable("a named location has no requests of its own")
        case _:
            raise NotTranslatable("this is no location of a path")


def _rank(location: _Location) -> tuple[int, int]:
    if location.is_exact:
        return 0, 0
    if location.prefix is None:
        return 2, 0
    return (1 if location.before_patterns else 3), -len(location.prefix)


def _others(one: _Location, earlier: list[_Location], later: list[_Location]) -> Iterable[str]:
    """Conditions that leave out the requests of other locations that no earlier rule has decided."""
    open_ones = [other for other in earlier if not other.decides] + later
    exact = [
        other.paths.path
        for other in open_ones
        if isinstance(other.paths, PathShape) and other.is_exact and _fits(one, other.paths.path)
    ]
    if exact and not one.is_exact:
        paths = quoting.strings(exact) if len(exact) > 1 else quoting.constant(exact[0])
        yield f"request.path {'not in' if len(exact) > 1 else '!='} {paths}"
    if one.is_exact:
        return
    longer = [
        other.prefix
        for other in open_ones
        if other.prefix is not None and other.prefix != one.prefix and _hides(other, one)
    ]
    if longer:
        prefixes = quoting.strings(longer) if len(longer) > 1 else quoting.constant(longer[0])
        yield f"not request.path.startswith({prefixes})"
    if one.prefix is None:
        _refuse_longer_below(earlier, later)
    if one.before_patterns:
        return
    for other in earlier:
        if isinstance(other.paths, Pattern) and not other.decides:
            yield f"not matches({quoting.pattern(other.paths.text())}, request.path)"


def _hides(other: _Location, one: _Location) -> bool:
    """Whether requests that fit both belong to `other`, a prefix."""
    if one.prefix is None:
        return other.before_patterns
    return (other.prefix or "").startswith(one.prefix)


def _refuse_longer_below(earlier: list[_Location], later: list[_Location]) -> None:
    for outer in earlier:
        for inner in later:
            if outer.prefix and not outer.decides and (inner.prefix or "").startswith(outer.prefix):
                raise NotTranslatable(
                    f"the location in line {inner.directive.line} lies in a `^~` one: which of them has a "
                    "request is not put into one condition"
                )


def _fits(location: _Location, path: str) -> bool:
    """Whether the location could have the path."""
    if location.prefix is not None:
        return path.startswith(location.prefix)
    if isinstance(location.paths, Pattern):
        # The policy's dialect and Python's are the same for what Pattern accepts.
        return re.search(location.paths.text(), path) is not None
    return False
