"""What `lightgate status` reads from logs and answers. The whole of it is in test_doctor_running.py."""

from __future__ import annotations

import json
import os

from luagen.host.sidecar_client import Metrics
from luagen.host.status import decisions, last_events
from tests.host.site import Site


def line(level: str, event: str, **fields: object) -> str:
    return json.dumps({"time": "2026-01-02T03:04:05.678+00:00", "level": level, "event": event, **fields})


def test_only_warnings_and_errors() -> None:
    journal = "\n".join(
        [
            line("info", "started"),
            line("warning", "keys-fetch-failed", issuer="corp", why="no answer"),
            "lightgate.service: Main process exited",
            "[1]",
            line("info", "refused", reason="expired"),
            line("error", "bug", error="ValueError"),
        ]
    )
    assert last_events(journal) == (
        "2026-01-02T03:04:05.678+00:00 keys-fetch-failed issuer=corp why=no answer",
        "2026-01-02T03:04:05.678+00:00 bug error=ValueError",
    )


def test_the_last_ones() -> None:
    journal = "\n".join(line("warning", "unavailable", number=number) for number in range(20))
    assert [event.rpartition("=")[2] for event in last_events(journal)] == ["15", "16", "17", "18", "19"]


def test_nothing_of_a_request_acts_on_the_terminal() -> None:
    assert last_events(line("warning", "unavailable", path="/\x1b[2J\nx")) == (
        "2026-01-02T03:04:05.678+00:00 unavailable path=/?[2J?x",
    )


def test_decisions_by_outcome() -> None:
    def sample(outcome: str, reason: str) -> tuple[str, frozenset[tuple[str, str]]]:
        return "lightgate_decisions_total", frozenset({("outcome", outcome), ("reason", reason)})

    metrics = Metrics(
        {sample("allow", ""): 3.0, sample("refuse", "expired"): 2.0, sample("refuse", "x"): 1.0}
    )
    assert decisions(metrics) == {"allow": 3, "refuse": 3, "unavailable": 0}


def test_an_error_log_that_is_none(site: Site) -> None:
    """Its directory belongs to lighttpd's user: what that puts there, root neither waits for nor follows."""
    assert site.deploy(None, "--offline").status == 0
    log = site.directory / "error.log"
    log.write_text("lightgate: a\n")
    assert site.run("status", "--json").json()["lighttpd"]["errors"] == ["lightgate: a"]
    log.rename(site.directory / "other")
    log.symlink_to(site.directory / "other")
    assert site.run("status", "--json").json()["lighttpd"]["errors"] == []
    log.unlink()
    os.mkfifo(log)
    assert site.run("status", "--json").json()["lighttpd"]["errors"] == []
