"""`security_headers`: header fields that make browsers careful, as a set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import names
from luagen.actions import named_values
from luagen.actions.context import ActionContext
from luagen.actions.response_headers import SetResponseHeaders
from luagen.actions.value_actions import GivesValues
from luagen.diagnostics import Code, did_you_mean, quoted
from luagen.document import Entry, Table, Text, kind
from luagen.model import Compare, Comparison, Conditional, Expression, Field, Literal, NamedValue, Type
from luagen.source import Span

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


class Preset(StrEnum):
    BASIC = "basic"
    STRICT = "strict"


_HSTS = "Strict-Transport-Security"

# What each set has; docs/policy.md shows exactly this.
PRESETS: dict[Preset, dict[str, str]] = {
    # Breaks no site that does not live in other sites' frames.
    Preset.BASIC: {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    },
    # For sites that load everything from themselves and have no scripts inside their pages.
    Preset.STRICT: {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": (
            "default-src 'self'; object-src 'none'; base-uri 'self'; "
            "form-action 'self'; frame-ancestors 'none'"
        ),
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        _HSTS: "max-age=31536000",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityHeaders(GivesValues):
    """Sets the fields of a preset, changed by the policy, in place of the application's."""

    key: ClassVar[str] = "security_headers"
    takes: ClassVar[str] = '`"basic"`, `"strict"` or a table'
    doc: ClassVar[str] = "header fields that make browsers careful"
    function: ClassVar[str] = SetResponseHeaders.function
    sets_what: ClassVar[str | None] = SetResponseHeaders.sets_what

    preset: Preset
    values: tuple[NamedValue, ...]

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        match entry.value:
            case Text() as text:
                preset = _preset(text, context)
                return None if preset is None else cls(preset=preset, values=_fields(preset, (), text.span))
            case Table() as table:
                return cls._changed(table, context)
            case other:
                message = f"`{cls.key}` takes {cls.takes}, not {kind(other)}"
                context.bag.error(Code.WRONG_TYPE, message, other.span)
                return None

    @classmethod
    def _changed(cls, table: Table, context: ActionContext) -> Self | None:
        entry = table.entries.get("preset")
        if entry is None:
            help_text = '`preset = "basic"` or `preset = "strict"`'
            message = f"`{cls.key}` needs the key `preset`"
            context.bag.error(Code.MISSING_KEY, message, table.span, help=help_text)
            return None
        if not isinstance(entry.value, Text):
            message = f"`preset` takes a string, not {kind(entry.value)}"
            context.bag.error(Code.WRONG_TYPE, message, entry.value.span)
            return None
        preset = _preset(entry.value, context)
        others = Table({key: other for key, other in table.entries.items() if key != "preset"}, table.span)
        changes = (
            named_values.fields(others, cls.key, names.why_no_response_field, context)
            if others.entries
            else ()
        )
        if preset is None:
            return None
        return cls(preset=preset, values=_fields(preset, changes, entry.value.span))

    def give(self, turn: Turn, name: str, value: bytes) -> None:
        turn.set_response_header(name, value)


def _preset(text: Text, context: ActionContext) -> Preset | None:
    if text.value in list(Preset):
        return Preset(text.value)
    message = f"there is no preset {quoted(text.value)}"
    help_text = did_you_mean(text.value, list(Preset)) or 'there is `"basic"` and `"strict"`'
    context.bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
    return None


def _fields(preset: Preset, changes: tuple[NamedValue, ...], span: Span) -> tuple[NamedValue, ...]:
    """The preset's fields without those that are changed, then the changed ones; an empty text leaves a
    field to the application."""
    changed = {change.name.lower() for change in changes}
    kept = [
        NamedValue(name=name, value=_value(name, text, span), span=span)
        for name, text in PRESETS[preset].items()
        if name.lower() not in changed
    ]
    return (*kept, *(change for change in changes if not _is_empty(change.value)))


def _value(name: str, text: str, span: Span) -> Expression:
    value = Literal(span=span, type=Type.STRING, value=text)
    if name != _HSTS:
        return value
    # It must not be sent over plain HTTP (RFC 6797 section 7.2).
    is_https = Compare(
        span=span,
        type=Type.BOOLEAN,
        operator=Comparison.EQ,
        left=Field(span=span, type=Type.STRING, name="request.scheme"),
        right=Literal(span=span, type=Type.STRING, value="https"),
    )
    nothing = Literal(span=span, type=Type.STRING, value="")
    return Conditional(span=span, type=Type.STRING, condition=is_https, then=value, otherwise=nothing)


def _is_empty(value: Expression) -> bool:
    return isinstance(value, Literal) and value.value == ""
