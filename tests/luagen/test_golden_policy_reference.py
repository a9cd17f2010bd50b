"""`docs/policy.md` shows exactly the vocabulary of `schema.py` and the codes of `diagnostics.py`.

`make golden` writes the tables anew. The examples of the page are policies, and are checked as such.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from luagen.actions import ACTIONS, RULE_KEYS
from luagen.actions.security_headers import PRESETS
from luagen.check import check_text
from luagen.diagnostics import Code, Severity
from luagen.schema import TABLES
from luagen.vocabulary import FIELDS, FUNCTIONS, METHODS

ALL_TABLES = {
    **TABLES,
    "rule": RULE_KEYS,
    **{key: action.keys for key, action in ACTIONS.items() if action.keys},
}
PAGE = Path(__file__).parents[2] / "docs/policy.md"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines)


def keys(name: str) -> str:
    rows = [
        (f"`{key.name}`", key.takes, "required" if key.required else key.default or "", key.doc)
        for key in ALL_TABLES[name]
    ]
    return table(("key", "takes", "default", ""), rows)


def fields() -> str:
    return table(
        ("field", "type", ""), [(f"`{field.name}`", field.type, field.doc) for field in FIELDS.values()]
    )


def methods() -> str:
    rows = [(f"`{method.form}`", f"{method.receiver} → {method.result}", method.doc) for method in METHODS]
    return table(("call", "type", ""), rows)


def presets() -> str:
    rows = [
        (f"`{name}`", *(f"`{fields[name]}`" if name in fields else "" for fields in PRESETS.values()))
        for name in dict.fromkeys(name for fields in PRESETS.values() for name in fields)
    ]
    return table(("field", *(f'`"{preset}"`' for preset in PRESETS)), rows)


def functions() -> str:
    rows = [(f"`{function.form}`", function.result, function.doc) for function in FUNCTIONS.values()]
    return table(("call", "type", ""), rows)


def codes() -> str:
    return table(("code", "what was found"), [(f"`{code}`", code.summary) for code in Code])


BLOCKS: dict[str, Callable[[], str]] = {
    **{f"keys of {name}": (lambda name=name: keys(name)) for name in ALL_TABLES},
    "fields": fields,
    "methods": methods,
    "functions": functions,
    "presets": presets,
    "codes": codes,
}


@pytest.mark.parametrize("block", BLOCKS)
def test_golden_tables(block: str) -> None:
    page = PAGE.read_text()
    start, end = f"<!-- {block} -->\n", f"\n<!-- end of {block} -->"
    assert page.count(start) == page.count(end) == 1
    before, _, rest = page.partition(start)
    found, _, after = rest.partition(end)
    expected = BLOCKS[block]()
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(f"{before}{start}{expected}{end}{after}")
        found = expected
    assert found == expected


EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_are_policies(example: str) -> None:
    text = example if "default =" in example else f'default = "pass"\n{example}'
    policy, diagnostics = check_text(text, "policy.md", PAGE.parent)
    assert policy is not None, diagnostics
    unexpected = [found for found in diagnostics if found.code is not Code.UNUSED_NAME]
    assert [found.severity for found in unexpected] == [], unexpected
    assert Severity.ERROR not in {found.severity for found in diagnostics}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10
