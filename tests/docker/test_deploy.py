"""`lightgate deploy`, `rollback` and `releases` on a running host."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.docker.gated import MARK, PARTNER_SECRET, POLICY_FILE, Gated, policy
from tests.docker.host import snapshot
from tests.docker.load import Shot, load, mixed
from tests.system.processes import poll

STATE = "/var/lib/lightgate"
HOST_FILE = "/etc/lightgate/host.toml"
PER_SECOND = 300

SHUT = """
[[rule]]
name = "closed for everybody"
when = 'request.path == "/public/page.txt"'
respond = { status = 403 }
"""

#: what the policy must do: 401 for strangers is what it does
TEST = """
[[test]]
name = "strangers stay out"
request = {{ url = "/members/page.txt" }}
expect = {{ status = {} }}
"""


ANOTHER_AUDIENCE = ('audience = ["shop"]', 'audience = ["shop", "another"]')


@pytest.fixture
def deploying(gated: Gated) -> Iterator[Gated]:
    """The shared host; its policy is in force again afterwards, whatever the test did."""
    yield gated
    gated.host.write(POLICY_FILE, policy())
    gated.host.lightgate("deploy", "--comment", "as before")
    gated.wait_until("nosniff")


def deploy(gated: Gated, text: str, *arguments: str) -> dict[str, object]:
    gated.host.write(POLICY_FILE, text)
    answer: dict[str, object] = gated.host.lightgate("deploy", "--json", *arguments).json()
    return answer


def lighttpd_process(gated: Gated) -> tuple[str, str, str]:
    """What a restart or a reload of lighttpd changes."""
    host = gated.host
    pid = host.property("lighttpd.service", "MainPID")
    started = host.property("lighttpd.service", "ActiveEnterTimestampMonotonic")
    starts = host.run("grep", "-c", "server started", "/var/log/lighttpd/error.log").out
    return pid, started, starts


def in_force(gated: Gated) -> str:
    return gated.host.run("readlink", f"{STATE}/current").out.strip().rpartition("/")[2]


def test_rules_alone_restart_nothing(deploying: Gated) -> None:
    lighttpd = lighttpd_process(deploying)
    sidecar = deploying.host.property("lightgate.service", "MainPID")
    deploy(deploying, policy("second"), "--comment", "another header")
    # the probe has seen it: nothing has to be waited for
    assert deploying.members(deploying.fresh()).field(MARK) == "second"
    assert lighttpd_process(deploying) == lighttpd
    assert deploying.host.property("lightgate.service", "MainPID") == sidecar


def test_broken_policy_changes_nothing(deploying: Gated) -> None:
    before, release = snapshot(deploying.host, STATE), in_force(deploying)
    deploying.host.write(POLICY_FILE, policy("broken").replace("identity.sub", "identity.subject"))
    said = deploying.host.lightgate("deploy", status=1)
    assert "error" in said.err and "identity.subject" in said.err
    assert in_force(deploying) == release
    after = snapshot(deploying.host, STATE)
    before.pop(f"{STATE}/lock", None), after.pop(f"{STATE}/lock", None)
    assert after == before
    assert deploying.members(deploying.fresh()).field(MARK) == "nosniff"


def test_policy_is_tested_first(deploying: Gated) -> None:
    release = in_force(deploying)
    deploying.host.write(POLICY_FILE, policy("tested") + TEST.format(200))
    said = deploying.host.lightgate("deploy", status=1)
    assert 'the policy fails its own test "strangers stay out"' in said.err
    assert in_force(deploying) == release
    steps = deploy(deploying, policy("tested") + TEST.format(401))["steps"]
    assert {"step": "tests", "said": "1 passed"} in steps
    assert deploying.members(deploying.fresh()).field(MARK) == "tested"


def test_failing_probe_rolls_back_by_itself(deploying: Gated) -> None:
    release = in_force(deploying)
    deploying.host.write(HOST_FILE, 'health_url = "http://127.0.0.1/public/page.txt"\n')
    try:
        deploying.host.write(POLICY_FILE, policy("shut").replace("[[rule]]", SHUT + "\n[[rule]]", 1))
        said = deploying.host.lightgate("deploy", "--comment", "a mistake", status=1)
        assert "in force again" in said.err and "403" in said.err
        assert in_force(deploying) == release
        deploying.wait_until("nosniff")
        assert deploying.host.get("/public/page.txt").status == 200
    finally:
        deploying.host.run("rm", HOST_FILE)
    audit = deploying.host.read("/var/log/lightgate/audit.log").splitlines()
    assert json.loads(audit[-1])["event"] == "deploy-failed"


def test_rollback_and_releases(deploying: Gated) -> None:
    first = in_force(deploying)
    second = deploy(deploying, policy("second"), "--comment", "the second")["release"]
    third = deploy(deploying, policy("third"), "--comment", "the third")["release"]
    listed = deploying.host.lightgate("releases", "--json").json()
    assert listed["in_force"] == third == in_force(deploying)
    records = {one["release"]: one for one in listed["releases"]}
    assert (records[third]["comment"], records[third]["previous"]) == ("the third", second)
    assert records[third]["deployed_by"] == "root"
    assert POLICY_FILE.endswith(records[third]["policy"]["file"])
    assert records[third]["deployed_at"].endswith(("Z", "+00:00"))
    assert "the second" in deploying.host.lightgate("releases").out

    deploying.host.lightgate("rollback")
    assert in_force(deploying) == second
    assert deploying.members(deploying.fresh()).field(MARK) == "second"
    deploying.host.lightgate("rollback")  # a second one goes one further back
    assert in_force(deploying) == first
    assert deploying.members(deploying.fresh()).field(MARK) == "nosniff"
    deploying.host.lightgate("rollback", str(third)[:8], "--comment", "forward again")
    assert deploying.members(deploying.fresh()).field(MARK) == "third"
    assert deploying.host.lightgate("rollback", "no-such", status=1).err.startswith("error: ")


def test_deploy_under_load(deploying: Gated) -> None:
    """Rules, then the sidecar's settings, then back: caller is refused who must not be, caller gets in."""
    fresh = deploying.fresh_shots(PER_SECOND * 12 // 4)
    shots = mixed(fresh, deploying.known_shots(), deploying.forged_shots(), deploying.public_shots())
    with load(deploying.host.port, shots, per_second=PER_SECOND) as running:
        deploy(deploying, policy("second"))
        time.sleep(0.5)
        deploy(deploying, policy("third").replace(*ANOTHER_AUDIENCE))
        time.sleep(0.5)
        deploying.host.lightgate("rollback")
        time.sleep(1.5)  # lighttpd looks at its scripts once a second
    for kind, expected in {"fresh": 200, "known": 200, "public": 200, "forged": 401}.items():
        assert set(running.count(kind)) == {expected}, running.count(kind)
    assert running.count("fresh").total() > PER_SECOND / 4


WAITING_S = 1.0


@pytest.mark.parametrize("change", [("", ""), ANOTHER_AUDIENCE], ids=["rules", "settings"])
def test_requests_under_way_when_the_release_changes(deploying: Gated, change: tuple[str, str]) -> None:
    """Who waits for the provider while lighttpd takes up new rules is answered, not refused; also where these
    have another audience."""
    caller = f"waiting-{len(change[1])}"
    tokens = [deploying.provider.token("opaque", sub=f"{caller}-{number}") for number in range(60)]
    shots = [Shot("waiting", "/members/page.txt", token) for token in tokens]
    deploying.provider.delay_introspection(WAITING_S)
    try:
        with load(deploying.host.port, shots, per_second=12, connections=30) as running:
            poll("some wait", lambda: len(running.outcomes) > 0)
            deploy(deploying, policy("second").replace(*change))
            poll("all are answered", lambda: len(running.outcomes) == len(shots))
    finally:
        deploying.provider.delay_introspection(0)
    assert running.count("waiting") == {200: len(shots)}


def test_credential_rotates_under_load(deploying: Gated) -> None:
    """The restart that a new secret needs loses no request; the old secret is good for nothing after it."""
    host = deploying.host
    old = deploying.partner()
    another = "another secret that is as long as the first one was"

    def gets_in(secret: str) -> bool:
        return deploying.members(deploying.partner(secret=secret)).status == 200

    shots = mixed(deploying.fresh_shots(PER_SECOND * 6), deploying.known_shots())
    try:
        with load(host.port, shots, per_second=PER_SECOND) as running:
            host.lightgate("credential", "rotate", "partner", stdin=another.encode())
            poll("the new secret counts", lambda: gets_in(another))
        assert deploying.members(old).status == 401
        assert set(running.count("fresh")) == {200}
        assert set(running.count("known")) == {200}
    finally:
        host.lightgate("credential", "rotate", "partner", stdin=PARTNER_SECRET.encode())
    poll("the old secret counts again", lambda: gets_in(PARTNER_SECRET))


def test_audit_log_says_who_did_what(deploying: Gated) -> None:
    release = deploy(deploying, policy("audited"), "--comment", "for the record")["release"]
    lines = [json.loads(line) for line in deploying.host.read("/var/log/lightgate/audit.log").splitlines()]
    assert (lines[-1]["event"], lines[-1]["release"]) == ("deploy", release)
    assert lines[-1]["comment"] == "for the record"
    assert {line["event"] for line in lines} >= {"credential-set", "deploy"}
