"""Names and dotted names: fields, what the policy declares, and variables of generators."""

from __future__ import annotations

import ast
from dataclasses import replace

from luagen.checker import Checker
from luagen.diagnostics import Code, did_you_mean, nearest, quoted
from luagen.model import Expression, Field, Literal, NetworkSet, StringSet, Type
from luagen.refusals import FIELDS as OTHER_FIELDS
from luagen.refusals import refuse_member
from luagen.scope import NamedExpression
from luagen.source import Span
from luagen.texts import literal_text
from luagen.vocabulary import FIELDS, FUNCTIONS, ROOTS

MAX_NODES = 5000  # of one expression with its names written out: names can double in every line

# What has fields and is no value itself.
_GROUPS = {
    "request": "the request",
    "request.tls": "`request.tls`",
    "time": "`time`",
    "identity": "an identity",
}


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` as text when the expression is nothing else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join((node.id, *reversed(names)))


def name(node: ast.Name, checker: Checker) -> Expression | None:
    scope, span, found = checker.scope, checker.span(node), node.id
    if found in checker.variables:
        return checker.variables[found]
    if found in ROOTS:
        return _root(found, node, checker)
    if found in scope.lists:
        scope.used.add(found)
        declared = scope.lists[found]
        if declared is None:
            return None
        if declared.networks:
            return NetworkSet(span=span, type=Type.NETWORK_SET, values=declared.networks, name=found)
        return StringSet(span=span, type=Type.STRING_SET, values=declared.strings, name=found)
    if found in scope.names:
        entry = scope.names[found]
        expression = written_out(entry, span, checker)
        if expression is not None and entry.is_condition:
            checker.error(
                Code.TYPE_MISMATCH,
                f"{quoted(found)} is a condition and cannot be used as a value",
                node,
                help="its `and` or `or` joins operands of several types, so only its truth is defined",
            )
            return None
        return expression
    _refuse_unknown(found, node, checker)
    return None


def written_out(entry: NamedExpression, span: Span, checker: Checker) -> Expression | None:
    """The expression of an entry of [names], used at `span`."""
    checker.scope.used.add(entry.name)
    checker.counts.nodes += entry.nodes
    if checker.counts.nodes > MAX_NODES:
        checker.error(
            Code.LIMIT_EXCEEDED,
            f"the expression has more than {MAX_NODES} parts with its names written out",
            span,
            help="split it over several rules",
        )
        return None
    return entry.expression


def attribute(node: ast.Attribute, checker: Checker) -> Expression | None:
    path = dotted(node)
    root = None if path is None else path.partition(".")[0]
    if path is None or root not in ROOTS or root in checker.variables:
        receiver = checker.value(node.value)
        if receiver is not None:
            refuse_member(receiver.type, node, checker, called=False)
        return None
    if path in FIELDS:
        return _field(path, node, checker)
    owner = path.rpartition(".")[0]
    if path in _GROUPS:
        _refuse_group(path, node, checker)
    elif owner == "env":
        return _constant(node, checker)
    elif owner in FIELDS and owner != "identity":
        refuse_member(FIELDS[owner].type, node, checker, called=False)
    elif path in FUNCTIONS:
        message, help_text = f"`{path}` is a function and must be called", f"write `{FUNCTIONS[path].form}`"
        checker.error(Code.TYPE_MISMATCH, message, node, help=help_text)
    elif owner in _GROUPS:
        candidates = [name for name in FIELDS if name.startswith(f"{owner}.")]
        close = nearest(node.attr, [name.removeprefix(f"{owner}.") for name in candidates])
        instead = OTHER_FIELDS.get(node.attr) if owner == "request" else None
        checker.error(
            Code.UNKNOWN_FIELD,
            f"{_GROUPS[owner]} has no field {quoted(node.attr)}",
            node,
            label="not in the vocabulary",
            help=instead or f"did you mean `{owner}.{close}`?"
            if instead or close
            else f"there are {', '.join(f'`{name}`' for name in candidates)}",
        )
    else:
        receiver = checker.value(node.value)  # reports the part that is unknown
        if receiver is not None:
            refuse_member(receiver.type, node, checker, called=False)
    return None


def _root(found: str, node: ast.Name, checker: Checker) -> Expression | None:
    if found in FIELDS:
        return _field(found, node, checker)
    if found in _GROUPS:
        _refuse_group(found, node, checker)
    else:
        help_text = {
            "env": "write one of the constants of `[env]`, such as `env.NAME`",
            "match": 'write a named group of the pattern in `when`, such as `match["id"]`',
        }[found]
        checker.error(Code.TYPE_MISMATCH, f"`{found}` is no value itself", node, help=help_text)
    return None


def _field(path: str, node: ast.expr, checker: Checker) -> Expression | None:
    if path == "identity.claims":
        help_text = 'read one claim, such as `identity.claims["plan"]`'
        checker.error(Code.TYPE_MISMATCH, f"`{path}` is no value itself", node, help=help_text)
        return None
    if path == "request.country" and not checker.scope.has_country:
        checker.error(
            Code.UNKNOWN_FIELD,
            "nothing says where `request.country` is from",
            node,
            help='add a table `[country]`, such as `variable = "GEOIP_COUNTRY_CODE"`',
        )
        return None
    return Field(span=checker.span(node), type=FIELDS[path].type, name=path)


def _refuse_group(path: str, node: ast.expr, checker: Checker) -> None:
    example = next(name for name in FIELDS if name.startswith(f"{path}."))
    if path == "request":
        example = "request.path"
    help_text = f"write one of its fields, such as `{example}`"
    checker.error(Code.TYPE_MISMATCH, f"`{path}` is no value itself", node, help=help_text)


def _constant(node: ast.Attribute, checker: Checker) -> Expression | None:
    """`env.NAME`."""
    env, span = checker.scope.env, checker.span(node)
    if node.attr not in env:
        checker.error(
            Code.UNKNOWN_NAME,
            f"there is no constant {quoted(node.attr)} in `[env]`",
            node,
            help=did_you_mean(node.attr, env) or "add it to the table `[env]`",
        )
        return None
    name = f"env.{node.attr}"
    checker.scope.used.add(name)
    match env[node.attr]:
        case None:
            return None
        case str(text):
            constant = literal_text(text, span, checker.bag)
            return None if constant is None else replace(constant, name=name)
        case bool(truth):
            return Literal(span=span, type=Type.BOOLEAN, value=truth, name=name)
        case number:
            return Literal(span=span, type=Type.INTEGER, value=number, name=name)


def _refuse_unknown(found: str, node: ast.Name, checker: Checker) -> None:
    if found in checker.scope.later:
        checker.error(
            Code.UNKNOWN_NAME,
            f"{quoted(found)} is not defined yet",
            node,
            help="an entry of `[names]` can use the entries above it",
        )
        return
    if found in FUNCTIONS:
        message = f"`{found}` is a function and must be called"
        checker.error(Code.TYPE_MISMATCH, message, node, help=f"write `{FUNCTIONS[found].form}`")
        return
    whole = next((field for field in FIELDS if field.partition(".")[2] == found), None)
    if found in checker.scope.env:
        whole = f"env.{found}"
    checker.error(
        Code.UNKNOWN_NAME,
        f"there is no name {quoted(found)}",
        node,
        help=f"write `{whole}`" if whole else _quote_hint(found, checker),
    )


def _quote_hint(found: str, checker: Checker) -> str:
    close = nearest(found, (*checker.variables, *checker.scope.words()))
    return f"did you mean `{close}`?" if close else f'text stands in quotes: `"{found[:40]}"`'
