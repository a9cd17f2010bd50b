"""JSON Schema (draft 2020-12) of the policy file, for editors: made from the tables that the checker uses.

An editor finds unknown keys, wrong types and missing keys with it, and shows the documentation lines; all
else is for `lightgate check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from luagen.actions import ACTIONS
from luagen.schema import TABLES, Key

Schema = dict[str, Any]

_IDENTIFIER = "https://json-schema.org/draft/2020-12/schema"
_STRING: Schema = {"type": "string"}
_STRINGS: Schema = {"type": "array", "items": _STRING}
_RANGE = re.compile(r"(?:an integer|seconds), (-?\d+) to (\d+)")
_NUMBERS = re.compile(r"\d+(?:, \d+)* or \d+")
_QUOTED = re.compile(r'`"([^"`]*)"`')

# Keys whose values are tables of their own kind, by table and key.
_TABLES_OF = {
    ("the policy", "auth"): ("by name", "auth"),
    ("the policy", "origin"): ("by name", "origin"),
    ("the policy", "site"): ("by name", "site"),
    ("the policy", "country"): ("table", "country"),
    ("the policy", "rule"): ("array", "rule"),
    ("site", "rule"): ("array", "rule"),
    ("the policy", "test"): ("array", "test"),
    ("auth", "introspection"): ("table", "introspection"),
    ("test", "request"): ("table", "test request"),
    ("test", "expect"): ("table", "test expect"),
    ("test request", "identity"): ("table", "test identity"),
}


def policy_schema() -> Schema:
    """The whole schema; tables of one kind stand once, below `$defs`."""
    return {
        "$schema": _IDENTIFIER,
        "title": "lightgate policy",
        **_table("the policy", TABLES["the policy"]),
        "$defs": {
            _slug(name): _rule() if name == "rule" else _table(name, keys)
            for name, keys in TABLES.items()
            if name != "the policy"
        },
    }


def _rule() -> Schema:
    """A rule has its own keys and exactly one action."""
    found = _table("rule", TABLES["rule"])
    for name, action in ACTIONS.items():
        value = _table(name, action.keys) if action.keys else _value(action.takes)
        if action.keys and not action.takes.startswith("a table"):
            value = {"anyOf": [_value(action.takes), value]}
        found["properties"][name] = value | {"description": action.doc}
    found["oneOf"] = [{"required": [name]} for name in ACTIONS]
    return found


def _table(name: str, keys: Iterable[Key]) -> Schema:
    found: Schema = {"type": "object", "additionalProperties": False, "properties": {}}
    required = [key.name for key in keys if key.required]
    for key in keys:
        description = key.doc if key.default is None else f"{key.doc} (default: {key.default})"
        found["properties"][key.name] = _key(name, key) | {"description": description}
    return found | ({"required": required} if required else {})


def _key(table: str, key: Key) -> Schema:
    how, inner = _TABLES_OF.get((table, key.name), ("", ""))
    reference = {"$ref": f"#/$defs/{_slug(inner)}"}
    match how:
        case "table":
            return reference
        case "by name":
            return {"type": "object", "additionalProperties": reference}
        case "array":
            return {"type": "array", "items": reference}
        case _:
            return _value(key.takes)


def _value(takes: str) -> Schema:
    """What a key takes, from the words for people; where they say no more than a type, that is all."""
    if _NUMBERS.fullmatch(takes):
        return {"enum": [int(number) for number in re.findall(r"\d+", takes)]}
    alternatives = [_single(words) for words in _alternatives(takes)]
    unique = [one for place, one in enumerate(alternatives) if one not in alternatives[:place]]
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def _alternatives(takes: str) -> list[str]:
    quoted = _QUOTED.findall(takes)
    rest = _QUOTED.sub("", takes)
    words = [word.strip(" ,") for word in re.split(r"\bor\b", rest)]
    return [f'"{"|".join(quoted)}"'] * bool(quoted) + [word for word in words if word]


def _single(words: str) -> Schema:
    limits = _RANGE.match(words)
    if limits:
        return {"type": "integer", "minimum": int(limits[1]), "maximum": int(limits[2])}
    if words.startswith('"'):
        return {"enum": words.strip('"').split("|")}
    if words.startswith("an integer"):
        return {"type": "integer"}
    if words.startswith("a boolean"):
        return {"type": "boolean"}
    if words.startswith(("a table of templates", "a table of strings")):
        return {"type": "object", "additionalProperties": _STRING}
    if words.startswith("a table"):
        return {"type": "object"}
    if words.startswith(("an array of integers", "an array of statuses")):
        return {"type": "array", "items": {"type": "integer"}}
    if words.startswith("an array"):
        return _STRINGS
    return _STRING


def _slug(name: str) -> str:
    return name.replace(" ", "-")
