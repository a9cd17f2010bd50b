"""`[[rule]]` tables to `model.Rule`."""

from __future__ import annotations

import re
from collections.abc import Callable

from luagen import expression, names, redirects
from luagen.diagnostics import Bag, Code, did_you_mean, quoted
from luagen.document import Array, Entry, Integer, Table, Text, Value, kind
from luagen.model import (
    Action,
    And,
    Concatenation,
    Expression,
    Join,
    Literal,
    NamedValue,
    Or,
    Redirect,
    Require,
    Respond,
    Rule,
    SetEnv,
    SetRequestHeaders,
    SetResponseHeaders,
    Type,
)
from luagen.schema import ACTIONS, TABLES
from luagen.scope import Scope
from luagen.source import Span
from luagen.table_reader import TableReader, no_controls

MAX_RULES = 10_000
MAX_NAME = 100  # characters of a rule's name
REDIRECT_STATUSES = (301, 302, 303, 307, 308)  # RFC 9110 section 15.4
_WITHOUT_CONTENT = (204, 205, 304)  # RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5
_DEFAULT_CONTENT_TYPE = "text/plain; charset=utf-8"
_MEDIA_TYPE = re.compile(r"[!#$&^_.+0-9A-Za-z-]+/[!#$&^_.+0-9A-Za-z-]+(?: *; *[^;]+)*")
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")  # RFC 6749 section 3.3


