"""Does this machine reach the issuers, and are they who they should be?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from luagen.host.doctor.facts import Check, Facts
from luagen.host.doctor.finding import Finding, error, ok, warning

_EXPIRES_SOON_S = 14 * 86_400.0


def _reached(facts: Facts) -> Iterator[Finding]:
    for seen in facts.issuers:
        if seen.url is None:
            yield ok(f"issuer `{seen.name}` is not asked: its keys are on this host")
        elif seen.problem is not None:
            yield error(f"issuer `{seen.name}`: {seen.problem.message}", seen.problem.help)
        elif seen.keys == 0:
            yield error(
                f"issuer `{seen.name}` publishes no key",
                f"none of its tokens can be verified: curl {seen.url}",
            )
        else:
            keys = "" if seen.keys is None else f", {seen.keys} key{'' if seen.keys == 1 else 's'}"
            yield ok(f"issuer `{seen.name}` answers as itself{keys}")


def _certificates(facts: Facts) -> Iterator[Finding]:
    for seen in facts.issuers:
        if seen.expires_at is None:
            continue
        left_s = seen.expires_at - time.time()
        days = int(left_s // 86_400)
        if left_s < _EXPIRES_SOON_S:
            yield warning(
                f"the certificate of issuer `{seen.name}` expires in {days} days",
                f"tell those who run {seen.url}: with an expired one, its tokens are a 503 after a day",
            )
        else:
            yield ok(f"the certificate of issuer `{seen.name}` is good for {days} days")


CHECKS = (Check("issuers", _reached), Check("certificates", _certificates))
