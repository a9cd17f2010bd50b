"""The doctor at a site: what a group of its checks finds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from luagen import compile_policy, resources
from luagen.host import settings
from luagen.host.doctor.facts import Facts
from luagen.host.doctor.finding import Finding, Level
from luagen.host.doctor.run import GROUPS, findings
from luagen.host.records import Record
from luagen.host.release_store import ReleaseStore
from tests.host.site import POLICY, Site


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one group."""

    findings: tuple[Finding, ...]

    @property
    def bad(self) -> list[tuple[str, str, str]]:
        """Level, message and help of what is not well."""
        bad = []
        for finding in self.findings:
            if finding.level in (Level.ERROR, Level.WARNING):
                assert finding.help, f"no help for: {finding.message}"
                bad.append((str(finding.level), finding.message, finding.help))
        return bad

    def only(self) -> tuple[str, str, str]:
        """The one thing that is not well."""
        assert len(self.bad) == 1, self.bad
        return self.bad[0]

    def messages(self, level: Level) -> list[str]:
        return [finding.message for finding in self.findings if finding.level is level]


@contextmanager
def roots_site() -> Iterator[Site]:
    """A site in a directory that only root can change, as nothing below /tmp is; other users have no such
    directory."""
    with tempfile.TemporaryDirectory(prefix="lgh", dir="/run" if os.geteuid() == 0 else "/tmp") as name:
        site = Site(Path(name))
        site.port = 1  # nobody listens there
        site.write_lighttpd_config()
        yield site
        site.stop()


def put_in_force(site: Site, policy: str = POLICY) -> str:
    """What `lightgate deploy --offline` ends with, without the rehearsal, which takes most of a second.

    Returns the release's id."""
    site.policy_file.write_text(policy)
    loaded = facts_of(site).settings
    compilation = compile_policy(loaded.policy, loaded.deployment())
    release = compilation.release
    assert release is not None and compilation.policy is not None, compilation.diagnostics
    store = ReleaseStore(loaded.state_directory)
    store.write(release)
    store.write_record(
        Record(
            release=release.id,
            policy_file=compilation.policy.file,
            policy_sha256=compilation.policy.sha256,
            lightgate=resources.version(),
            deployed_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            deployed_by="alice",
            comment="",
            previous=None,
        )
    )
    store.activate(release.id)
    return release.id


def facts_of(site: Site) -> Facts:
    loaded, diagnostics = settings.load(site.host_file)
    assert loaded is not None, diagnostics
    return Facts(loaded)


def examine(site: Site, group: str, *checks: str, prepare: Callable[[Facts], object] | None = None) -> Found:
    """What the checks of a group find; all of them when none is named. `prepare` may replace facts."""
    facts = facts_of(site)
    if prepare is not None:
        prepare(facts)
    named = dict(GROUPS)[group]
    assert not checks or set(checks) <= {check.name for check in named}
    return Found(
        tuple(
            finding
            for check in named
            if not checks or check.name in checks
            for finding in findings(check, facts)
        )
    )
