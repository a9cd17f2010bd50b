"""What is declared and never used."""

from __future__ import annotations

from luagen.actions import Require
from luagen.diagnostics import Bag, Code, quoted
from luagen.model import Policy
from luagen.scope import Scope
from luagen.walk import identity_read


def lint(policy: Policy, scope: Scope, bag: Bag) -> None:
    rules = policy.all_rules()
    reading = [read for found in policy.expressions() if (read := identity_read(found)) is not None]
    required = {name for rule in rules if isinstance(rule.action, Require) for name in rule.action.auth}
    for auth in policy.auths:
        if auth.name not in required and not reading:
            message = f"nothing uses `[auth.{auth.name}]`"
            help_text = "name it in a `require`, or read `identity`"
            bag.warning(Code.UNUSED_NAME, message, auth.span, help=help_text)
    if reading and not policy.auths:
        message = "the identity is always anonymous: there is no `[auth]` table"
        help_text = "declare who can vouch for callers"
        bag.warning(Code.ANONYMOUS_IDENTITY, message, reading[0].span, help=help_text)
    for declared in scope.lists.values():
        if declared is not None and declared.name not in scope.used:
            bag.warning(Code.UNUSED_NAME, f"nothing uses the list {quoted(declared.name)}", declared.span)
    for named in scope.names.values():
        if named.name not in scope.used:
            bag.warning(Code.UNUSED_NAME, f"nothing uses the name {quoted(named.name)}", named.span)
