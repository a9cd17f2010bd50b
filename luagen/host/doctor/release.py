"""Is a release in force, whole, and what the operator means to be in force?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict

from luagen import resources
from luagen.failure import Failure
from luagen.host import clock
from luagen.host.doctor.facts import Check, Facts, need
from luagen.host.doctor.finding import Finding, error, ok, warning

_DEPLOY = "sudo lightgate deploy"


def _link(facts: Facts) -> Iterator[Finding]:
    release = facts.release
    if isinstance(release, Failure):
        yield error(release.message, f"{_DEPLOY}; while lighttpd is down: {_DEPLOY} --offline")
        return
    settings = facts.settings
    if release.directory.name != release.id or release.directory.parent != settings.releases.resolve():
        yield error(
            f"{settings.current} leads to {release.directory}, which is not a release of this host", _DEPLOY
        )
    elif release.record is None:
        yield warning(f"release {release.id} is in force, and nobody is on record for it", _DEPLOY)
    else:
        at, by = clock.text(release.record.deployed_at), release.record.deployed_by
        yield ok(f"release {release.id} is in force, deployed {at} by {by}")


def _whole(facts: Facts) -> Iterator[Finding]:
    """Every file as its manifest has it, and no other."""
    release = need(facts.release)
    expected = set(release.files) | {"manifest.json"}
    found = {path.name for path in release.directory.iterdir()}
    changed = sorted(
        name
        for name, digest in release.files.items()
        if name in found and hashlib.sha256((release.directory / name).read_bytes()).hexdigest() != digest
    )
    mend = f"find out who changed it; {_DEPLOY} writes it anew (the policy must be the one that is in force)"
    for name in changed:
        yield error(f"{release.directory}/{name} has been changed since it was deployed", mend)
    for name in sorted(expected - found):
        yield error(f"{release.directory}/{name} is missing", mend)
    for name in sorted(found - expected):
        yield error(f"{release.directory}/{name} is not part of the release", mend)
    if not changed and found == expected:
        yield ok(f"all {len(expected)} files of it are as they were written")


def _built_by(facts: Facts) -> Iterator[Finding]:
    built, installed = need(facts.release).lightgate, resources.version()
    if built == installed:
        yield ok(f"it was built by lightgate {installed}, which is what is installed")
    else:
        yield warning(f"it was built by lightgate {built}, and {installed} is installed", _DEPLOY)


def _policy(facts: Facts) -> Iterator[Finding]:
    release, path = need(facts.release), facts.settings.policy
    if not path.exists():
        yield warning(
            f"the policy {path} is not there",
            f"put it back, or set `policy` in the host file; then {_DEPLOY}",
        )
    elif hashlib.sha256(path.read_bytes()).hexdigest() == release.policy_sha256:
        yield ok(f"{path} is as it was deployed")
    else:
        yield warning(f"{path} has changed since it was deployed", _DEPLOY)


def _host_file(facts: Facts) -> Iterator[Finding]:
    """Paths and limits are part of a release."""
    release = need(facts.release)
    wanted = asdict(facts.settings.deployment())
    other = sorted(name for name in wanted if release.deployment.get(name) != wanted[name])
    if other:
        yield warning(f"the host file has changed since the deploy: {', '.join(other)}", _DEPLOY)
    else:
        yield ok("the host file is as it was at the deploy")


CHECKS = (
    Check("in force", _link),
    Check("whole", _whole),
    Check("built by", _built_by),
    Check("policy", _policy),
    Check("host file", _host_file),
)
