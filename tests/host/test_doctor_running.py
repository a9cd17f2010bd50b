"""Doctor and status at a site that runs: all is well, and what they say when a part of it is not."""

from __future__ import annotations

import os
import pwd
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from luagen.host.doctor.finding import Level
from luagen.host.status import look
from tests.host.doctor_at import examine, facts_of, put_in_force, roots_site
from tests.host.site import POLICY, Done, Site, with_issuer
from tests.system.tokens import Signer, claims
from tests.system.wire import bearer, request

pytestmark = pytest.mark.system

ISSUER = "https://login.example.org"  # nobody asks it: its keys are in the policy


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def site() -> Iterator[Site]:
    with roots_site() as site:
        yield site


@pytest.fixture
def running(site: Site, signer: Signer) -> Site:
    """Serves a members' area; owners and modes as they should be when root runs the tests."""
    configure(site)
    (site.directory / "keys.json").write_text(signer.jwks())
    (site.directory / "credentials.encrypted").mkdir(mode=0o700)
    (site.directory / "log").mkdir(mode=0o750)
    (site.directory / "run").chmod(0o2750)
    put_in_force(site, with_issuer(ISSUER))
    site.start()
    return site


def configure(site: Site, **keys: object) -> None:
    site.configure(
        lighttpd_user="root",
        sidecar_user="root",
        sealed_credentials_directory=str(site.directory / "credentials.encrypted"),
        **keys,
    )


def doctor(site: Site) -> tuple[Done, dict[str, list[dict[str, Any]]]]:
    """How it ended, and what it found by level; without root, its view of owners is left out."""
    done = site.run("doctor", "--json")
    findings = [
        finding
        for finding in done.json()["findings"]
        if os.geteuid() == 0 or finding["group"] != "permissions"
    ]
    levels = ("ok", "unseen", "warning", "error")
    return done, {level: [one for one in findings if one["level"] == level] for level in levels}


def said(findings: list[dict[str, Any]], group: str) -> list[str]:
    return [finding["message"] for finding in findings if finding["group"] == group]


# --- well --------------------------------------------------------------------------------------------


def test_all_is_well(running: Site, signer: Signer) -> None:
    release = running.in_force()
    members = bearer(signer.sign(claims(iss=ISSUER, aud="shop")))
    assert request(running.port, "/members/", [members]).status in (403, 404)  # no listing; it was let in
    request(running.port, "/members/", [members])

    done, found = doctor(running)
    assert found["error"] == []
    if os.geteuid() == 0:
        assert (done.status, done.json()["ok"]) == (0, True)
    assert f"lighttpd, Lua and the sidecar answer together for release {release}" in said(
        found["ok"], "end to end"
    )
    assert f"it answers for release {release}" in said(found["ok"], "sidecar")
    assert "issuer `corp` is not asked: its keys are on this host" in said(found["ok"], "issuers")
    assert [finding["help"] for finding in found["warning"] if not finding["help"]] == []

    status = running.run("status", "--json")
    report = status.json()
    assert (status.status, report["ok"], report["problems"]) == (0, True, [])
    assert report["release"]["id"] == report["lighttpd"]["release"] == report["sidecar"]["release"] == release
    assert (report["release"]["deployed_by"], report["release"]["policy"]["changed"]) == ("alice", False)
    assert report["sidecar"]["decisions"] == {"allow": 1, "refuse": 0, "unavailable": 0}
    assert (report["lighttpd"]["verdicts"]["entries"], report["lighttpd"]["verdicts"]["hits"]) == (1, 1)
    assert report["sidecar"]["issuers"]["corp"]["ready"] is True
    assert set(report["sockets"].values()) == {"listening"}

    text = running.run("status").out
    assert text.endswith("all agree, all is well\n")
    assert "decisions   1 allow, 0 refuse, 0 unavailable (since its start)" in text
    assert "deployed    2026-01-02T03:04:05Z by alice" in text


def test_for_people(running: Site) -> None:
    running.policy_file.write_text('default = "deny"\n')
    done = running.run("doctor")
    assert f"  warning  {running.policy_file} has changed since it was deployed\n" in done.out
    assert "           = help: sudo lightgate deploy\n" in done.out
    assert done.out.splitlines()[-1].endswith(" ok")
    status = running.run("status")
    assert (status.status, "the policy file has changed since the deploy" in status.out) == (0, True)


# --- not well ----------------------------------------------------------------------------------------


def test_a_sidecar_that_was_killed(running: Site) -> None:
    assert running.sidecar is not None
    running.sidecar.kill()
    done, found = doctor(running)
    assert done.status == 1
    assert said(found["error"], "services") == [
        f"{running.directory}/run/{name}.sock is there, and nobody listens on it"
        for name in ("authorizer", "http")
    ]
    assert said(found["error"], "sidecar") == [
        "the sidecar does not answer: nobody listens on its HTTP socket"
    ]
    assert said(found["error"], "end to end") == []
    assert said(found["unseen"], "end to end") == [
        "end to end: not looked at: the sidecar does not answer: nobody listens on its HTTP socket"
    ]
    status = running.run("status", "--json")
    assert status.status == 1
    assert "the sidecar does not answer: nobody listens on its HTTP socket" in status.json()["problems"]
    assert set(status.json()["sockets"].values()) == {"dead"}
    assert status.json()["lighttpd"]["release"] == running.in_force()


