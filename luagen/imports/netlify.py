"""Netlify's `_redirects`: FROM [NAME=VALUE…] TO [STATUS[!]] [CONDITION=VALUES…]. Does no I/O.

From Netlify's documentation ("Redirects and rewrites", "Redirect options"): the first rule that fits decides;
a path fits with and without a `/` at its end; a `*` ends FROM and what it stands for is `:splat`; `:name` is
one segment; with parameters a rule fits only requests that have those and no others; 301 and 302 keep the
query. Without `!` a file of the site goes first, which a policy does not know: a note says so.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from luagen.imports import quoting, redirects
from luagen.imports.redirects import Part, Redirect, Value
from luagen.imports.regex import PathShape
from luagen.imports.result import (
    REDIRECT_STATUSES,
    Item,
    Note,
    NotTranslatable,
    Origin,
    Section,
    Untranslated,
    decoded_path,
)

_STATUS = re.compile(r"([0-9]{3})(!?)")
_PLACEHOLDER = re.compile(r":([A-Za-z_][A-Za-z0-9_]*)")
_KEEP_QUERY = (301, 302)
_NO_REDIRECT = "which is no redirect; rules below it get its requests"


def read(text: str) -> list[Section]:
    section = Section(None)
    soft: Origin | None = None
    by_country: Origin | None = None
    for number, line in enumerate(text.split("\n"), 1):
        words = _words(line)
        if not words:
            continue
        origin = Origin(number, " ".join(words))
        try:
            items, forced = _items(origin, words)
        except NotTranslatable as error:
            section.items.append(Untranslated(origin, str(error)))
            continue
        soft = soft or (None if forced else origin)
        if by_country is None and any(word.lower().startswith("country=") for word in words):
            by_country = origin
        section.items += items
    if by_country is not None:
        hint = "the policy needs a table `[country]`, which says where countries are from"
        section.items.insert(0, Note(by_country, hint))
    if soft is not None:
        text = "without `!` Netlify serves a file that has the path; the policy redirects always"
        section.items.insert(0, Note(soft, text))
    return [section]


def _words(line: str) -> list[str]:
    """The words before a comment, which begins with a word that begins with `#`."""
    words = line.split()
    comment = next((index for index, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def _items(origin: Origin, words: list[str]) -> tuple[list[Item], bool]:
    """The items of one rule, and whether it goes before files. Raises NotTranslatable."""
    source, *rest = words
    to_index = next((index for index, word in enumerate(rest) if _is_target(word)), None)
    if to_index is None:
        raise NotTranslatable("there is no target that begins with `/`, `http://` or `https://`")
    parameters, target, last = rest[:to_index], rest[to_index], rest[to_index + 1 :]
    status, forced = 301, False
    if last:
        found = _STATUS.fullmatch(last[0])
        if found is None:
            raise NotTranslatable(f"`{last[0]}` is not a status")
        status, forced = int(found[1]), bool(found[2])
    if status == 200:
        raise NotTranslatable(f"status 200 rewrites or proxies, {_NO_REDIRECT}")
    if status not in REDIRECT_STATUSES:
        raise NotTranslatable(f"status {status} shows a page of the site, {_NO_REDIRECT}")
    conditions = [*_host_conditions(source), *(one for word in last[1:] for one in _condition(word))]
    path = urlsplit(source).path or "/" if _is_url(source) else source
    return _redirects(origin, path, parameters, target, status, conditions), forced


def _redirects(
    origin: Origin, path: str, parameters: list[str], target: str, status: int, conditions: list[str]
) -> list[Item]:
    if not path.startswith("/"):
        raise NotTranslatable("the path does not begin with `/`")
    if "?" in path or "*" in path[:-1]:
        raise NotTranslatable("a `*` stands only at the end of the path, and a query string after a blank")
    captured: dict[str, Part] = {}
    conditions = [*conditions, *_parameter_conditions(parameters, captured)]
    splat = path.endswith("*")
    names = _PLACEHOLDER.findall(path)
    # A rule with parameters fits only requests without others, so there is nothing left to keep.
    keep_query = status in _KEEP_QUERY and not parameters
    if names or (splat and not path.endswith("/*")):
        pattern, groups = _pattern(path)
        captured |= groups
        conditions.append(f"matches({quoting.pattern(pattern)}, request.path)")
        redirect = Redirect(parts=_parts(target, captured), status=status, keep_query=keep_query)
        return [redirects.rule(origin, tuple(conditions), redirect)]
    if not parameters and target.rstrip("/") == path.rstrip("/"):
        return [Note(origin, "left out: Netlify ignores a redirect that only adds or removes a `/`")]
    if splat and target.startswith(path.removesuffix("*")):
        raise NotTranslatable("the rule fits its own target: without files that go first it never ends")
    shapes = _shapes(decoded_path(path.removesuffix("*")), splat)
    found: list[Item] = []
    for simple in shapes:
        rest: dict[str, Part] = {"splat": redirects.Group(1) if simple.captures else ""} if splat else {}
        redirect = Redirect(parts=_parts(target, captured | rest), status=status, keep_query=keep_query)
        found += redirects.for_path(origin, simple, redirect, tuple(conditions))
    return found


def _shapes(path: str, splat: bool) -> list[PathShape]:
    if splat:
        below = PathShape(path, exact=False, captures=True)
        return [below] if path == "/" else [PathShape(path[:-1], exact=True), below]
    bare = path.rstrip("/")
    return [PathShape(bare, exact=True, also_slash=True)] if bare else [PathShape("/", exact=True)]


def _pattern(path: str) -> tuple[str, dict[str, Part]]:
    """A regular expression with a group for each placeholder, and what each is in the target."""
    groups: dict[str, Part] = {}
    pieces: list[str] = ["^"]
    end = 0
    body = path.removesuffix("*")
    for found in _PLACEHOLDER.finditer(body):
        name = found[1]
        if name in groups or name == "splat":
            raise NotTranslatable(f"`:{name}` stands in the path more than once")
        groups[name] = Value(f'match["{name}"]')
        pieces += [re.escape(decoded_path(body[end : found.start()])), f"(?P<{name}>[^/]+)"]
        end = found.end()
    pieces.append(re.escape(decoded_path(body[end:].removesuffix("/") if path == body else body[end:])))
    if path == body:
        pieces.append("/?$")
    elif body.endswith("/"):
        pieces[-1] = pieces[-1].removesuffix("/")
        pieces.append("(?:/(?P<splat>.*))?$")
        groups["splat"] = Value('match["splat"]')
    else:
        pieces.append("(?P<splat>.*)$")
        groups["splat"] = Value('match["splat"]')
    return "".join(pieces), groups


def _parts(target: str, captured: dict[str, Part]) -> tuple[Part, ...]:
    """The target's text and what stands for its placeholders. A `:name` that nothing captures is text."""
    parts: list[Part] = []
    end = 0
    for found in _PLACEHOLDER.finditer(target):
        if found[1] in captured:
            parts += [target[end : found.start()], captured[found[1]]]
            end = found.end()
    return redirects.joined([*parts, target[end:]])


