"""Tables of header fields and variables in an action: the names they may have, and the values' templates."""

from __future__ import annotations

from collections.abc import Callable

from luagen import expression, names
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code, quoted
from luagen.document import Array, Entry, Table, Text, Value, kind
from luagen.model import And, Concatenation, Conditional, Expression, Join, Literal, NamedValue, Or
from luagen.source import Span
from luagen.texts import has_controls

WhyNot = Callable[[str], str | None]  # why a policy may not set a name, or None when it may

_FIELD_HELP = "it has letters, digits and any of !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)"
_VARIABLE_HELP = "it has letters, digits and `_`, does not begin with a digit and has at most 64"


def fields(table: Table, key: str, why_not: WhyNot, context: ActionContext) -> tuple[NamedValue, ...]:
    """The header fields under `key`; mistakes are reported."""
    return _named_values(table, key, _is_field, why_not, context)


def variables(table: Table, key: str, why_not: WhyNot, context: ActionContext) -> tuple[NamedValue, ...]:
    """The variables under `key`; mistakes are reported."""
    return _named_values(table, key, _is_variable, why_not, context)


def field_names(entry: Entry, key: str, why_not: WhyNot, context: ActionContext) -> tuple[str, ...] | None:
    """The names in an array of header fields, each once; None when mistakes were reported."""
    values: list[Value] = entry.value.values if isinstance(entry.value, Array) else [entry.value]
    if not values:
        context.bag.error(Code.INVALID_VALUE, f"`{key}` names nothing", entry.value.span)
    found: dict[str, str] = {}
    for value in values:
        if not isinstance(value, Text):
            message = f"`{key}` takes names of header fields, not {kind(value)}"
            context.bag.error(Code.WRONG_TYPE, message, value.span, help='such as `["X-Debug"]`')
            continue
        name = Entry(value.value, value.span, value)
        if not _is_field(name, context) or not may_set(name, key, why_not, context):
            continue
        normal = names.normal_form(value.value)
        if normal in found:
            message = f"{quoted(value.value)} stands here twice"
            context.bag.error(Code.DUPLICATE_NAME, message, value.span)
        found.setdefault(normal, value.value)
    return tuple(found.values()) if len(found) == len(values) and found else None


def template(text: Text, context: ActionContext) -> Expression | None:
    """A template whose constant text can stand in a header field or variable."""
    value = expression.value_of_template(text, context.scope, context.bag)
    if value is None:
        return None
    for constant, span in _constants(value):
        if has_controls(constant):
            message = "a control character would stand in the value"
            context.bag.error(Code.CONTROL_CHARACTER, message, span)
            return None
    return value


def _named_values(
    table: Table,
    key: str,
    is_good_name: Callable[[Entry, ActionContext], bool],
    why_not: WhyNot,
    context: ActionContext,
) -> tuple[NamedValue, ...]:
    if not table.entries:
        context.bag.error(Code.INVALID_VALUE, f"`{key}` sets nothing", table.span)
    found: list[NamedValue] = []
    here: set[str] = set()
    for entry in table.entries.values():
        if not is_good_name(entry, context) or not may_set(entry, key, why_not, context):
            continue
        _meets_another(entry, key, here, context)
        if not isinstance(entry.value, Text):
            message = f"{quoted(entry.key)} takes a template, not {kind(entry.value)}"
            help_text = "a template is a string in which expressions stand in braces"
            context.bag.error(Code.WRONG_TYPE, message, entry.value.span, help=help_text)
            continue
        value = template(entry.value, context)
        if value is not None:
            found.append(NamedValue(name=entry.key, value=value, span=entry.span))
    return tuple(found)


def _is_field(entry: Entry, context: ActionContext) -> bool:
    if names.is_token(entry.key):
        return True
    message = f"{quoted(entry.key)} cannot be the name of a header field"
    context.bag.error(Code.INVALID_NAME, message, entry.span, help=_FIELD_HELP)
    return False


def _is_variable(entry: Entry, context: ActionContext) -> bool:
    if names.is_variable(entry.key):
        return True
    message = f"{quoted(entry.key)} cannot be the name of a variable"
    context.bag.error(Code.INVALID_NAME, message, entry.span, help=_VARIABLE_HELP)
    return False


def may_set(entry: Entry, key: str, why_not: WhyNot, context: ActionContext) -> bool:
    """Whether a policy may set the name; the reason why not is reported."""
    reason = why_not(entry.key)
    if reason is None:
        return True
    verb = next((verb for verb in ("add", "remove") if key.startswith(f"{verb}_")), "set")
    context.bag.error(
        Code.RESERVED_NAME, f"`{key}` cannot {verb} {quoted(entry.key)}", entry.span, help=reason
    )
    return False


def _meets_another(entry: Entry, key: str, here: set[str], context: ActionContext) -> None:
    """Reports a name that an application could take for another one of the policy."""
    normal = names.normal_form(entry.key)
    spelling = context.spellings.setdefault((key, normal), entry.key)
    if normal not in here and spelling.lower() == entry.key.lower():
        here.add(normal)
        return
    message = f"{quoted(entry.key)} and {quoted(spelling)} are one name for some applications"
    help_text = "CGI has neither case nor punctuation in names: use one spelling"
    context.bag.error(Code.DUPLICATE_NAME, message, entry.span, help=help_text)


def _constants(value: Expression) -> list[tuple[str, Span]]:
    """The constants that can become part of the text, and where they stand."""
    match value:
        case Literal(value=str(text), span=span) | Join(separator=text, span=span):
            return [(text, span)]
        case Concatenation(parts=parts) | And(operands=parts) | Or(operands=parts):
            return [constant for part in parts for constant in _constants(part)]
        case Conditional(then=then, otherwise=otherwise):
            return [*_constants(then), *_constants(otherwise)]
        case _:
            return []
