"""Expressions back to text: what is spelt means what it was spelt from."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from luagen.check import check_text
from luagen.model import Expression, Literal, Node, Policy, Variable
from luagen.spelling import spell, spell_template
from tests.system.processes import REPOSITORY

CASES = sorted(REPOSITORY.glob("tests/cases/*.case"))


def checked(text: str) -> Policy:
    policy, diagnostics = check_text(text, "policy.toml", Path())
    assert policy is not None, [(one.message, one.span.source.text) for one in diagnostics]
    return policy


def respelt(when: Expression, head: str) -> Expression:
    rule = f"[[rule]]\nname = \"r\"\nwhen = '''{spell(when)}'''\nrespond = {{ status = 404 }}\n"
    return checked(head + "\n" + rule).rules[0].when


def numbered_anew(part: Any, numbers: dict[int, int]) -> Any:
    """An expression with its variables counted from 0: which numbers they have is the checker's affair."""
    match part:
        case Variable():
            return replace(part, number=numbers.setdefault(part.number, len(numbers)))
        case tuple():
            return tuple(numbered_anew(one, numbers) for one in part)
        case Node():
            inner = {one.name: numbered_anew(getattr(part, one.name), numbers) for one in fields(part)}
            return replace(part, **inner)
        case _:
            return part


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_spelt_condition_means_the_same(case: Path) -> None:
    text = case.read_text().partition("\n=== request\n")[0]
    head = text.partition("\n[[rule]]")[0].partition("\n[site.")[0]
    for rule in checked(text).all_rules():
        if not isinstance(rule.when, Literal):
            again = numbered_anew(respelt(rule.when, head), {})
            assert again == numbered_anew(rule.when, {}), spell(rule.when)


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("'x' in request.path", '"x" in request.path'),
        ("not (request.port == 1 or identity)", "not (request.port == 1 or identity)"),
        ("not 'a' in identity.roles", '"a" not in identity.roles'),
        ("(request.port + 1) * 2 > 3", "(request.port + 1) * 2 > 3"),
        ("request.ip == '10.0.0.1'", 'request.ip == "10.0.0.1"'),
        ("identity.claims['a']['b'] == 'c'", 'identity.claims["a"]["b"] == "c"'),
        ("any(x for x in request.args.getall('a'))", 'any(x for x in request.args.getall("a"))'),
        (
            "any(x == 'a' for x in identity.roles if int(x) > 3)",
            'any(int(x) > 3 and x == "a" for x in identity.roles)',
        ),
        ("f'{request.port:05}' == request.path[1:]", 'f"{request.port:05}" == request.path[1:]'),
        ("request.path.strip() == request.path.split('/')[-1]", None),
        ("time.between('22:00', '06:30')", 'time.between("22:00", "06:30")'),
        ("matches(r'^/a\"$', request.path)", None),
    ],
)
def test_spellings(text: str, spelt: str | None) -> None:
    head = 'default = "pass"\n[auth.corp]\nissuer = "https://a.example"\naudience = "b"\n'
    rule = f"[[rule]]\nname = \"r\"\nwhen = '''{text}'''\nrespond = {{ status = 404 }}\n"
    when = checked(head + rule).rules[0].when
    assert respelt(when, head) == when, spell(when)
    if spelt is not None:
        assert spell(when) == spelt


def test_long_lists_are_cut() -> None:
    names = ", ".join(f'"{number}"' for number in range(12))
    rule = f"[[rule]]\nname = \"r\"\nwhen = 'request.path in ({names})'\nrespond = {{ status = 404 }}\n"
    assert spell(checked('default = "pass"\n' + rule).rules[0].when).endswith('"7", … 4 more)')


def test_templates_have_no_quotes_around_them() -> None:
    rule = '[[rule]]\nname = "r"\nset_env = { A = "a{{{request.host}:{request.port:05}" }\n'
    [value] = checked('default = "pass"\n' + rule).rules[0].action.expressions()
    assert spell_template(value) == "a{{{request.host}:{request.port:05}"