def _parameter_conditions(words: list[str], captured: dict[str, Part]) -> list[str]:
    """Conditions for `NAME=VALUE` and `NAME=:placeholder`; the latter are put into `captured`."""
    conditions: list[str] = []
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise NotTranslatable(f"`{word}` is not NAME=VALUE")
        item = f"request.args[{quoting.constant(name)}]"
        if value.startswith(":"):
            conditions.append(f"{quoting.constant(name)} in request.args")
            captured[value[1:]] = Value(item)
        else:
            conditions.append(f"{item} == {quoting.constant(value)}")
    if len(words) == 1:
        conditions.append('"&" not in request.query')
    elif words:
        conditions.append(f'request.query.count("&") == {len(words) - 1}')
    return conditions


def _condition(word: str) -> list[str]:
    name, _, value = word.partition("=")
    values = [one for one in value.split(",") if one]
    if not values:
        raise NotTranslatable(f"`{word}` is not CONDITION=VALUES")
    match name.lower():
        case "country":
            countries = [one.upper() for one in values]
            if len(countries) == 1:
                return [f"request.country == {quoting.constant(countries[0])}"]
            return [f"request.country in {quoting.strings(countries)}"]
        case "cookie":
            return [" or ".join(f"{quoting.constant(one)} in request.cookies" for one in values)]
        case "language":
            raise NotTranslatable("conditions on the visitor's language have no counterpart")
        case "role":
            raise NotTranslatable(
                "roles of Netlify Identity have no counterpart: write a rule with `require`"
            )
        case _:
            raise NotTranslatable(f"the condition `{word}` has no counterpart")


def _host_conditions(source: str) -> list[str]:
    if not _is_url(source):
        return []
    parts = urlsplit(source)
    host = parts.netloc.lower()
    if not host or "*" in host or ":" in host or "@" in host:
        raise NotTranslatable(f"`{parts.netloc}` is no plain host")
    return [
        f"request.scheme == {quoting.constant(parts.scheme)}",
        f"request.host == {quoting.constant(host)}",
    ]


def _is_target(word: str) -> bool:
    return word.startswith("/") or _is_url(word)


def _is_url(word: str) -> bool:
    return word.startswith(("http://", "https://"))
