"""All checks in order, and what came of each. A check never ends the others."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from luagen.failure import Failure
from luagen.host.doctor import (
    answers,
    clock,
    issuers,
    lighttpd_modules,
    lighttpd_server,
    lighttpd_settings,
    permissions,
    release,
    services,
)
from luagen.host.doctor.facts import Check, Facts
from luagen.host.doctor.finding import Finding, Level, UnseenError, error, unseen
from luagen.host.settings import HostSettings

# `end to end` before `sidecar`: asked about a new release, the sidecar takes it up.
GROUPS: tuple[tuple[str, tuple[Check, ...]], ...] = (
    (
        "lighttpd",
        lighttpd_server.INSTALLED
        + lighttpd_modules.CHECKS
        + lighttpd_settings.CHECKS
        + lighttpd_server.RUNNING,
    ),
    ("release", release.CHECKS),
    ("permissions", permissions.CHECKS),
    ("services", services.CHECKS),
    ("end to end", answers.END_TO_END),
    ("sidecar", answers.SIDECAR),
    ("issuers", issuers.CHECKS),
    ("clock", clock.CHECKS),
)


@dataclass(frozen=True, slots=True)
class Result:
    group: str
    check: str
    finding: Finding


def examine(settings: HostSettings) -> Iterator[Result]:
    """What every check finds, as it is found. Never raises."""
    facts = Facts(settings)
    for group, checks in GROUPS:
        for check in checks:
            for finding in findings(check, facts):
                yield Result(group, check.name, finding)


def findings(check: Check, facts: Facts) -> Iterator[Finding]:
    """What one check finds; what it raises is a finding too."""
    try:
        yield from check.run(facts)
    except UnseenError as stopped:
        yield unseen(f"{check.name}: {stopped.message}", stopped.help)
    except PermissionError as refused:
        yield unseen(f"{check.name}: this user may not look at {refused.filename}", "sudo lightgate doctor")
    except Failure as failure:
        if isinstance(failure.__cause__, PermissionError):
            yield unseen(f"{check.name}: {failure.message}", "sudo lightgate doctor")
            return
        yield error(
            f"{check.name}: {failure.message}", failure.help or "mend this, then ask the doctor again"
        )
    except Exception as bug:
        frames = traceback.extract_tb(bug.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        yield error(
            f"{check.name}: cannot be checked, {type(bug).__name__} at {place}",
            "a bug of lightgate, or a file that is not as it should be; report the line above",
        )


def count(results: Iterable[Result]) -> Counter[Level]:
    return Counter(result.finding.level for result in results)
