from __future__ import annotations

import re
from pathlib import Path

from luagen.names import why_no_variable

ROOT = Path(__file__).parents[2]


def test_no_policy_sets_what_scripts_and_sidecar_tell_each_other() -> None:
    files = [*(ROOT / "lighttpd/lua/lightgate").glob("*.lua"), *(ROOT / "sidecar").glob("*.py")]
    texts = "".join(file.read_text() for file in files)
    used = set(re.findall(r"(?:\"|Variable-)(LIGHTGATE_[A-Z_]+)", texts)) - {"LIGHTGATE_CREDENTIAL_"}
    assert {"LIGHTGATE_STATE", "LIGHTGATE_CURRENT_IDENTITY", "LIGHTGATE_REWRITTEN"} <= used
    assert {name for name in used if why_no_variable(name) is None} == set()
    assert why_no_variable("lightgate_state") is not None
    assert why_no_variable("LIGHTGATE_ROLES") is None
