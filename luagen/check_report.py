"""What `lightgate check` says about a policy without mistakes. Pure."""

from __future__ import annotations

from luagen.model import Literal, Policy, Redirect, Require, Respond, Rule

_NAMED = 6  # rules named in the one line; --json has them all


def deciding_rules(policy: Policy) -> list[str]:
    """The names of the rules that decide requests: a request that none of them fits ends at `default`.

    Empty when every request does. A `respond` or `redirect` ends what it fits, a `require` refuses or permits
    it. Rules after one that ends every request decide nothing.
    """
    return [rule.name for rule in _deciding(policy)]


def summary(policy: Policy) -> str:
    """One line: counts, and which requests end at `default`."""
    counts = [_count(len(policy.rules), "rule"), _count(len(policy.auths), "auth")]
    return f"{', '.join(counts)}; {_ending_at_default(policy)}"


def _deciding(policy: Policy) -> list[Rule]:
    found: list[Rule] = []
    for rule in policy.rules:
        if isinstance(rule.action, Respond | Redirect | Require):
            found.append(rule)
            if _fits_everything(rule):
                break
    return found


def _fits_everything(rule: Rule) -> bool:
    return isinstance(rule.when, Literal) and rule.when.value is True


def _ending_at_default(policy: Policy) -> str:
    deciding = _deciding(policy)
    ends = f'at `default = "{policy.default.value}"`'
    if not deciding:
        return f"every request ends {ends}"
    if _fits_everything(deciding[-1]):
        return f"no request ends {ends}: `{deciding[-1].name}` decides what earlier rules leave"
    names = [f"`{rule.name}`" for rule in deciding[:_NAMED]]
    more = f" and {len(deciding) - _NAMED} more" if len(deciding) > _NAMED else ""
    return f"what none of {', '.join(names)}{more} decides ends {ends}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
