"""The machine boots: the gate works before anybody logs in, and nothing is open meanwhile."""

from __future__ import annotations

from tests.docker.gated import Gated
from tests.docker.host import mode_and_owner
from tests.docker.test_install import LAYOUT
from tests.system.processes import poll


def test_gate_works_after_a_reboot(fresh_gated: Gated) -> None:
    host = fresh_gated.host
    host.reboot()
    for unit in ("lightgate.socket", "lightgate.service", "lighttpd.service"):
        assert host.state(unit) == "active"
    assert host.property("lightgate.service", "NRestarts") == "0"
    order = [
        int(host.property(unit, "ActiveEnterTimestampMonotonic"))
        for unit in ("lightgate.socket", "lighttpd.service")
    ]
    assert order == sorted(order)
    poll("callers get in", lambda: fresh_gated.gets_in(fresh_gated.fresh()))
    assert fresh_gated.members(fresh_gated.partner()).status == 200
    assert fresh_gated.members(fresh_gated.provider.token()).status == 200
    assert fresh_gated.members(None).status == 401
    # what lay in memory is made anew as it was
    assert {path: mode_and_owner(host, path) for path in LAYOUT} == LAYOUT


def test_lighttpd_does_not_start_without_a_release(fresh_gated: Gated) -> None:
    """It would serve everything to everybody."""
    host = fresh_gated.host
    host.run("mv", "/var/lib/lightgate/current", "/root/current")
    host.systemctl("restart", "lighttpd.service", status=None)
    assert host.state("lighttpd.service") != "active"
    refused = host.run("curl", "-sS", "http://127.0.0.1/members/page.txt", status=None)
    assert refused.status == 7  # nobody listens
    host.run("mv", "/root/current", "/var/lib/lightgate/current")
    host.systemctl("reset-failed", "lighttpd.service")
    host.systemctl("start", "lighttpd.service")
    poll("callers get in", lambda: fresh_gated.gets_in(fresh_gated.fresh()))
