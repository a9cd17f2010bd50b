"""What `lightgate check` says about a policy without mistakes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from luagen.actions import Require
from luagen.lint.conditions import constant
from luagen.lint.implication import alternatives, conjuncts, only_paths, texts
from luagen.model import Default, Field, Policy, Rule

_NAMED = 6  # rules or paths named in one line; --json has them all


def deciding_rules(policy: Policy) -> list[str]:
    """The names of the shared rules that decide requests: a request that none of them fits goes on to its
    site, or ends at `default`.

    Empty when every request does. A `respond` or `redirect` ends what it fits, a `require` refuses or permits
    it. Rules after one that ends every request decide nothing.
    """
    return [rule.name for rule in _deciding(policy.rules)]


def site_reports(policy: Policy) -> list[dict[str, object]]:
    """For each site: its hosts, its default, and which of its rules decide."""
    return [
        {
            "name": site.name,
            "hosts": list(site.hosts),
            "default": site.default.value,
            "rules": len(site.rules),
            "deciding_rules": [rule.name for rule in _deciding(site.rules)],
        }
        for site in policy.sites
    ]


def open_paths(policy: Policy) -> list[str]:
    """The paths named in rules that can reach the application without meeting a `require`, as far as seen;
    one that ends in `*` stands for all that begin so, `*` alone for all that no rule names.

    Empty when there is no `require`: then nobody meant to protect anything.
    """
    if not any(isinstance(rule.action, Require) for rule in policy.all_rules()):
        return []
    found = _open(policy.rules, (), policy.default) if not policy.sites else []
    for site in policy.sites:
        found += _open(site.rules, policy.rules, site.default)
    return sorted(set(found))


def summary(policy: Policy) -> list[str]:
    """Lines: counts, which requests end at `default`, and which paths no `require` covers."""
    counts = [_count(len(policy.all_rules()), "rule"), _count(len(policy.auths), "auth")]
    if policy.sites:
        counts.append(_count(len(policy.sites), "site"))
    lines = [", ".join(counts), _ending_at_default(policy)]
    paths = [f"`{path}`" for path in open_paths(policy) if path != "*"]
    return [*lines, f"no `require` covers {_listed(paths)}"] if paths else lines


def _deciding(rules: Sequence[Rule]) -> list[Rule]:
    found: list[Rule] = []
    for rule in rules:
        if rule.action.decides:
            found.append(rule)
            if constant(rule.when) is True:
                break
    return found


def _ending_at_default(policy: Policy) -> str:
    deciding = _deciding(policy.rules)
    where = f'at `default = "{policy.default.value}"`'
    ends = f"ends {where}" if not policy.sites else f"ends with its site or {where}"
    if not deciding:
        return f"every request {ends}"
    if constant(deciding[-1].when) is True:
        return f"no request {ends}: `{deciding[-1].name}` decides what earlier rules leave"
    return f"what none of {_listed([f'`{rule.name}`' for rule in deciding])} decides {ends}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _open(own: Sequence[Rule], shared: Sequence[Rule], default: Default) -> list[str]:
    if default is Default.DENY:
        return []  # what no `require` permits is denied
    rules = (*shared, *own)
    covering = [rule for rule in rules if rule.action.decides]
    if any(constant(rule.when) is True for rule in covering):
        return []
    whole: set[str] = set()
    begins: list[str] = []
    for rule in covering:
        for text, is_prefix in only_paths(rule.when):
            begins.append(text) if is_prefix else whole.add(text)
    prefixes = tuple(begins)
    named = {path for rule in rules for path in _named(rule)}
    found = [
        f"{text}*" if is_prefix else text
        for text, is_prefix in named
        if not text.startswith(prefixes) and (is_prefix or text not in whole)
    ]
    return ["*", *found]


def _named(rule: Rule) -> set[tuple[str, bool]]:
    """The paths that the condition of a rule names, and whether they are only beginnings."""
    found: set[tuple[str, bool]] = set()
    for part in conjuncts(rule.when):
        for choice in alternatives(part):
            match texts(choice):
                case Field(name="request.path"), values, are_prefixes:
                    found |= {(value, are_prefixes) for value in values}
    return found


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
