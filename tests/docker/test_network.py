"""The network between the sidecar and the identity provider is cut, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.docker.gated import Gated
from tests.docker.services import PROVIDER_NAME
from tests.system.processes import poll

#: packets vanish, as behind a dead link; or come back refused, as when the provider is down
WAYS = {"silence": "drop", "refusal": "reject"}
RECOVERY_S = 60  # the sidecar backs off between its attempts


@contextmanager
def cut(gated: Gated, verdict: str) -> Iterator[None]:
    """No packet from the host reaches the provider."""
    host = gated.host
    address = host.run("getent", "ahostsv4", PROVIDER_NAME).out.split()[0]
    host.run("nft", "add table inet cut")
    try:
        host.run("nft", "add chain inet cut out { type filter hook output priority 0; }")
        host.run("nft", f"add rule inet cut out ip daddr {address} {verdict}")
        yield
    finally:
        host.run("nft", "delete table inet cut")


@pytest.mark.parametrize("way", WAYS)
def test_cut_and_restored(gated: Gated, way: str) -> None:
    provider = gated.provider
    before = provider.token("rs256", sub="before")
    unseen = [provider.token("rs256", sub=f"unseen-{number}") for number in range(3)]
    opaque = provider.token("opaque", sub="opaque")
    assert gated.members(before).status == 200
    with cut(gated, WAYS[way]):
        # known keys go on verifying, callers that are remembered and callers that are new
        assert gated.members(before).status == 200
        assert [gated.members(token).status for token in unseen] == [200] * 3
        # what only the provider could answer is refused as unavailable, never let through
        assert gated.members(opaque).status == 503
        provider.rotate()  # the test still reaches it
        rotated = provider.token("rs256", sub="rotated")
        for _ in range(3):
            response = gated.members(rotated)
            assert response.status in (401, 503)
            assert "members page" not in response.text
        # and others do not wait with them
        assert gated.members(gated.fresh()).status == 200
        assert gated.members(gated.partner()).status == 200
    poll("the new keys are known", lambda: gated.gets_in(rotated), RECOVERY_S)
    assert gated.members(opaque).status == 200


def test_restarted_without_the_provider(gated: Gated) -> None:
    """The keys that the sidecar knew survive it; what it has not seen waits for the provider."""
    known = gated.provider.token("rs256", sub="early")
    with cut(gated, "drop"):
        gated.provider.rotate()
        rotated = gated.provider.token("rs256", sub="late")
        gated.host.systemctl("restart", "lightgate.service")
        assert gated.members(known).status == 200
        assert gated.members(rotated).status in (401, 503)
        assert gated.members(gated.fresh()).status == 200
        assert gated.host.get("/public/page.txt").status == 200
    poll("the new keys are known", lambda: gated.gets_in(rotated), RECOVERY_S)
