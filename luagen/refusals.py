"""What of Python policies do not use: what it is called, why not, and what to write instead.

Kept apart from the checks so that the wording can be read as a list.
"""

from __future__ import annotations

import ast

from luagen.checker import Checker
from luagen.diagnostics import Code, nearest, quoted
from luagen.model import Type
from luagen.vocabulary import METHODS as KNOWN_METHODS
from luagen.vocabulary import with_article

# node type → (what it is, what to write instead)
_NODES: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lambda: ("a lambda", "write the condition itself, or give it a name in `[names]`"),
    ast.Dict: ("a dictionary", "put constants into `[lists]` and test membership with `in`"),
    ast.SetComp: ("a comprehension of a set", "write it in brackets: `[… for x in …]`"),
    ast.DictComp: ("a comprehension of a dictionary", "write it in brackets: `[… for x in …]`"),
    ast.GeneratorExp: ("a generator of its own", "it stands in `any(…)`, `all(…)` or `.join(…)`"),
    ast.NamedExpr: ("`:=`", "give the expression a name in `[names]`"),
    ast.Starred: ("`*`", "write the elements out, or declare them in `[lists]`"),
    ast.Await: ("`await`", "lightgate waits by itself where it must"),
    ast.Yield: ("`yield`", "write a condition"),
    ast.YieldFrom: ("`yield from`", "write a condition"),
}

_OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Div: ("/", "all numbers are integers: write `//`, which rounds down"),
    ast.Pow: ("**", "write the number out, or multiply with `*`"),
    ast.MatMult: ("@", "write `*`"),
    ast.BitAnd: ("&", "write `and`"),
    ast.BitOr: ("|", "write `or`"),
    ast.BitXor: ("^", "write `!=` between two conditions"),
    ast.LShift: ("<<", "multiply with `*`"),
    ast.RShift: (">>", "divide with `//`"),
    ast.UAdd: ("+", "leave it out"),
    ast.Invert: ("~", "write `not`"),
    ast.Is: ("is", "write `==`"),
    ast.IsNot: ("is not", "write `!=`"),
}

_LISTED = 6  # more names than this are not listed in a message
_BY_NETWORK = 'test with `in`: `request.ip in "10.0.0.0/8"`'
STRINGS_BY_PERCENT = 'put text together with a template or an f-string: f"{request.host}:{request.port}"'

# Functions of Python that people reach for.
FUNCTIONS: dict[str, str] = {
    "bool": "a condition needs no conversion",
    "set": "write the constants in braces or parentheses",
    "tuple": "write the constants in parentheses",
    "list": "write the constants in parentheses",
    "sum": "add numbers with `+`",
    "abs": "write `max(x, -x)`",
    "divmod": "write `//` and `%`",
    "pow": "write the number out, or multiply with `*`",
    "round": "all numbers are integers",
    "float": "all numbers are integers: write `int(…)`",
    "format": 'write an f-string: f"{request.port:>6}"',
    "hash": "write `percent(…)`: 0 to 99, always the same for the same text",
    "print": "the action `log` writes a line",
    "isinstance": "types are known when the policy is checked",
    "sorted": "sequences stay in their order",
    "reversed": "the last element is `x[-1]`",
    "map": "write `[… for x in …]`",
    "filter": "write `[x for x in … if …]`",
    "range": "the elements of a sequence are reached by `for x in …`",
    "enumerate": "the elements of a sequence are reached by `for x in …`",
    "zip": "a generator goes through one sequence",
    "re": 'write `matches(r"…", text)`',
    "time": "the time is `now`, `time.hour`, …",
    "datetime": "the time is `now`, `time.hour`, …; a constant one is `timestamp(…)`",
    "random": "write `percent(…)`: 0 to 99, always the same for the same text",
    "size": "write `len(…)`",
    "length": "write `len(…)`",
    "has": "what is absent reads as empty, and a claim that is absent never matches",
    "exists": "what is absent reads as empty, and a claim that is absent never matches",
    "lower": "write `.lower()` behind the text",
    "upper": "write `.upper()` behind the text",
    "starts_with": "write `.startswith(…)` behind the text",
    "ends_with": "write `.endswith(…)` behind the text",
    "contains": 'write `"part" in text`',
    "concat": "write an f-string or `+`",
    "regex": 'write `matches(r"…", text)`',
    "fnmatch": 'write `glob("…", text)`',
    "in_network": _BY_NETWORK,
    "ip_in_range": _BY_NETWORK,
    "ipaddress": _BY_NETWORK,
}

# Fields of a request in other servers and languages.
FIELDS: dict[str, str] = {
    "url": "write `request.path`, and `request.query` for what stands behind the `?`",
    "uri": "write `request.path`, and `request.query` for what stands behind the `?`",
    "body": "no rule reads the body: it has not arrived when rules decide",
    "protocol": "write `request.http_version` or `request.scheme`",
    "version": "write `request.http_version`",
    "verb": "write `request.method`",
    "hostname": "write `request.host`",
    "domain": "write `request.host`",
    "user_agent": 'write `request.headers["user-agent"]`',
    "referer": 'write `request.headers["referer"]`',
    "remote_addr": "write `request.ip`",
    "remote_ip": "write `request.ip`",
    "client_ip": "write `request.ip`",
    "params": "write `request.args`",
    "form": "no rule reads the body: it has not arrived when rules decide",
    "auth": "who calls is `identity.sub`, `identity.roles`, …",
    "user": "who calls is `identity.sub`, `identity.roles`, …",
    "time": "the time is `now`, `time.hour`, …",
}

