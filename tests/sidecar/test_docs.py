"""docs/sidecar.md names every event, reason, metric and page that there is, and no others."""

from __future__ import annotations

import re
from pathlib import Path

from sidecar.logs import Event
from sidecar.metrics import Metrics
from sidecar.reasons import Reason

TEXT = (Path(__file__).parents[2] / "docs" / "sidecar.md").read_text("utf-8")


def first_cells(heading: str) -> set[str]:
    """The code words in the first column of the table under a heading."""
    section = TEXT.partition(f"\n{heading}\n")[2]
    table = re.split(r"\n#+ ", section)[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_events() -> None:
    assert first_cells("## The log") == {event.value for event in Event}


def test_reasons() -> None:
    assert first_cells("### Reasons") == {reason.value for reason in Reason}


def test_metrics() -> None:
    types = {
        line.split()[2] for line in Metrics().render().decode().splitlines() if line.startswith("# TYPE")
    }
    assert first_cells("### Metrics") == {name for name in types if not name.endswith("_created")}


def test_pages() -> None:
    assert first_cells("## The HTTP socket") == {"/healthz", "/readyz", "/metrics"}
