"""What `lint` concludes from the form of conditions, against CPython: it never says yes wrongly."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from luagen.check import check_text
from luagen.lint.contradiction import contradiction
from luagen.lint.covering import Covering
from luagen.lint.implication import implies
from luagen.model import Expression, Rule

TEXTS = ("/", "/a", "/a/", "/a/b", "/b", "a", "")
SMALLEST = st.one_of(
    st.builds('request.path == "{}"'.format, st.sampled_from(TEXTS)),
    st.builds('request.path in ("{}", "{}")'.format, st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
    st.builds('request.path.startswith(("{}", "{}"))'.format, st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
    st.builds('request.path.endswith(("{}", "{}"))'.format, st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
    st.builds('under(request.path, "{}")'.format, st.sampled_from(("/a", "/b", "/a/b"))),
    st.builds('"{}" in request.path'.format, st.sampled_from(TEXTS)),
    st.builds('request.host == "{}"'.format, st.sampled_from(("a", "b"))),
)
CONDITIONS = st.recursive(
    SMALLEST,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=4,
)
REQUESTS = [SimpleNamespace(path=path, host=host) for path in (*TEXTS, "/ab", "/b/a") for host in ("a", "b")]


def rules_of(*conditions: str) -> tuple[Rule, ...]:
    rules = "".join(
        f"[[rule]]\nname = \"r{number}\"\nwhen = '{condition}'\nrespond = {{ status = 200 }}\n"
        for number, condition in enumerate(conditions)
    )
    policy, diagnostics = check_text(f'default = "pass"\n{rules}', "p.toml", Path())
    assert policy is not None, diagnostics
    return policy.rules


def holding(condition: str) -> set[int]:
    return {
        number
        for number, request in enumerate(REQUESTS)
        if eval(condition, {"request": request, "under": under})
    }


def under(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


# Few pairs imply one another.
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(CONDITIONS, CONDITIONS)
def test_it_never_says_yes_wrongly(one: str, other: str) -> None:
    first, second = rules_of(one, other)
    assume(implies(first.when, second.when))
    assert holding(one) <= holding(other)


@settings(max_examples=200, deadline=None)
@given(CONDITIONS, CONDITIONS)
def test_what_covers_implies(one: str, other: str) -> None:
    first, second = rules_of(one, other)
    covering = Covering()
    covering.add(second)
    if covering.first(first.when) is not None:
        assert holding(one) <= holding(other)


@settings(max_examples=300, deadline=None)
@given(st.lists(CONDITIONS, min_size=2, max_size=3))
def test_a_contradiction_never_holds(parts: list[str]) -> None:
    condition = " and ".join(f"({part})" for part in parts)
    if contradiction(when_of(condition)) is not None:
        assert holding(condition) == set()


A, B = 'request.path == "/a/b"', 'request.host == "a"'


DIRECTORIES = [
    (A, 'under(request.path, "/a")'),
    ('under(request.path, ("/a/b", "/c"))', 'under(request.path, ("/a", "/c"))'),
    ('request.path in ("/c/x", "/a")', 'under(request.path, ("/a", "/c"))'),
    ('request.path.startswith("/a/b")', 'request.path == "/x" or request.path.startswith("/a/")'),
    (f'request.path.startswith("/a/b") and {B}', 'under(request.path, "/a")'),
    ('under(request.path, "/a")', 'request.path.startswith("/a")'),
    ('request.ip in "10.1.0.0/16"', 'request.ip in "10.0.0.0/8" or request.path == "/x"'),
    ('"/." in request.path or request.path == "/x"', 'request.path == "/x" or "/." in request.path'),
]


@pytest.mark.parametrize(("one", "other"), DIRECTORIES)
def test_a_choice_covers_what_meets_one_of_its_sides(one: str, other: str) -> None:
    covering = Covering()
    [rule] = rules_of(other)
    covering.add(rule)
    assert covering.first(when_of(one)) is rule


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *DIRECTORIES,
        (A, A),
        (f"{A} and {B}", A),
        (f"{A} and {B}", f"{B} and {A}"),
        (A, f"{A} or {B}"),
        (f"{A} or {B}", f"{B} or {A}"),
        (A, 'request.path.startswith("/a/")'),
        (A, 'request.path in ("/x", "/a/b")'),
        ('request.path in ("/a/b", "/a/c")', 'request.path.startswith(("/x", "/a/"))'),
        ('request.path.startswith("/a/b")', 'request.path.startswith("/a")'),
        ('request.path.endswith(".a.js")', 'request.path.endswith((".css", ".js"))'),
        ('not request.path.startswith("/a")', f"not ({A})"),
        ('request.ip in "10.1.0.0/16"', 'request.ip in ("10.0.0.0/8", "::1")'),
        (A, "True"),
    ],
)
def test_what_it_sees(one: str, other: str) -> None:
    assert implies(when_of(one), when_of(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('request.path.startswith("/a/b")', A),
        ('request.path in ("/a/b", "/c")', A),
        ('request.ip in "10.0.0.0/8"', 'request.ip in "10.1.0.0/16"'),
        ('request.ip in "::/0"', 'request.ip in "0.0.0.0/0"'),
        (A, f"{A} and {B}"),
        ('request.path.startswith("/a")', 'under(request.path, "/a")'),
        ('under(request.path, "/a")', 'under(request.path, "/a/b")'),
        ('request.host == "/a/b"', A),
    ],
)
def test_what_is_not_so(one: str, other: str) -> None:
    assert not implies(when_of(one), when_of(other))


def when_of(condition: str) -> Expression:
    [rule] = rules_of(condition)
    return rule.when
