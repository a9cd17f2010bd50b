"""`RewriteRule` and `RewriteCond` (Apache, mod_rewrite) as items. Does no I/O.

For the `.htaccess` of a site's topmost directory: there a pattern is matched without the path's first `/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from luagen.imports import quoting, redirects
from luagen.imports.htaccess_syntax import Directive
from luagen.imports.redirects import HOST, PATH, SCHEME, Group, Part, Redirect, Value
from luagen.imports.regex import Pattern
from luagen.imports.result import REDIRECT_STATUSES, Item, Note, NotTranslatable, Refusal

_FIELDS = {
    "HTTP_HOST": HOST.expression,
    "SERVER_NAME": HOST.expression,
    "REQUEST_URI": PATH.expression,
    "QUERY_STRING": "request.query",
    "REQUEST_METHOD": "request.method",
    "REQUEST_SCHEME": SCHEME.expression,
    "HTTP_USER_AGENT": 'request.headers["user-agent"]',
    "HTTP_REFERER": 'request.headers["referer"]',
    "HTTP_COOKIE": 'request.headers["cookie"]',
    "HTTP_ACCEPT": 'request.headers["accept"]',
}
_STATUS_WORDS = {"permanent": 301, "temp": 302, "seeother": 303}
_WITHOUT_EFFECT = frozenset(
    {"l", "last", "end", "ne", "noescape", "nc", "nocase", "qsa", "qsappend", "qsd", "qsdiscard"}
)
_VARIABLE = re.compile(r"%\{([A-Za-z_]+|HTTP:[A-Za-z0-9-]+)\}")
_REFERENCE = re.compile(r"\\(.)|\$([0-9])|%([0-9])|%\{([^}]*)\}|\$\{[^}]*\}", re.DOTALL)
_LITERAL = re.compile(r"\^((?:[A-Za-z0-9_:/@%=&;, -]|\\[^A-Za-z0-9])*)\$")


@dataclass(frozen=True, slots=True)
class Condition:
    """A `RewriteCond`; `pattern` where it has one that could capture."""

    expression: str
    or_next: bool
    pattern: Pattern | None = None
    field: str = ""

    def capturing(self, used: frozenset[int]) -> str:
        """The expression, with names for the groups that are used."""
        if self.pattern is None or not used:
            return self.expression
        return f"matches({quoting.pattern(self.pattern.text(used, 'c'))}, {self.field})"


def condition(directive: Directive) -> Condition:
    """A `RewriteCond`. Raises NotTranslatable."""
    if len(directive.args) not in (2, 3):
        raise NotTranslatable("a `RewriteCond` has a text, a pattern and flags")
    text, pattern = directive.args[:2]
    flags = _flags(directive.args[2]) if len(directive.args) == 3 else {}
    ignore_case = "nc" in flags or "nocase" in flags
    or_next = "or" in flags or "ornext" in flags
    negated = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    if text == "%{HTTPS}":
        word = pattern.strip("^$=").lower()
        if word not in ("on", "off"):
            raise NotTranslatable(f"`%{{HTTPS}}` is never `{pattern}`")
        return Condition(redirects.scheme_is("https" if (word == "on") is not negated else "http"), or_next)
    if text == "%{SERVER_PORT}" and (port := pattern.strip("^$=")).isdecimal():
        return Condition(f"request.port {'!=' if negated else '=='} {int(port)}", or_next)
    field = _field(text)
    if pattern.startswith(("-", "<", ">")):
        raise NotTranslatable(f"the test `{pattern}` has no counterpart")
    if field == HOST.expression:
        ignore_case = True  # lightgate has it in lower case, whatever the client sent
    constant = _constant(pattern, field, ignore_case)
    if constant is not None:
        return Condition(f"{field} {'!=' if negated else '=='} {quoting.constant(constant)}", or_next)
    compiled = Pattern(pattern, ignore_case=ignore_case)
    expression = f"matches({quoting.pattern(compiled.text())}, {field})"
    if negated:
        return Condition(f"not {expression}", or_next)
    return Condition(expression, or_next, compiled, field)


def rule(directive: Directive, conditions: list[Condition]) -> list[Item]:
    """The items of a `RewriteRule` with the conditions before it. Raises NotTranslatable."""
    if len(directive.args) not in (2, 3):
        raise NotTranslatable("a `RewriteRule` has a pattern, a target and flags")
    source, target = directive.args[:2]
    flags = _flags(directive.args[2]) if len(directive.args) == 3 else {}
    refusal = (
        403 if "f" in flags or "forbidden" in flags else 410 if "g" in flags or "gone" in flags else None
    )
    others = sorted(flags.keys() - _WITHOUT_EFFECT - {"r", "redirect", "f", "forbidden", "g", "gone"})
    if others:
        raise NotTranslatable(f"the flag `{others[0].upper()}` has no counterpart")
    ignore_case = "nc" in flags or "nocase" in flags
    negated = source.startswith("!")
    pattern = Pattern(in_directory(source.removeprefix("!")), ignore_case=ignore_case)
    if refusal is not None:
        texts = _texts(conditions, frozenset())
        if negated:
            texts.append(f"not {redirects.pattern_condition(pattern)}")
        elif not redirects.fits_every_path(pattern.source):
            texts.append(redirects.pattern_condition(pattern))
        return [Refusal(origin=directive.origin, conditions=tuple(texts), status=refusal)]
    status = _status(flags, target)
    parts, keep_query = _target(target, flags)
    captured = [part for part in parts if isinstance(part, Value) and part.expression.startswith("match[")]
    used = frozenset(int(part.expression[len('match["c') : -2]) for part in captured)
    texts = _texts(conditions, used)
    if negated:
        if any(isinstance(part, Group) for part in parts):
            raise NotTranslatable("a negated pattern captures nothing")
        texts.append(f"not {redirects.pattern_condition(pattern)}")
        pattern = Pattern("^/")
    whole = Redirect(parts=parts, status=status, keep_query=keep_query)
    found: list[Item] = []
    if not flags.keys() & {"l", "last", "end"}:
        found.append(Note(directive.origin, "without `L` Apache applies the rules below to the new URL too"))
    for redirect, with_scheme in redirects.by_scheme(whole, tuple(texts)):
        found += redirects.for_pattern(directive.origin, pattern, redirect, with_scheme)
    return found


def in_directory(source: str) -> str:
    """The pattern for whole paths, of one that is matched without the first `/`. Raises NotTranslatable."""
    alternatives = _alternatives(source)
    found = [_with_slash(one) for one in alternatives]
    return found[0] if len(found) == 1 else f"(?:{'|'.join(found)})"


def _with_slash(source: str) -> str:
    if source.startswith("^/?"):
        return "^/" + source[3:]
    if source.startswith("^/"):
        raise NotTranslatable("in `.htaccess` a path has no `/` at its beginning, so this never fits")
    anchored = source.startswith("^")
    body = source.removeprefix("^")
    if _has_anchor(body):
        raise NotTranslatable("a `^` inside of the pattern means a place that rules of a policy do not have")
    if anchored or source.startswith((".*", "(.*)")) or not source:
        return "^/" + body
    return "^/.*?" + body


def _alternatives(source: str) -> list[str]:
    """What stands between the `|` that are in no group."""
    found, depth, start = [], 0, 0
    for at, char in _outside_classes(source):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            found.append(source[start:at])
            start = at + 1
    return [*found, source[start:]]


def _has_anchor(source: str) -> bool:
    return any(char == "^" for _, char in _outside_classes(source))


def _outside_classes(source: str) -> list[tuple[int, str]]:
    """Characters that are neither escaped nor in brackets, with their offsets."""
    found, at, inside = [], 0, False
    while at < len(source):
        char = source[at]
        if char == "\\":
            at += 2
            continue
        if inside:
            inside = char != "]"
        elif char == "[":
            inside = True
            at += 1 if source.startswith("^", at + 1) else 0
            at += 1 if source.startswith("]", at + 1) else 0
        else:
            found.append((at, char))
        at += 1
    return found


def _flags(text: str) -> dict[str, str]:
    """Flags in lower case with what follows their `=`."""
    if not (text.startswith("[") and text.endswith("]")):
        raise NotTranslatable("flags stand in brackets, without blanks")
    pairs = (flag.strip().partition("=") for flag in text[1:-1].split(","))
    return {name.lower(): value for name, _, value in pairs if name}


def _status(flags: dict[str, str], target: str) -> int:
    if target == "-":
        raise NotTranslatable("the rule only stops others; those below it get its requests")
    value = flags.get("r", flags.get("redirect"))
    if value is None:
        if target.startswith(("http://", "https://")):
            return 302
        raise NotTranslatable("a rewrite inside the server is no redirect; rules below it see the old path")
    status = _STATUS_WORDS.get(value, int(value) if value.isdecimal() else 302 if not value else 0)
    if status not in REDIRECT_STATUSES:
        raise NotTranslatable(f"`R={value}` is no redirect")
    return status


def _target(text: str, flags: dict[str, str]) -> tuple[tuple[Part, ...], bool]:
    """The parts of a substitution, and whether the query string is kept."""
    keep_query = "?" not in text
    for end in ("?%{QUERY_STRING}", "&%{QUERY_STRING}"):
        if text.endswith(end):
            text, keep_query = text.removesuffix(end), True
    text = text.removesuffix("?")
    keep_query = (keep_query or "qsa" in flags or "qsappend" in flags) and not flags.keys() & {
        "qsd",
        "qsdiscard",
    }
    escaped = not flags.keys() & {"ne", "noescape"}
    parts: list[Part] = []
    end_of_last = 0
    for found in _REFERENCE.finditer(text):
        parts.append(_plain(text[end_of_last : found.start()], escaped))
        parts.append(_reference(found, escaped))
        end_of_last = found.end()
    parts.append(_plain(text[end_of_last:], escaped))
    if parts[0] and isinstance(parts[0], str) and not parts[0].startswith(("/", "http://", "https://")):
        raise NotTranslatable("where a target without `/` at its beginning leads depends on directories")
    return redirects.joined(parts), keep_query


def _plain(text: str, escaped: bool) -> str:
    """Text of the target; without `NE` Apache encodes `%` and `#`."""
    return text.replace("%", "%25").replace("#", "%23") if escaped else text


def _reference(found: re.Match[str], escaped: bool) -> Part:
    if found[1] is not None:
        return _plain(found[1], escaped)
    if found[2] is not None:
        return Group(int(found[2]))
    if found[3] is not None:
        return Value(f'match["c{found[3]}"]')
    if found[4] is not None:
        return Value(_field(found[0]))
    raise NotTranslatable("a `RewriteMap` has no counterpart")


def _texts(conditions: list[Condition], used: frozenset[int]) -> list[str]:
    """The conditions as expressions that hold together; `used` are groups of the last one."""
    if used:
        last = conditions[-1] if conditions else None
        if last is None or last.pattern is None or (len(conditions) > 1 and conditions[-2].or_next):
            raise NotTranslatable(f"nothing captures `%{min(used)}`")
        if max(used) > last.pattern.count or min(used) < 1:
            raise NotTranslatable(f"nothing captures `%{max(used) or 0}`")
    found: list[str] = []
    alternatives: list[str] = []
    for index, one in enumerate(conditions):
        is_last = index == len(conditions) - 1
        alternatives.append(one.capturing(used) if is_last else one.expression)
        if not one.or_next or is_last:
            found.append(" or ".join(alternatives))
            alternatives = []
    return found


def _constant(pattern: str, field: str, ignore_case: bool) -> str | None:
    """The only text that the pattern fits, when there is one."""
    found = _LITERAL.fullmatch(pattern)
    if pattern.startswith("="):
        text = pattern[1:]
    elif found is not None:
        text = re.sub(r"\\(.)", r"\1", found[1])
    else:
        return None
    if field == HOST.expression:
        return text.lower()
    return None if ignore_case and text.lower() != text.upper() else text


def _field(text: str) -> str:
    found = _VARIABLE.fullmatch(text)
    if found is not None and found[1].startswith("HTTP:"):
        return f"request.headers[{quoting.constant(found[1].removeprefix('HTTP:').lower())}]"
    if found is None or found[1] not in _FIELDS:
        raise NotTranslatable(f"`{text}` has no counterpart")
    return _FIELDS[found[1]]
