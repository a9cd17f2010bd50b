"""Restarts and kills of the sidecar while requests come in: none is lost, none gets in that must not.

Loads are small and bounded (load.py): what matters is that requests are under way at every moment.
"""

from __future__ import annotations

import time

from tests.docker.gated import Gated
from tests.docker.load import load, mixed
from tests.system.processes import poll

PER_SECOND = 400
SECONDS = 5


def test_restart_under_load_loses_no_request(gated: Gated) -> None:
    fresh = gated.fresh_shots(PER_SECOND * SECONDS // 4)
    shots = mixed(fresh, gated.known_shots(), gated.forged_shots(), gated.public_shots())
    pids = {gated.host.property("lightgate.service", "MainPID")}
    with load(gated.host.port, shots, per_second=PER_SECOND) as running:
        for _ in range(2):
            time.sleep(SECONDS / 4)
            gated.host.systemctl("restart", "lightgate.service")
            pids.add(gated.host.property("lightgate.service", "MainPID"))
        poll("the load ends", lambda: len(running.outcomes) >= 0.9 * len(fresh) * 4, deadline_s=30)
    assert len(pids) == 3
    assert set(running.count("fresh")) == {200}
    assert set(running.count("known")) == {200}
    assert set(running.count("public")) == {200}
    assert set(running.count("forged")) == {401}
    assert running.count("fresh").total() > 0.8 * len(fresh)


def test_kill_under_load_lets_nobody_in(gated: Gated) -> None:
    fresh = gated.fresh_shots(PER_SECOND * SECONDS // 4)
    shots = mixed(fresh, gated.known_shots(), gated.forged_shots(), gated.public_shots())
    with load(gated.host.port, shots, per_second=PER_SECOND) as running:
        for _ in range(2):
            time.sleep(SECONDS / 4)
            gated.host.systemctl("kill", "--signal=KILL", "lightgate.service")
        poll("the load ends", lambda: len(running.outcomes) >= 0.9 * len(fresh) * 4, deadline_s=45)
    assert set(running.count("known")) == {200}  # in the verdict cache: the sidecar is not asked
    assert set(running.count("public")) == {200}
    assert set(running.count("forged")) <= {401, 500, 503}, running.count("forged")
    # a request that was with the sidecar when it died is an error (500 is lighttpd's own), the others get in
    assert set(running.count("fresh")) <= {200, 500, 503}, running.count("fresh")
    assert running.count("fresh")[200] > 0.5 * len(fresh)
    poll("callers get in again", lambda: gated.gets_in(gated.fresh()))