def test_a_socket_that_is_up_without_a_sidecar(running: Site) -> None:
    """As systemd keeps it when the sidecar cannot start: connections are taken, and nobody reads them."""
    assert running.sidecar is not None
    running.sidecar.stop()
    names = [running.directory / "run" / name for name in ("authorizer.sock", "http.sock")]
    with socket.socket(socket.AF_UNIX) as authorizer, socket.socket(socket.AF_UNIX) as http:
        for listener, path in zip((authorizer, http), names, strict=True):
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            path.chmod(0o660)
            listener.listen()
        started = time.monotonic()
        done, found = doctor(running)
        took_s = time.monotonic() - started
    assert done.status == 1
    silent = "the sidecar does not answer: no answer within 3 s"
    assert said(found["error"], "sidecar") == [silent]
    assert said(found["error"], "end to end") == []
    assert said(found["unseen"], "end to end") == [f"end to end: not looked at: {silent}"]
    assert said(found["unseen"], "sidecar") == [
        f"{name}: not looked at: no answer within 3 s" for name in ("ready", "release", "keys")
    ]
    assert took_s < 10  # it waits for the sidecar once; lighttpd would wait for 10 s more


def test_lighttpd_is_down(running: Site) -> None:
    assert running.lighttpd is not None
    running.lighttpd.stop()
    done, found = doctor(running)
    assert done.status == 1
    assert said(found["error"], "end to end") == [
        f"lighttpd does not say what it runs: "
        f"http://127.0.0.1:{running.port}/.lightgate/status: nobody listens",
        f"no answer of the whole: http://127.0.0.1:{running.port}/.lightgate/health: nobody listens",
    ]
    assert said(found["error"], "sidecar") == []
    status = running.run("status")
    assert status.status == 1
    assert "what it runs is not known" in status.out
    assert status.out.endswith("  = help: as root, `lightgate doctor` says what to do\n")


def test_a_release_that_lighttpd_does_not_see(running: Site) -> None:
    """lighttpd reads its scripts below one link, and another one is in force."""
    before = running.in_force()
    configure(running, state_directory=str(running.directory / "other"))
    after = put_in_force(running, POLICY)
    done, found = doctor(running)
    assert done.status == 1
    assert said(found["error"], "end to end") == [
        f"lighttpd runs release {before}, and {after} is in force",
        f"the whole answers for release {before}, and {after} is in force",
    ]
    assert said(found["error"], "sidecar") == [f"it answers for release {before}, and {after} is in force"]
    assert any("does not name" in message for message in said(found["error"], "lighttpd"))
    status = running.run("status", "--json")
    assert status.status == 1
    assert status.json()["problems"] == [
        f"lighttpd runs release {before}, and {after} is in force",
        f"the sidecar answers for release {before}, and {after} is in force",
    ]


def test_lighttpd_that_asks_no_rule(site: Site) -> None:
    configure(site)
    put_in_force(site)
    site.extra = "magnet.attract-raw-url-to := ()\nmagnet.attract-response-start-to := ()"
    site.start_lighttpd()
    done, found = doctor(site)
    assert done.status == 1
    assert said(found["error"], "end to end")[0] == (
        f"lighttpd does not say what it runs: http://127.0.0.1:{site.port}/.lightgate/status answers 404"
    )
    assert [message.partition(":")[0] for message in said(found["error"], "lighttpd")] == [
        f"`magnet.attract-raw-url-to` does not name {site.current}/request.lua",
        f"`magnet.attract-response-start-to` does not name {site.current}/response.lua",
    ]


def test_what_lua_complained_about_is_shown(running: Site, signer: Signer) -> None:
    assert running.sidecar is not None
    running.sidecar.kill()
    token = bearer(signer.sign(claims(iss=ISSUER, aud="shop")))
    assert request(running.port, "/members/", [token]).status == 503
    log = running.directory / "error.log"
    with log.open("a") as file:
        file.write("2026-01-01 00:00:00: (mod_magnet.c.1) (lua-print) lightgate: 503: \x1b[2Jtrial\n")
    status = running.run("status")
    assert "last errors of lighttpd\n" in status.out
    assert "lightgate: 503: ?[2Jtrial\n" in status.out


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_another_user_sees_less_and_no_errors(running: Site) -> None:
    """`nobody` may look neither into the run directory nor at credentials, which is as it should be."""
    running.credential("x", "y")
    groups = ("lighttpd", "services", "permissions", "end to end", "sidecar")
    for group in groups:  # so that nothing is left to import, from where nobody may not look either
        examine(running, group)
    status = look(facts_of(running).settings)
    assert status.problems == ()
    os.setegid(pwd.getpwnam("nobody").pw_gid)
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        found = {group: examine(running, group) for group in groups}
        status = look(facts_of(running).settings)
    finally:
        os.seteuid(0)
        os.setegid(0)
    assert {group: one.messages(Level.ERROR) for group, one in found.items()} == {
        group: [] for group in groups
    }
    assert found["sidecar"].messages(Level.UNSEEN) == [
        "up: this user may not connect to its HTTP socket",
        "ready: this user may not connect to its HTTP socket",
        "release: this user may not connect to its HTTP socket",
        "keys: this user may not connect to its HTTP socket",
        f"credentials: cannot read `{running.directory}/credentials`: permission denied",
        f"epoch file: this user may not look at {running.directory}/run/epoch",
    ]
    assert found["services"].messages(Level.UNSEEN)
    assert status.problems == ("the sidecar cannot be asked: this user may not connect to its HTTP socket",)


def test_the_host_file_may_say_where_lighttpd_is(running: Site) -> None:
    configure(running, lighttpd_url=f"http://127.0.0.1:{running.port}/")
    assert running.run("status", "--json").json()["lighttpd"]["release"] == running.in_force()
    configure(running, lighttpd_url="http://127.0.0.1:1")
    assert running.run("status", "--json").json()["lighttpd"]["release"] is None
