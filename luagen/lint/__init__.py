"""Warnings: what is valid and probably not meant. One module a subject; all read the checked policy."""

from __future__ import annotations

from luagen.diagnostics import Bag
from luagen.lint import (
    conditions,
    guards,
    hosts,
    overwriting,
    paths,
    protection,
    reachability,
    redirecting,
    rewriting,
    unused,
)
from luagen.lint.literals import compared
from luagen.model import Policy
from luagen.scope import Scope


def lint(policy: Policy, scope: Scope, bag: Bag) -> None:
    """Reports into `bag`; the policy has no mistakes."""
    conditions.lint(policy, scope, bag)
    reachability.lint(policy, bag)
    overwriting.lint(policy, bag)
    redirecting.lint(policy, bag)
    for expression in policy.expressions():
        for found in compared(expression, "request.host", *paths.PATHS):
            (hosts if found.field == "request.host" else paths).lint(found, bag)
    protection.lint(policy, bag)
    guards.lint(policy, bag)
    rewriting.lint(policy, bag)
    unused.lint(policy, scope, bag)
