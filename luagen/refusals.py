"""What of Python policies do not use: what it is called, why not, and what to write instead.

Kept apart from the checks so that the wording can be read as a list.
"""

from __future__ import annotations

import ast

# node type → (what it is, what to write instead)
_NODES: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lambda: ("a lambda", "write the condition itself, or give it a name in `[names]`"),
    ast.IfExp: ("`… if … else …`", "write two rules, or `x or y` for a value with a fallback"),
    ast.Dict: ("a dictionary", "put constants into `[lists]` and test membership with `in`"),
    ast.ListComp: ("a comprehension", "there are no loops; test membership with `in`"),
    ast.SetComp: ("a comprehension", "there are no loops; test membership with `in`"),
    ast.DictComp: ("a comprehension", "there are no loops; test membership with `in`"),
    ast.GeneratorExp: ("a generator", "there are no loops; test membership with `in`"),
    ast.NamedExpr: ("`:=`", "give the expression a name in `[names]`"),
    ast.Starred: ("`*`", "write the elements out, or declare them in `[lists]`"),
    ast.Await: ("`await`", "lightgate waits by itself where it must"),
    ast.Yield: ("`yield`", "write a condition"),
    ast.YieldFrom: ("`yield from`", "write a condition"),
    ast.Slice: ("a slice", "test with `.startswith(…)`, `.endswith(…)` or `in`"),
}

_OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Sub: ("-", "numbers are only compared"),
    ast.Mult: ("*", "numbers are only compared"),
    ast.Div: ("/", "numbers are only compared"),
    ast.FloorDiv: ("//", "numbers are only compared"),
    ast.Mod: ("%", 'put text together with a template or an f-string: f"{request.host}:{request.port}"'),
    ast.Pow: ("**", "numbers are only compared"),
    ast.MatMult: ("@", "numbers are only compared"),
    ast.BitAnd: ("&", "write `and`"),
    ast.BitOr: ("|", "write `or`"),
    ast.BitXor: ("^", "write `!=` between two conditions"),
    ast.LShift: ("<<", "numbers are only compared"),
    ast.RShift: (">>", "numbers are only compared"),
    ast.UAdd: ("+", "leave it out"),
    ast.USub: ("-", "numbers are only compared"),
    ast.Invert: ("~", "write `not`"),
    ast.Is: ("is", "write `==`"),
    ast.IsNot: ("is not", "write `!=`"),
}

# Functions of Python that people reach for.
FUNCTIONS: dict[str, str] = {
    "any": "write the alternatives with `or`, or test membership with `in`",
    "all": "write the conditions with `and`",
    "len": "a text or the roles are false when empty: write `not request.query`",
    "bool": "a condition needs no conversion",
    "str": "in a template, `{request.port}` is written as text by itself",
    "int": "only `request.port` is a number",
    "set": "write the constants in braces or parentheses",
    "tuple": "write the constants in parentheses",
    "list": "write the constants in parentheses",
    "min": "numbers are only compared",
    "max": "numbers are only compared",
}

# Methods of Python's strings, roles and maps that people reach for.
METHODS: dict[str, str] = {
    "lower": "hosts and field names are already in lower case; list other spellings after `in`",
    "upper": "list the spellings after `in`",
    "casefold": "list the spellings after `in`",
    "strip": "field values arrive without blanks around them",
    "split": "test with `in`, `.startswith(…)` or `.endswith(…)`",
    "find": "test with `in`",
    "index": "test with `in`",
    "count": "test with `in`",
    "replace": "policies test text and put it together, they do not rewrite it",
    "format": 'write a template or an f-string: f"{request.host}"',
    "match": "test with `.startswith(…)`, `.endswith(…)`, `in` or `==`",
    "fullmatch": "test with `.startswith(…)`, `.endswith(…)`, `in` or `==`",
    "keys": 'test with `in`: `"x" in request.headers`',
    "values": 'read one value: `request.headers["x"]`',
    "items": 'read one value: `request.headers["x"]`',
    "removeprefix": "policies test text and put it together, they do not rewrite it",
    "removesuffix": "policies test text and put it together, they do not rewrite it",
}


def node(found: ast.AST) -> tuple[str, str]:
    """What `found` is, in words, and what to write instead."""
    return _NODES.get(type(found), ("this", "the reference of the policy file lists what there is"))


def operator(found: ast.AST) -> tuple[str, str]:
    """The operator's sign and what to write instead."""
    return _OPERATORS[type(found)]
