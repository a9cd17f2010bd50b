"""`lightgate doctor` on a healthy host, and on the same host with one thing wrong; `status`."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from tests.docker.gated import Gated
from tests.system.processes import poll


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong on a host. `plant` and `mend` are scripts; `word` is in the doctor's finding,
    `fix` in the help beside it."""

    plant: str
    mend: str
    word: str
    fix: str


RELEASE = "/var/lib/lightgate/current"
LIGHTTPD = "systemctl restart lighttpd"

FAULTS = {
    "module before the gate": Fault(
        f"""echo 'server.modules += ("mod_proxy")' >/etc/lighttpd/conf-enabled/01-early.conf; {LIGHTTPD}""",
        f"rm /etc/lighttpd/conf-enabled/01-early.conf; {LIGHTTPD}",
        "mod_proxy",
        "lightgate",
    ),
    "gate not included": Fault(
        f"lighty-disable-mod lightgate; {LIGHTTPD}",
        f"lighty-enable-mod lightgate; {LIGHTTPD}",
        "magnet.attract-raw-url-to",
        "lighty-enable-mod lightgate",
    ),
    "readable credential": Fault(
        "chmod 0755 /etc/lightgate/credentials; echo s >/etc/lightgate/credentials/loose; "
        "chmod 0644 /etc/lightgate/credentials/loose",
        "rm /etc/lightgate/credentials/loose; chmod 0700 /etc/lightgate/credentials",
        "/etc/lightgate/credentials",
        "chmod",
    ),
    "socket down": Fault(
        "systemctl stop lightgate.socket lightgate.service",
        "systemctl start lightgate.socket lightgate.service",
        "lightgate.socket",
        "systemctl start lightgate.socket",
    ),
    "sidecar down": Fault(
        "systemctl stop lightgate.service; chmod 0 /usr/lib/lightgate/bin/lightgate-sidecar",
        "chmod 0755 /usr/lib/lightgate/bin/lightgate-sidecar; systemctl restart lightgate.service",
        "lightgate.service",
        "systemctl start lightgate.service",
    ),
    "release changed by hand": Fault(
        f"cp -p {RELEASE}/sidecar.json /root/kept; echo ' ' >>{RELEASE}/sidecar.json",
        f"cp -p /root/kept {RELEASE}/sidecar.json",
        "sidecar.json",
        "lightgate deploy",
    ),
    "run directory shut": Fault(
        "chmod 0700 /run/lightgate",
        "chmod 2750 /run/lightgate",
        "/run/lightgate",
        "chmod 2750 /run/lightgate",
    ),
    "policy not deployed": Fault(
        "echo '# later' >>/etc/lightgate/lightgate.toml",
        "sed -i '$d' /etc/lightgate/lightgate.toml",
        "/etc/lightgate/lightgate.toml",
        "lightgate deploy",
    ),
    "directory that others can change": Fault(
        "chmod 0777 /etc/lightgate",
        "chmod 0755 /etc/lightgate",
        "others than root can change /etc/lightgate ",
        "chmod go-w /etc/lightgate",
    ),
    "link in the sidecar's directory": Fault(
        "mv /run/lightgate/secrets /run/lightgate/kept; "
        "runuser -u lightgate -- ln -s /etc/shadow /run/lightgate/secrets",
        "rm /run/lightgate/secrets; mv /run/lightgate/kept /run/lightgate/secrets",
        "/run/lightgate/secrets is a link",
        "rm /run/lightgate/secrets",
    ),
    "issuer without an address": Fault(
        "cp /etc/hosts /root/hosts; echo '192.0.2.1 login.lightgate.test' >>/etc/hosts",
        "cat /root/hosts >/etc/hosts",
        "corp",
        "",
    ),
}


def test_healthy_host(gated: Gated) -> None:
    said = gated.host.lightgate("doctor", status=None)
    assert said.status == 0, str(said)
    report = gated.host.lightgate("doctor", "--json").json()
    # a container's clock is its machine's, which these tests leave as it is
    found = [one for one in report["findings"] if one["level"] != "ok" and one["group"] != "clock"]
    assert found == []


def test_a_sidecar_that_cannot_start_is_waited_for_once(gated: Gated) -> None:
    fault = FAULTS["sidecar down"]
    gated.host.sh(fault.plant + "; systemctl start lightgate.socket")
    try:
        started = time.monotonic()
        gated.host.lightgate("doctor", "--json", status=None)
        assert time.monotonic() - started < 12
    finally:
        gated.host.sh(fault.mend)
        poll("callers get in again", lambda: gated.gets_in(gated.fresh()))


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_with_its_fix(gated: Gated, name: str) -> None:
    fault = FAULTS[name]
    gated.host.sh(fault.plant)
    try:
        report = gated.host.lightgate("doctor", "--json", status=None).json()
        bad = [one for one in report["findings"] if one["level"] in ("warning", "error")]
        named = [one for one in bad if fault.word in one["message"]]
        assert named, bad
        assert any(one["help"] and fault.fix in one["help"] for one in named), named
    finally:
        gated.host.sh(fault.mend)
        poll("callers get in again", lambda: gated.gets_in(gated.fresh()))


def test_status(gated: Gated) -> None:
    gated.members(gated.provider.token())
    status = gated.host.lightgate("status", "--json").json()
    release = gated.host.run("readlink", RELEASE).out.strip().rpartition("/")[2]
    text = str(status)
    assert release in text
    assert gated.host.lightgate("status").out.count(release) >= 1
