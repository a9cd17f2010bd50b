"""The whole language of expressions and templates: `expressions.txt` and `templates.txt`, row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from luagen.actions import SetEnv
from luagen.model import Type
from tests.luagen.notation import short
from tests.luagen.test_expression import rule_of


def rows(name: str) -> list[tuple[str, str]]:
    """Pairs of a text and the indented line after it."""
    lines = [
        line
        for line in (Path(__file__).parent / name).read_text().splitlines()[1:]
        if line and not line.startswith("# ")
    ]
    texts, trees = lines[::2], lines[1::2]
    assert all(tree.startswith("    ") for tree in trees)
    return [(text, tree.strip()) for text, tree in zip(texts, trees, strict=True)]


@pytest.mark.parametrize(("when", "expected"), rows("expressions.txt"))
def test_condition(when: str, expected: str) -> None:
    checked = rule_of(when).when
    assert checked.type is Type.BOOLEAN
    assert short(checked) == expected


@pytest.mark.parametrize(("template", "expected"), rows("templates.txt"))
def test_template(template: str, expected: str) -> None:
    action = rule_of("user" if "match[" in template else "True", template).action
    assert isinstance(action, SetEnv)
    value = action.values[0].value
    assert value.type is Type.STRING
    assert short(value) == expected


def test_there_are_rows() -> None:
    assert len(rows("expressions.txt")) > 100
    assert len(rows("templates.txt")) > 15
