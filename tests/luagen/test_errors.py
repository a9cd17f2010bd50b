"""Every kind of mistake with its exact report: `tests/errors/*.case` has a policy, `----`, and the report.

`make golden` writes the reports anew; the difference is then read line by line.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from luagen.check import check_text
from luagen.diagnostics import Code, Severity
from luagen.render import full

DIRECTORY = Path(__file__).parents[1] / "errors"
CASES = sorted(DIRECTORY.glob("*.case"))
SEPARATOR = "\n----\n"


def read(case: Path) -> tuple[str, str]:
    policy, _, report = case.read_bytes().decode().partition(SEPARATOR)
    return policy + "\n", report


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_golden_report(case: Path) -> None:
    policy, expected = read(case)
    checked, diagnostics = check_text(policy, "lightgate.toml", DIRECTORY / "files")
    report = "\n\n".join(full(diagnostic) for diagnostic in diagnostics) + "\n"
    if os.environ.get("GOLDEN") == "write":
        case.write_bytes(f"{policy[:-1]}{SEPARATOR}{report}".encode())
        expected = report
    assert report == expected
    assert (checked is None) == any(found.severity is Severity.ERROR for found in diagnostics)


def test_every_code_has_a_case() -> None:
    reports = "\n".join(read(case)[1] for case in CASES)
    missing = [code for code in Code if f"[{code}]:" not in reports]
    assert missing == []


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 60
