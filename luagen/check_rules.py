"""`[[rule]]` tables to `model.Rule`."""

from __future__ import annotations

from luagen import captures, expression
from luagen.actions import ACTIONS, RULE_KEYS, Action, ActionContext
from luagen.diagnostics import Code, quoted
from luagen.document import Array, Entry, Table, Value, kind
from luagen.model import Expression, Literal, Rule, Type
from luagen.source import Span
from luagen.table_reader import TableReader

MAX_RULES = 100_000
MAX_NAME = 100  # characters of a rule's name


class RuleChecker:
    """Checks rules one by one; remembers the names that must be unique in the policy."""

    def __init__(self, context: ActionContext) -> None:
        self._context = context
        self._bag = context.bag
        self._rules: dict[str, Span] = {}  # where each name stands
        self._count = 0
        self._unnamed = False  # a name was wrong, missing or another rule's: which was meant is not known

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of all rules so far, of those with mistakes too; None when not all are known."""
        return None if self._unnamed else tuple(self._rules)

    def rules(self, entry: Entry | None) -> tuple[Rule, ...]:
        """The rules without mistakes as they stand under a key `rule`."""
        if entry is None:
            return ()
        if not isinstance(entry.value, Array):
            self._bag.error(
                Code.WRONG_TYPE,
                f"`rule` takes an array of tables, not {kind(entry.value)}",
                entry.value.span,
                help="each rule begins with `[[rule]]`",
            )
            return ()
        found: list[Rule] = []
        for value in entry.value.values:
            self._count += 1
            if self._count > MAX_RULES:
                message = f"the policy has more than {MAX_RULES} rules"
                help_text = "put constants that differ into `[lists]`"
                self._bag.error(Code.LIMIT_EXCEEDED, message, value.span, help=help_text)
                break
            rule = self.check(value)
            if rule is not None:
                found.append(rule)
        return tuple(found)

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
        read = TableReader(value, RULE_KEYS, "a rule", self._bag)
        name = self._name(read)
        self._unnamed |= name is None
        when = self._when(read)
        scope = self._context.scope
        scope.groups = captures.readable(when)
        action = self._action(read)
        scope.groups = None
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
        return None if text is None else expression.condition(text, self._context.scope, self._bag)

    def _action(self, read: TableReader) -> Action | None:
        given = [entry for key in ACTIONS if (entry := read.entry(key)) is not None]
        given.sort(key=lambda entry: entry.span.start)
        if not given:
            if read.meant & ACTIONS.keys():
                return None  # a misspelt one has been reported
            listed = ", ".join(f"`{action}`" for action in ACTIONS)
            self._bag.error(
                Code.MISSING_KEY, "a rule needs an action", read.table.span, help=f"one of {listed}"
            )
            return None
        for entry in given[1:]:
            message = f"a rule has one action, and this one has `{given[0].key}` already"
            self._bag.error(Code.CONFLICTING_KEYS, message, entry.span, help="write a rule for each action")
        # The others are checked for their own mistakes.
        action, *_ = [ACTIONS[entry.key].check(entry, self._context) for entry in given]
        return action
