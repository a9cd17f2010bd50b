"""nginx's variables, targets and conditions as those of a policy. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping

from luagen.imports import quoting
from luagen.imports.redirects import HOST, PATH, RAW_PATH, SCHEME, Group, Part, Value, joined
from luagen.imports.regex import Pattern
from luagen.imports.result import NotTranslatable

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_QUERY = re.compile(r"(?:\?|\$\{?is_args\}?)\$\{?(?:args|query_string)\}?$")
_FIELDS = {
    "host": HOST.expression,
    "http_host": HOST.expression,
    "scheme": SCHEME.expression,
    "request_method": "request.method",
    "uri": PATH.expression,
    "document_uri": PATH.expression,
    "args": "request.query",
    "query_string": "request.query",
}


def target(text: str, constants: Mapping[str, str], pattern: Pattern | None) -> tuple[tuple[Part, ...], bool]:
    """The parts of a target, and whether the query string is kept. Raises NotTranslatable.

    `constants` has variables whose value is known; `pattern` is what `$1` refers to.
    """
    keep_query = False
    shortened = _QUERY.sub("", text)
    if shortened != text:
        text, keep_query = shortened, True
    if text.endswith(("$request_uri", "${request_uri}")):
        keep_query = True
    parts: list[Part] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        parts.append(text[end : found.start()])
        parts.append(_part(found[1] or found[2], constants, pattern, is_last=found.end() == len(text)))
        end = found.end()
    if "$" in text[end:]:
        raise NotTranslatable("a `$` stands without the name of a variable")
    return joined([*parts, text[end:]]), keep_query


def condition(words: tuple[str, ...]) -> tuple[str, str, str]:
    """`if (…)` as variable, operator (or `""`) and operand. Raises NotTranslatable."""
    text = " ".join(words).strip()
    if not (text.startswith("(") and text.endswith(")")):
        raise NotTranslatable("the condition stands in no parentheses")
    text = text[1:-1].strip()
    if text.startswith(("-", "!-")):
        raise NotTranslatable("whether a file exists is not known to a policy")
    found = re.fullmatch(r"\$\{?([A-Za-z0-9_]+)\}?\s*(?:(=|!=|~\*|~|!~\*|!~)\s*(.*))?", text, re.DOTALL)
    if found is None:
        raise NotTranslatable("the condition is none of a variable")
    return found[1], found[2] or "", found[3] or ""


def comparison(variable: str, operator: str, operand: str) -> tuple[str, ...]:
    """The expressions that hold together when `variable = operand` or `!=` does. Raises NotTranslatable."""
    if "$" in operand:
        raise NotTranslatable("the comparison is not with a constant")
    equal = operator == "="
    if variable == "https":
        if operand not in ("on", ""):
            raise NotTranslatable(f"`$https` is never `{operand}`")
        scheme = "https" if (operand == "on") is equal else "http"
        return (f'request.scheme == "{scheme}"',)
    if variable == "request_uri":
        path, _, query = operand.partition("?")
        both = (
            f"request.raw_path == {quoting.constant(path)}",
            f"request.query == {quoting.constant(query)}",
        )
        return both if equal else (f"not ({' and '.join(both)})",)
    if variable == "remote_addr":
        return (f"request.ip {'==' if equal else '!='} {quoting.constant(operand)}",)
    if variable in ("host", "http_host"):
        operand = operand.lower()
    return (f"{field(variable)} {'==' if equal else '!='} {quoting.constant(operand)}",)


def field(variable: str) -> str:
    """The field of a policy that a variable is. Raises NotTranslatable."""
    if variable in _FIELDS:
        return _FIELDS[variable]
    for prefix, name in (("arg_", "args"), ("cookie_", "cookies"), ("http_", "headers")):
        if variable.startswith(prefix):
            key = variable.removeprefix(prefix)
            key = key.replace("_", "-") if name == "headers" else key
            return f"request.{name}[{quoting.constant(key)}]"
    raise NotTranslatable(f"`${variable}` has no counterpart")


def _part(name: str, constants: Mapping[str, str], pattern: Pattern | None, *, is_last: bool) -> Part:
    if name in constants:
        return constants[name]
    if pattern is not None and (number := pattern.number(name)) is not None:
        return Group(number)
    if name.isdecimal():
        raise NotTranslatable(f"nothing captures `${name}`")
    if name == "request_uri":
        if not is_last:
            raise NotTranslatable("`$request_uri` has a query string, after which nothing can follow")
        return RAW_PATH
    if name in ("args", "query_string", "is_args"):
        raise NotTranslatable("the query string is not kept as a whole, at the end")
    return Value(field(name))
