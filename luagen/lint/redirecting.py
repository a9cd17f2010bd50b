"""Redirects that lead to redirects: to each other in a circle, or on to a third place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from luagen.actions import Redirect, Redirects
from luagen.diagnostics import Bag, Code, quoted
from luagen.lint.conditions import constant
from luagen.lint.implication import alternatives, conjuncts, only_paths, texts
from luagen.model import Expression, Field, Literal, Policy, Rule
from luagen.source import Span
from luagen.walk import nodes

_MAX_HOPS = 20  # browsers give up about here
_SAMPLE = "x"  # stands for what a `*` may be


@dataclass(frozen=True, slots=True)
class _Hop:
    """`source` (ending in `*`: all that begin so) leads to `target`."""

    source: str
    target: str
    span: Span


@dataclass(slots=True)
class _Hops:
    """Where paths of this server lead, whatever else is true of the request."""

    whole: dict[str, _Hop] = field(default_factory=dict)
    begins: dict[str, _Hop] = field(default_factory=dict)
    lengths: set[int] = field(default_factory=set)

    def add(self, hop: _Hop) -> None:
        if hop.source.endswith("*"):
            self.begins.setdefault(hop.source[:-1], hop)
            self.lengths.add(len(hop.source) - 1)
        else:
            self.whole.setdefault(hop.source, hop)

    def next(self, path: str) -> tuple[str, _Hop] | None:
        """Where a path leads: a path of this server or a URL; None: nowhere."""
        hop = self.whole.get(path)
        if hop is None:
            starts = (path[:length] for length in sorted(self.lengths, reverse=True) if length <= len(path))
            hop = next((self.begins[start] for start in starts if start in self.begins), None)
        if hop is None:
            return None
        if hop.target.endswith("*"):
            return hop.target[:-1] + path[len(hop.source) - 1 :], hop
        return hop.target, hop


def lint(policy: Policy, bag: Bag) -> None:
    _everything_leads_into_itself(policy.all_rules(), bag)
    for rules in (policy.rules, *(site.rules for site in policy.sites)):
        hops = _Hops()
        for rule in rules:
            for hop in _hops(rule):
                hops.add(hop)
        for hop in (*hops.whole.values(), *hops.begins.values()):
            _follow(hop, hops, bag)


def _hops(rule: Rule) -> Iterator[_Hop]:
    match rule.action:
        case Redirects(moves=moves) if constant(rule.when) is True:
            for move in moves:
                yield _Hop(move.path, move.to, move.span)
        case Redirect(to=Literal(value=str(to)) as target):
            for path, is_prefix in only_paths(rule.when):
                yield _Hop(f"{path}*" if is_prefix else path, to, target.span)


def _follow(first: _Hop, hops: _Hops, bag: Bag) -> None:
    path = first.source[:-1] + _SAMPLE if first.source.endswith("*") else first.source
    found = hops.next(path)
    if found is None or found[1] is not first:
        return  # another entry is nearer
    seen, target = [path], found[0]
    while target.startswith("/") and len(seen) <= _MAX_HOPS:
        path = _path_of(target)
        if path in seen:
            if path == seen[0]:  # else the circle is reported where it begins
                by = f", by {', '.join(map(quoted, seen[1:4]))}" if len(seen) > 1 else ""
                _loop(first, f"leads back to itself{by}", bag)
            return
        after = hops.next(path)
        if after is None:
            break
        seen.append(path)
        target = after[0]
    if len(seen) > _MAX_HOPS:
        _loop(first, f"leads on and on, by {', '.join(map(quoted, seen[1:4]))}", bag)
    elif len(seen) > 1:
        message = f"{quoted(first.source)} leads on from {quoted(seen[1])} to {quoted(target)}"
        bag.warning(Code.REDIRECT_CHAIN, message, first.span, help="lead to the last place at once")


def _loop(hop: _Hop, what: str, bag: Bag) -> None:
    message = f"the redirect of {quoted(hop.source)} {what}"
    bag.warning(Code.REDIRECT_LOOP, message, hop.span, help="browsers give up on such a circle")


def _path_of(target: str) -> str:
    return unquote(target.partition("#")[0].partition("?")[0])


def _everything_leads_into_itself(rules: tuple[Rule, ...], bag: Bag) -> None:
    """Redirects to a path of this server by a rule that fits that path too."""
    for rule in rules:
        match rule.action:
            case Redirect(to=Literal(value=str(to)) as target) if to.startswith("/"):
                if only_paths(rule.when) or not all(
                    any(_fits(side, _path_of(to)) for side in alternatives(part))
                    for part in conjuncts(rule.when)
                ):
                    continue
                message = f"{quoted(to)} is redirected by this rule too"
                help_text = f'add `request.path != "{_path_of(to)}"` to its `when`'
                bag.warning(Code.REDIRECT_LOOP, message, target.span, help=help_text)


def _fits(condition: Expression, path: str) -> bool:
    """Whether a request for the path meets the condition; what does not look at the path is met again."""
    match texts(condition):
        case Field(name="request.path"), values, are_prefixes:
            return path.startswith(values) if are_prefixes else path in values
    return not any(
        isinstance(node, Field) and node.name in ("request.path", "request.raw_path", "request.query")
        for node in nodes(condition)
    )
