"""The generated Lua as people read it. `make golden` writes the expected text anew; review the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from luagen.artifacts import draft
from luagen.check import check_file
from luagen.deployment import Deployment

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
PLACEHOLDER = "0" * 20


@pytest.mark.parametrize(
    ("policy", "golden"),
    [
        (ROOT / "examples" / "quickstart" / "lightgate.toml", GOLDEN / "quickstart.lua"),
        (GOLDEN / "constructs.toml", GOLDEN / "constructs.lua"),
    ],
    ids=lambda path: path.name,
)
def test_golden(policy: Path, golden: Path) -> None:
    checked, _ = check_file(policy)
    assert checked is not None
    script = draft(checked, Deployment()).files(PLACEHOLDER)["request.lua"].decode()
    # Without the runtime, which has its own tests and is the same in every script.
    head, rest = script.split("local new_gate\ndo\n")
    text = head + "-- (the runtime)\n" + rest[rest.index("\ngate = new_gate(") :]
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()
