"""Is the time right? By a wrong clock, valid tokens are refused or expired ones taken."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from luagen.host.doctor.facts import Check, Facts
from luagen.host.doctor.finding import Finding, UnseenError, error, ok, warning

TOLERANCE_S = 30.0  # an issuer's default `leeway`
_SET = "sudo timedatectl set-ntp true (or the time service of this host)"


def _synchronised(facts: Facts) -> Iterator[Finding]:
    if not facts.has_systemd or shutil.which("timedatectl") is None:
        raise UnseenError("whether this host's clock is kept right cannot be asked: no timedatectl")
    asked = subprocess.run(
        ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    match asked.stdout.strip():
        case "yes":
            yield ok("the clock is synchronised")
        case "no":
            yield warning("the clock is not synchronised", _SET)
        case _:
            raise UnseenError("whether this host's clock is kept right cannot be asked: timedatectl fails")


def _against_issuers(facts: Facts) -> Iterator[Finding]:
    offsets = {seen.name: seen.offset_s for seen in facts.issuers if seen.offset_s is not None}
    for name, offset in offsets.items():
        if abs(offset) <= TOLERANCE_S:
            yield ok(f"the clock agrees with issuer `{name}` ({offset:+.0f} s)")
        else:
            side = "behind" if offset > 0 else "ahead of"
            yield error(f"this host's clock is {abs(offset):.0f} s {side} that of issuer `{name}`", _SET)


CHECKS = (Check("synchronised", _synchronised), Check("against issuers", _against_issuers))
