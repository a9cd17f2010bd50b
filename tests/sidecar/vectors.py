"""Where the shared vectors are; their absence is a failure with a clear line, never a skip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OURS = Path(__file__).parents[1] / "vectors"
THIRD_PARTY = Path(__file__).parents[2] / ".." / "shared" / "vectors"


def load(path: Path) -> Any:
    assert path.is_file(), f"test vectors are missing: {path}"
    return json.loads(path.read_text("utf-8"))
