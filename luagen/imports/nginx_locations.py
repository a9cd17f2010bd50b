"""nginx's locations in the order of rules (ngx_http_core_module, `location`). Does no I/O.

nginx takes one location for a request: the exact one; else the longest prefix when it has `^~`; else the
first pattern that fits; else the longest prefix. Rules are tried one after the other, so they come in that
order, and each says of which other locations its requests are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from luagen.imports import nginx_others, nginx_statements, quoting
from luagen.imports.nginx_statements import NAMES, Place, Statements
from luagen.imports.nginx_syntax import Directive
from luagen.imports.regex import PathShape, Pattern
from luagen.imports.result import Item, Note, NotTranslatable, Untranslated


@dataclass(frozen=True, slots=True)
class _Location:
    directive: Directive
    paths: PathShape | Pattern
    before_patterns: bool  # `=` and `^~`

    @property
    def redirects(self) -> bool:
        return has_redirects(self.directive)

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
            if has_redirects(directive):
                found.append(Untranslated(directive.origin, str(error)))
            else:
                found += _without_redirects(directive, [])
    locations.sort(key=_rank)
    rules: dict[int, list[Item]] = {}
    spared_by: dict[int, list[int]] = {}  # for the id of a location the lines of those that leave it out
    for index, one in enumerate(locations):
        if not one.redirects:
            continue
        try:
            others = _others(one, locations[:index], locations[index + 1 :])
            conditions = tuple(_none_of(others))
        except NotTranslatable as error:
            rules[index] = [Untranslated(one.directive.origin, str(error))]
            continue
        for other in others:
            spared_by.setdefault(id(other), []).append(one.directive.line)
        inner = replace(place, paths=one.paths, conditions=(*place.conditions, *conditions))
        rules[index] = _with_redirects(one.directive, inner, statements)
    for index, one in enumerate(locations):
        if one.redirects:
            found += rules[index]
        else:
            found += _without_redirects(one.directive, sorted(spared_by.get(id(one), [])))
    return found


def has_redirects(location: Directive) -> bool:
    """Whether there is something to translate in it, or in a location in it."""
    block = location.block or ()
    return any(one.name in NAMES or (one.name == "location" and has_redirects(one)) for one in block)


def _with_redirects(directive: Directive, place: Place, statements: Statements) -> list[Item]:
    block = directive.block or ()
    found = [*nginx_others.hidden_redirects(block), *statements.items(block, place)]
    names = _other_names(directive)
    if names:
        text = f"not about redirects, left out: {nginx_others.left_out(names)}"
        found.append(Note(directive.origin, text))
    return [
        *found,
        *(
            Untranslated(nested.origin, "locations in locations have no counterpart")
            for nested in block
            if nested.name == "location"
        ),
    ]


def _without_redirects(directive: Directive, spared_by: list[int]) -> list[Item]:
    """What is to be said of a location that only takes requests away from those in the lines `spared_by`."""
    text = f"no redirects in `{' '.join((directive.name, *directive.args))}`"
    names = _other_names(directive)
    if names:
        text += f", left out: {nginx_others.left_out(names)}"
    if spared_by:
        lines = ", ".join(map(str, spared_by))
        text += f"; its requests stay out of the rules for line{'s' if len(spared_by) > 1 else ''} {lines}"
    return [*nginx_others.hidden_redirects(directive.block or ()), Note(directive.origin, text)]


def _other_names(directive: Directive) -> list[str]:
    """The names of what stands in a location and is said nowhere else."""
    said = NAMES | {"location"} if has_redirects(directive) else NAMES
    return [one.name for one in nginx_others.unrelated(directive.block or ()) if one.name not in said]


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


def _others(one: _Location, earlier: list[_Location], later: list[_Location]) -> list[_Location]:
    """The locations that take requests away from this one and that no earlier rule has decided.

    Raises NotTranslatable.
    """
    if one.is_exact:
        return []
    found = [
        other
        for other in [*(other for other in earlier if not other.decides), *later]
        if (isinstance(other.paths, PathShape) and other.is_exact and _fits(one, other.paths.path))
        or (other.prefix is not None and other.prefix != one.prefix and _hides(other, one))
    ]
    if one.prefix is None:
        _refuse_longer_below(earlier, later)
    if not one.before_patterns:
        found += [other for other in earlier if isinstance(other.paths, Pattern) and not other.decides]
    return found


def _none_of(others: list[_Location]) -> Iterable[str]:
    """Conditions that leave out the requests of these locations. Raises NotTranslatable."""
    shapes = [other.paths for other in others if isinstance(other.paths, PathShape)]
    exact = [paths.path for paths in shapes if paths.exact]
    if exact:
        paths = quoting.strings(exact) if len(exact) > 1 else quoting.constant(exact[0])
        yield f"request.path {'not in' if len(exact) > 1 else '!='} {paths}"
    prefixes = [paths.path for paths in shapes if not paths.exact]
    if prefixes:
        texts = quoting.strings(prefixes) if len(prefixes) > 1 else quoting.constant(prefixes[0])
        yield f"not request.path.startswith({texts})"
    for other in others:
        if isinstance(other.paths, Pattern):
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