# Methods of Python's strings, sequences and maps that people reach for.
METHODS: dict[str, str] = {
    "casefold": "write `.lower()`",
    "swapcase": "write `.lower()` or `.upper()`",
    "title": "write `.lower()` or `.upper()`",
    "capitalize": "write `.lower()` or `.upper()`",
    "rsplit": 'split from the front: `.split("/")`',
    "splitlines": 'write `.split("\\n")`',
    "partition": 'write `.split("=", 1)`',
    "rpartition": "write `.rfind(…)` and a slice: `x[:x.rfind(…)]`",
    "index": "write `.find(…)`: it gives -1 instead of an error",
    "rindex": "write `.rfind(…)`: it gives -1 instead of an error",
    "format": 'write a template or an f-string: f"{request.host}"',
    "format_map": 'write a template or an f-string: f"{request.host}"',
    "zfill": 'write a format specification: f"{request.port:06}"',
    "center": 'write a format specification: f"{request.host:^20}"',
    "ljust": 'write a format specification: f"{request.host:<20}"',
    "rjust": 'write a format specification: f"{request.host:>20}"',
    "isnumeric": "write `.isdigit()`",
    "isdecimal": "write `.isdigit()`",
    "encode": "all strings are bytes already",
    "decode": "all strings are bytes",
    "match": 'write `matches(r"^…", text)`',
    "search": 'write `matches(r"…", text)`',
    "fullmatch": 'write `matches(r"^…$", text)`',
    "matches": 'write `matches(r"…", text)`',
    "contains": 'write `"x" in …`',
    "includes": 'write `"x" in …`',
    "exists": "write `any(… for x in …)`",
    "size": "write `len(…)`",
    "length": "write `len(…)`",
    "substring": "write a slice: `x[1:3]`",
    "toLowerCase": "write `.lower()`",
    "has_role": 'write `"admin" in identity.roles`',
    "hasRole": 'write `"admin" in identity.roles`',
    "group": 'write `match["name"]`',
    "keys": 'test with `in`: `"x" in request.headers`',
    "values": 'read one value: `request.headers["x"]`',
    "items": 'read one value: `request.headers["x"]`',
    "getlist": 'write `request.args.getall("x")`',
    "get_all": 'write `request.args.getall("x")`',
    "getall": "only `request.args` has it; repeated fields are joined by `, `, of cookies the first counts",
}


# How values are tested that have no methods.
_TESTS = {
    Type.ADDRESS: _BY_NETWORK,
    Type.ROLES: 'test with `in`: `"admin" in identity.roles`',
}


def node(found: ast.AST) -> tuple[str, str]:
    """What `found` is, in words, and what to write instead."""
    return _NODES.get(type(found), ("this", "the reference of the policy file lists what there is"))


def operator(found: ast.AST) -> tuple[str, str]:
    """The operator's sign and what to write instead."""
    return _OPERATORS[type(found)]


def none(*, negated: bool) -> str:
    """What to write instead of `is None` and `is not None`."""
    form = '`"x" in request.headers`' if negated else '`"x" not in request.headers`'
    return f"what is absent reads as an empty string: write `{'x' if negated else 'not x'}`, or {form}"


def as_text(type: Type) -> str | None:
    """How a value of this type, which is no text, gets into one."""
    return {
        Type.ROLES: 'join them: `",".join(identity.roles)`',
        Type.STRINGS: 'join them: `",".join(…)`',
        Type.IDENTITY: "write one of its fields, such as `identity.sub`",
        Type.STRING_MAP: 'read one value, such as `request.headers["accept"]`',
        Type.ADDRESS: "for proxied applications lighttpd adds `X-Forwarded-For`; others have `REMOTE_ADDR`",
        Type.BOOLEAN: 'write both texts: `"yes" if … else "no"`',
    }.get(type)


def refuse_member(receiver: Type, node: ast.Attribute, checker: Checker, *, called: bool) -> None:
    """Reports that values of this type have nothing of that name."""
    end = checker.region.offsets(node)[1]
    names = [method.name for method in KNOWN_METHODS if method.receiver is receiver]
    if receiver is Type.CLAIM and not called:
        message = f"{quoted(node.attr)} is no field of a claim"
        help_text = f'write its name in brackets: `["{node.attr[:40]}"]`'
    elif receiver is Type.STRING_MAP and not called:
        message = f"{quoted(node.attr)} is no field of {with_article(receiver)}"
        help_text = f'write the name in brackets: `["{node.attr[:40]}"]`'
    elif not called and node.attr in names:
        message = f"{quoted(node.attr)} is a method and must be called"
        help_text = f"write `.{node.attr}(…)`"
    else:
        what = "method" if called else "field"
        message = f"{quoted(node.attr)} is no {what} of {with_article(receiver)}"
        found = nearest(node.attr, names)
        listed = ", ".join(f"`{name}`" for name in names[:_LISTED])
        if len(names) > _LISTED:
            listed = f"the methods of {with_article(receiver)} are listed in the reference of the policy file"
        else:
            listed = f"there is {listed}"
        help_text = METHODS.get(node.attr) or (
            f"did you mean `{found}`?" if found else listed if names else _TESTS.get(receiver, "it has none")
        )
    place = checker.region.part(end - len(node.attr), end)
    checker.error(Code.UNKNOWN_METHOD, message, place, help=help_text)
