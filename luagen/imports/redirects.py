"""From what another server's rule matches and where it leads to an item. Does no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from luagen.imports import quoting
from luagen.imports.regex import PathShape, Pattern, shape
from luagen.imports.result import Entry, Item, NotTranslatable, Origin, Rule, checked_target


@dataclass(frozen=True, slots=True)
class Group:
    """The text of a group of the rule's own pattern."""

    number: int


@dataclass(frozen=True, slots=True)
class Value:
    """The value of an expression."""

    expression: str


Part = str | Group | Value
PATH = Value("request.path")
RAW_PATH = Value("request.raw_path")
HOST = Value("request.host")
SCHEME = Value("request.scheme")
_PATHS = (PATH, RAW_PATH)
_GROUP = re.compile(r"\\(.)|\$([0-9])", re.DOTALL)
# Patterns that fit every path; the first group of the latter lacks the `/` at its beginning.
_WHOLE = frozenset({"", "^", "^/", ".*", "^.*", "^.*$", "^/.*", "^/.*$", "(.*)", "^(.*)", "^(.*)$"})
_WHOLE_BUT_SLASH = frozenset({"^/(.*)$", "^/(.*)", "^/?(.*)$", "^/?(.*)"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Where a rule leads: the parts of its target, in their order."""

    parts: tuple[Part, ...]
    status: int
    keep_query: bool


def joined(parts: list[Part]) -> tuple[Part, ...]:
    """The parts with neighbouring text put together."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return tuple(found)


def with_groups(text: str) -> tuple[Part, ...]:
    """A target in which `$1` to `$9` are groups of the rule's pattern, and `\\` protects a character."""
    parts: list[Part] = []
    end = 0
    for found in _GROUP.finditer(text):
        parts += [text[end : found.start()], found[1] if found[1] is not None else Group(int(found[2]))]
        end = found.end()
    return joined([*parts, text[end:]])


def by_scheme(redirect: Redirect, conditions: tuple[str, ...]) -> list[tuple[Redirect, tuple[str, ...]]]:
    """The redirect with its conditions; one for each scheme when its target begins with the request's own.

    Before the host of the request itself the scheme says nothing: the path is enough. Raises NotTranslatable.
    """
    if redirect.parts[:1] != (SCHEME,):
        return [(redirect, conditions)]
    first, *rest = redirect.parts[1:] or ("",)
    if not isinstance(first, str) or not first.startswith("://"):
        raise NotTranslatable("the scheme is not followed by `://`")
    if first == "://" and rest[:1] == [HOST]:
        return [(replace(redirect, parts=tuple(rest[1:])), conditions)]
    found = []
    for scheme, other in (("http", "https"), ("https", "http")):
        if scheme_is(other) not in conditions:
            parts = (scheme + first, *rest)
            only = conditions if scheme_is(scheme) in conditions else (scheme_is(scheme), *conditions)
            found.append((replace(redirect, parts=parts), only))
    return found


def scheme_is(scheme: str) -> str:
    """The expression that is true of requests with this scheme."""
    return f'{SCHEME.expression} == "{scheme}"'


def for_pattern(
    origin: Origin, pattern: Pattern, redirect: Redirect, conditions: tuple[str, ...] = ()
) -> list[Item]:
    """The items for a rule whose pattern is searched for in the path. Raises NotTranslatable."""
    for part in redirect.parts:
        if isinstance(part, Group) and not 1 <= part.number <= pattern.count:
            raise NotTranslatable(f"the target uses group {part.number}, which the pattern does not have")
    whole = _whole(pattern, redirect.parts)
    if whole is not None:
        return [
            rule(
                origin,
                conditions,
                Redirect(parts=whole, status=redirect.status, keep_query=redirect.keep_query),
            )
        ]
    simple = shape(pattern)
    if simple is not None:
        entries = _entries(origin, simple, redirect, conditions)
        if entries:
            return entries
    used = frozenset(part.number for part in redirect.parts if isinstance(part, Group))
    return [rule(origin, (*conditions, pattern_condition(pattern, used)), redirect)]


def for_path(
    origin: Origin, simple: PathShape, redirect: Redirect, conditions: tuple[str, ...] = ()
) -> list[Item]:
    """The items for a rule that fits a path, or all that begins with it. Raises NotTranslatable."""
    entries = _entries(origin, simple, redirect, conditions)
    return entries or [rule(origin, (*conditions, shape_condition(simple)), redirect)]


def rule(origin: Origin, conditions: tuple[str, ...], redirect: Redirect) -> Rule:
    """A rule with a template. Raises NotTranslatable when a client could choose the host."""
    return Rule(
        origin=origin,
        conditions=conditions,
        to=_template(redirect.parts),
        status=redirect.status,
        keep_query=redirect.keep_query,
    )


def shape_condition(simple: PathShape) -> str:
    """The expression that is true of the paths."""
    path = quoting.constant(simple.path)
    if simple.also_slash:
        return f"request.path in {quoting.strings([simple.path, simple.path + '/'])}"
    return f"request.path == {path}" if simple.exact else f"request.path.startswith({path})"


def pattern_condition(pattern: Pattern, used: frozenset[int] = frozenset()) -> str:
    """The expression that is true of paths that the pattern fits, with names for the groups that are used."""
    simple = shape(pattern)
    if simple is not None and not used:
        return shape_condition(simple)
    return f"matches({quoting.pattern(pattern.text(used))}, request.path)"


def fits_every_path(pattern: str) -> bool:
    return pattern in _WHOLE or pattern in _WHOLE_BUT_SLASH


def _whole(pattern: Pattern, parts: tuple[Part, ...]) -> tuple[Part, ...] | None:
    """The parts for a pattern that fits every path: its group is the path."""
    if pattern.source in _WHOLE:
        return joined([PATH if part == Group(1) else part for part in parts])
    if pattern.source not in _WHOLE_BUT_SLASH:
        return None
    found: list[Part] = []
    for part in parts:
        if part != Group(1):
            found.append(part)
        elif found and isinstance(found[-1], str) and found[-1].endswith("/"):
            found[-1] = found[-1][:-1]
            found.append(PATH)
        else:
            return None
    return joined(found)


def _entries(
    origin: Origin, simple: PathShape, redirect: Redirect, conditions: tuple[str, ...]
) -> list[Item]:
    """Entries of a `redirects` table, or none where that cannot hold them. Raises NotTranslatable."""
    match redirect.parts:
        case (str(target),):
            with_rest = False
        case (str(target), Group(1)) if simple.captures:
            with_rest = True
        case _:
            return []
    if simple.path.endswith("*"):
        return []  # there a `*` at the end is no part of the path
    return [
        Entry(
            origin=origin,
            path=path,
            is_prefix=not simple.exact,
            # With a rest that has lost its `/`, `/` leads to the path and not to a host.
            target=_entry_target(target, simple, with_rest),
            with_rest=with_rest,
            status=redirect.status,
            keep_query=redirect.keep_query,
            conditions=conditions,
        )
        for path in ((simple.path, simple.path + "/") if simple.also_slash else (simple.path,))
    ]


def _entry_target(target: str, simple: PathShape, with_rest: bool) -> str:
    if target == "/" and with_rest and simple.path.endswith("/"):
        return target  # lighttpd leaves no second `/` after the one that `path` ends with
    return quoting.url_text(checked_target(target, more_follows=with_rest))


def _template(parts: tuple[Part, ...]) -> str:
    if not parts:
        raise NotTranslatable("the target is empty")
    first, rest = parts[0], parts[1:]
    texts = [_part(part) for part in parts]
    if first in _PATHS:
        return "".join(texts)
    if not isinstance(first, str):
        raise NotTranslatable("the client chooses where this redirect leads")
    if first in ("https://", "http://") and rest and rest[0] == HOST:
        if first == "http://":
            raise NotTranslatable("a redirect that keeps the host leads to `https`")
        if len(rest) > 1 and rest[1] not in _PATHS and not str(rest[1]).startswith("/"):
            raise NotTranslatable("what follows would become part of the host: a `/` is missing after it")
        return "".join(texts)
    more_follows = bool(rest) and rest[0] not in _PATHS
    beginning = checked_target(first, more_follows=more_follows)
    if beginning == "/" and rest:
        raise NotTranslatable("a target that begins with `//` leads to a host that clients can choose")
    return "".join(texts)


def _part(part: Part) -> str:
    match part:
        case str():
            return quoting.url_text(part)
        case Group(number):
            return f'{{match["g{number}"]}}'
        case Value(expression):
            return f"{{{expression}}}"
