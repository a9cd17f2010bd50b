"""Draws whole policies as TOML text, with requests for each.

Policies are well-typed: the checker must accept every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from luagen.reference.request import Request
from tests.differential.drawn_actions import actions, toml
from tests.differential.drawn_expressions import booleans, conditions, request_texts
from tests.differential.drawn_requests import requests
from tests.differential.pools import GROUP_PATTERNS, NETWORKS, PATHS, RULE_NAMES, SITES, TEXTS


@dataclass(frozen=True)
class Example:
    policy: str
    requests: tuple[Request, ...]


@st.composite
def examples(draw: st.DrawFn, exchanges: int) -> Example:
    auths = draw(st.sampled_from([(), ("corp",), ("corp", "partner")]))
    lines = [f'default = "{draw(st.sampled_from(["pass", "pass", "deny"]))}"', "", "[lists]"]
    words = draw(st.lists(st.sampled_from(TEXTS + PATHS), min_size=1, max_size=4, unique=True))
    office = draw(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=4, unique=True))
    lines.append(f"words = [{', '.join(map(toml, words))}, {toml('no network')}]")
    lines.append(f"office = [{', '.join(map(toml, office))}]")
    lines += ["", "[env]", f"PREFIX = {toml(draw(st.sampled_from(PATHS)))}", "LIMIT = 7", "FLAG = true"]
    source = draw(st.sampled_from(['variable = "GEOIP_COUNTRY_CODE"', 'header = "X-B"\ntrusted = "office"']))
    lines += ["", "[country]", source]
    lines += [
        "",
        "[origin.app]",
        'url = "http://127.0.0.1:3000"',
        "",
        "[origin.other]",
        'socket = "/run/other.sock"',
    ]
    lines += ["", "[names]", f"known = {toml(draw(booleans(1)))}"]
    for name in auths:
        lines += ["", f"[auth.{name}]", f'issuer = "https://{name}.example.org"', 'audience = "shop"']
    numbers = iter(range(1, 100))
    for number in range(draw(st.integers(1, 6))):
        lines += ["", "[[rule]]", *draw(_rules(auths, next(numbers), is_first=number == 0))]
    for site in draw(st.lists(st.sampled_from(SITES), max_size=2, unique=True)):
        lines += ["", f'[site."{site}"]', f'default = "{draw(st.sampled_from(["pass", "deny"]))}"']
        for _ in range(draw(st.integers(1, 3))):
            lines += ["", f'[[site."{site}".rule]]', *draw(_rules(auths, next(numbers), is_first=False))]
    random = Random(draw(st.integers(0, 2**32)))
    return Example("\n".join(lines) + "\n", tuple(requests(random, auths) for _ in range(exchanges)))


@st.composite
def _rules(draw: st.DrawFn, auths: tuple[str, ...], number: int, *, is_first: bool) -> list[str]:
    lines = [f"name = {toml(draw(st.sampled_from(RULE_NAMES)).format(number))}"]
    groups: tuple[str, ...] = ()
    kind = draw(st.sampled_from(["plain", "plain", "always", "groups"]))
    if kind == "groups":
        pattern = draw(st.sampled_from(GROUP_PATTERNS))
        groups = ("top", "rest") if "rest" in pattern else ("top",)
        when = f"matches(r{pattern!r}, {draw(request_texts)})".replace("\\\\", "\\")
        if draw(st.booleans()):
            when = draw(st.sampled_from(["{0} and ({1})", "({1}) and {0}"])).format(when, draw(booleans(1)))
        lines.append(f"when = {toml(when)}")
    elif kind == "plain" or is_first:
        lines.append(f"when = {toml(draw(conditions(2, ('known',))))}")
    return [*lines, draw(actions(auths, ("known",), groups))]