class RuleChecker:
    """Checks rules one by one; remembers the names that must be unique in the policy."""

    def __init__(self, scope: Scope, auth_names: tuple[str, ...], bag: Bag) -> None:
        self._scope = scope
        self._auth_names = auth_names
        self._bag = bag
        self._rules: dict[str, Span] = {}  # where each name stands
        self._spellings: dict[tuple[str, str], str] = {}  # by kind and normal form of the name

    def check(self, value: Value) -> Rule | None:
        """The rule, or None when mistakes were reported."""
        if not isinstance(value, Table):
            self._bag.error(
                Code.WRONG_TYPE,
                f"a rule is a table, not {kind(value)}",
                value.span,
                help="each rule begins with `[[rule]]`",
            )
            return None
        errors = self._bag.error_count
        read = TableReader(value, TABLES["rule"], "a rule", self._bag)
        name = self._name(read)
        when = self._when(read)
        action = self._action(read)
        if name is None or when is None or action is None or self._bag.error_count > errors:
            return None
        return Rule(name=name, when=when, action=action, span=value.span)

    def _name(self, read: TableReader) -> str | None:
        text = read.text("name")
        if text is None:
            return None
        name = text.value
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            message = f"a rule's name is one line of 1 to {MAX_NAME} printable characters"
            self._bag.error(Code.INVALID_NAME, message, text.span)
            return None
        earlier = self._rules.setdefault(name, text.span)
        if earlier is not text.span:
            message = f"there is another rule {quoted(name)}, in line {earlier.line}"
            self._bag.error(Code.DUPLICATE_NAME, message, text.span)
            return None
        return name

    def _when(self, read: TableReader) -> Expression | None:
        if read.entry("when") is None:
            return Literal(span=read.table.span, type=Type.BOOLEAN, value=True)
        text = read.text("when")
        return None if text is None else expression.condition(text, self._scope, self._bag)

    def _action(self, read: TableReader) -> Action | None:
        given = [entry for key in ACTIONS if (entry := read.entry(key)) is not None]
        given.sort(key=lambda entry: entry.span.start)
        if not given:
            listed = ", ".join(f"`{action}`" for action in ACTIONS)
            self._bag.error(
                Code.MISSING_KEY, "a rule needs an action", read.table.span, help=f"one of {listed}"
            )
            return None
        for entry in given[1:]:
            message = f"a rule has one action, and this one has `{given[0].key}` already"
            self._bag.error(Code.CONFLICTING_KEYS, message, entry.span, help="write a rule for each action")
        action = self._action_of(read, given[0])
        for entry in given[1:]:
            self._action_of(read, entry)  # for its own mistakes
        return action

    def _action_of(self, read: TableReader, entry: Entry) -> Action | None:
        table = read.inner(entry.key)
        if table is None:
            return None
        match entry.key:
            case "respond":
                return self._respond(table)
            case "redirect":
                return self._redirect(table)
            case "require":
                return self._require(table)
            case "set_request_headers":
                return SetRequestHeaders(headers=self._fields(table, entry.key, names.why_no_request_field))
            case "set_response_headers":
                return SetResponseHeaders(headers=self._fields(table, entry.key, names.why_no_response_field))
            case "set_env":
                return SetEnv(variables=self._fields(table, entry.key, names.why_no_variable))
            case _:
                raise AssertionError(f"bug in luagen: no action {entry.key}")

    # --- actions that end the request ----------------------------------------------------------------

    def _respond(self, table: Table) -> Respond | None:
        read = TableReader(table, TABLES["respond"], "`respond`", self._bag)
        status = read.integer("status", 200, 599, 0)
        text = read.text("body")
        body = None if text is None else expression.value_of_template(text, self._scope, self._bag)
        if text is not None and status in _WITHOUT_CONTENT:
            message = f"a response with status {status} has no content"
            self._bag.error(Code.CONFLICTING_KEYS, message, text.span, help="leave out `body`")
        headers = read.inner("headers")
        fields = () if headers is None else self._fields(headers, "headers", names.why_no_respond_field)
        return Respond(status=status, body=body, content_type=self._content_type(read), headers=fields)

    def _content_type(self, read: TableReader) -> str:
        text = read.text("content_type")
        if text is None or not no_controls(text, self._bag):
            return _DEFAULT_CONTENT_TYPE
        if not text.value.isascii() or _MEDIA_TYPE.fullmatch(text.value) is None:
            message = f"{quoted(text.value)} is not a media type"
            help_text = "such as `text/html; charset=utf-8` (RFC 9110 section 8.3.1)"
            self._bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
        return text.value

    def _redirect(self, table: Table) -> Redirect | None:
        read = TableReader(table, TABLES["redirect"], "`redirect`", self._bag)
        status = 302
        entry = read.entry("status")
        if entry is not None:
            if isinstance(entry.value, Integer) and entry.value.value in REDIRECT_STATUSES:
                status = entry.value.value
            elif isinstance(entry.value, Integer):
                message = f"a redirect has status 301, 302, 303, 307 or 308, not {entry.value.value}"
                help_text = "308 and 301 are for good, 307 and 302 for now; 307 and 308 keep the method"
                self._bag.error(Code.INVALID_VALUE, message, entry.value.span, help=help_text)
            else:
                read.wrong_type("status", "an integer", entry.value)
        text = read.text("to")
        if text is None:
            return None
        to = self._template(text)
        if to is None or not redirects.check(to, text.span, self._bag):
            return None
        return Redirect(to=to, status=status)

    def _require(self, table: Table) -> Require | None:
        read = TableReader(table, TABLES["require"], "`require`", self._bag)
        auth = self._auth(read)
        text = read.text("that")
        that = None if text is None else expression.condition(text, self._scope, self._bag)
        if read.entry("auth") is None and read.entry("that") is None:
            message = "`require` needs `auth`, `that` or both"
            help_text = "`auth` says who may go on, `that` what must be true"
            self._bag.error(Code.MISSING_KEY, message, table.span, help=help_text)
        scope = self._scope_of(read)
        return Require(auth=auth, that=that, scope=scope)

    def _auth(self, read: TableReader) -> tuple[str, ...]:
        found = read.strings("auth") or ()
        for text in found:
            if text.value not in self._auth_names:
                message = f"there is no table `[auth.{text.value[:40]}]`"
                self._bag.error(
                    Code.UNKNOWN_NAME, message, text.span, help=did_you_mean(text.value, self._auth_names)
                )
        return tuple(text.value for text in found)

    def _scope_of(self, read: TableReader) -> str | None:
        entry = read.entry("scope")
        text = read.text("scope")
        if entry is None or text is None:
            return None
        for needed in ("auth", "that"):
            if read.entry(needed) is None:
                message = f"`scope` has no meaning without `{needed}`"
                help_text = "it is named in the challenge to a known caller for whom `that` is false"
                self._bag.error(Code.CONFLICTING_KEYS, message, entry.span, help=help_text)
                return None
        if _SCOPE.fullmatch(text.value) is None:
            message = f"{quoted(text.value)} is not a scope"
            help_text = "words of printable ASCII with one blank between them (RFC 6749 section 3.3)"
            self._bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
        return text.value

    # --- named values --------------------------------------------------------------------------------

    def _fields(self, table: Table, key: str, why_not: Callable[[str], str | None]) -> tuple[NamedValue, ...]:
        """Header fields or variables, with those names that a policy may set."""
        is_variables = key == "set_env"
        if not table.entries:
            self._bag.error(Code.INVALID_VALUE, f"`{key}` sets nothing", table.span)
        found: list[NamedValue] = []
        here: set[str] = set()
        for entry in table.entries.values():
            if not self._may_set(entry, key, why_not, is_variables=is_variables):
                continue
            self._meets_another(entry, key, here)
            if not isinstance(entry.value, Text):
                message = f"{quoted(entry.key)} takes a template, not {kind(entry.value)}"
                help_text = "a template is a string in which expressions stand in braces"
                self._bag.error(Code.WRONG_TYPE, message, entry.value.span, help=help_text)
                continue
            template = self._template(entry.value)
            if template is not None:
                found.append(NamedValue(name=entry.key, value=template, span=entry.span))
        return tuple(found)

    def _may_set(
        self, entry: Entry, key: str, why_not: Callable[[str], str | None], *, is_variables: bool
    ) -> bool:
        if not (names.is_variable(entry.key) if is_variables else names.is_token(entry.key)):
            what = "a variable" if is_variables else "a header field"
            help_text = (
                "it has letters, digits and `_`, does not begin with a digit and has at most 64"
                if is_variables
                else "it has letters, digits and any of !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)"
            )
            message = f"{quoted(entry.key)} cannot be the name of {what}"
            self._bag.error(Code.INVALID_NAME, message, entry.span, help=help_text)
            return False
        reason = why_not(entry.key)
        if reason is not None:
            message = f"`{key}` cannot set {quoted(entry.key)}"
            self._bag.error(Code.RESERVED_NAME, message, entry.span, help=reason)
            return False
        return True

    def _meets_another(self, entry: Entry, key: str, here: set[str]) -> None:
        """Reports a name that an application could take for another one of the policy."""
        normal = names.normal_form(entry.key)
        spelling = self._spellings.setdefault((key, normal), entry.key)
        if normal not in here and spelling.lower() == entry.key.lower():
            here.add(normal)
            return
        message = f"{quoted(entry.key)} and {quoted(spelling)} are one name for some applications"
        help_text = "CGI has neither case nor punctuation in names: use one spelling"
        self._bag.error(Code.DUPLICATE_NAME, message, entry.span, help=help_text)

    def _template(self, text: Text) -> Expression | None:
        """A template whose constant text can stand in a header field or variable."""
        value = expression.value_of_template(text, self._scope, self._bag)
        if value is None:
            return None
        for constant, span in _constants(value):
            if any(char < " " or char == "\x7f" for char in constant):
                message = "a control character would stand in the value"
                self._bag.error(Code.CONTROL_CHARACTER, message, span)
                return None
        return value


def _constants(value: Expression) -> list[tuple[str, Span]]:
    """The constants that can become part of the text, and where they stand."""
    match value:
        case Literal(value=str(text), span=span) | Join(separator=text, span=span):
            return [(text, span)]
        case Concatenation(parts=parts) | And(operands=parts) | Or(operands=parts):
            return [constant for part in parts for constant in _constants(part)]
        case _:
            return []


def rule_values(value: Value, bag: Bag) -> list[Value]:
    """The rules of the policy as they stand under the key `rule`; too many are reported."""
    if not isinstance(value, Array):
        bag.error(
            Code.WRONG_TYPE,
            f"`rule` takes an array of tables, not {kind(value)}",
            value.span,
            help="each rule begins with `[[rule]]`",
        )
        return []
    if len(value.values) > MAX_RULES:
        extra = value.values[MAX_RULES]
        message = f"the policy has more than {MAX_RULES} rules"
        bag.error(Code.LIMIT_EXCEEDED, message, extra.span, help="put constants that differ into `[lists]`")
    return value.values[:MAX_RULES]
