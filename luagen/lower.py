"""Policy to IR: what every construct of the policy language means, as values and instructions.

Pure. A rule whose condition can never hold vanishes; the others are numbered anew from 1. A `ValueError`
from here is a bug in luagen: a checked policy always lowers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from luagen import fold, ir, model
from luagen.ir import Value
from luagen.lower_values import lower_expression, to_bytes


def lower(policy: model.Policy) -> ir.Program:
    """The program of a policy: the shared rules, then those of its sites, numbered through."""
    rules: list[ir.Rule] = []
    _append(rules, policy, policy.rules)
    sites: list[ir.Site] = []
    for site in policy.sites:
        first = len(rules) + 1
        _append(rules, policy, site.rules)
        sites.append(
            ir.Site(
                hosts=tuple(map(to_bytes, site.hosts)),
                first=first,
                last=len(rules),
                lets_through=site.default is model.Default.PASS,
            )
        )
    return ir.Program(tuple(rules), tuple(sites))


def _append(rules: list[ir.Rule], policy: model.Policy, more: Iterable[model.Rule]) -> None:
    for rule in more:
        condition = lower_expression(rule.when)
        if condition == fold.FALSE:
            continue
        rules.append(
            ir.Rule(
                number=len(rules) + 1,
                name=rule.name,
                place=f"{policy.file}:{rule.span.line}",
                code=(*_when(condition), *rule.action.lower()),
            )
        )


# --- rules -----------------------------------------------------------------------------------------


def _when(condition: Value) -> Iterator[ir.Instruction]:
    if condition == fold.TRUE:
        return
    if ir.may_stop(condition):
        slot = ir.Slot(0)
        yield ir.Let(slot, condition)
        yield ir.CheckStop()
        condition = slot
    yield ir.LeaveUnless(condition)
