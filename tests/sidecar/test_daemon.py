"""The whole process: its sockets, signals, exit codes, and what it does while providers fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.sidecar import settings
from tests.sidecar.daemon import Daemon, bearer, poll, provider_in_a_thread
from tests.sidecar.fastcgi_client import deferral, exchange, request
from tests.sidecar.provider import Provider
from tests.sidecar.tokens import SECRET, claims, private_key, public_jwk, token


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    one = Daemon(tmp_path)
    yield one
    one.stop()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_in_a_thread() as one:
        yield one


def test_from_start_to_stop(daemon: Daemon) -> None:
    daemon.write()
    daemon.start()
    answer = daemon.ask(bearer(realm_access={"roles": ["admin"]}))
    assert answer.status == 200
    assert answer.fields["Variable-LIGHTGATE_IDENTITY"] == "release=r1&provider=corp&sub=alice&role=admin"
    assert daemon.ask(None).status == 401
    assert (daemon.directory / "epoch").exists()
    for name in ("a.sock", "h.sock"):
        assert stat.S_IMODE((daemon.directory / name).stat().st_mode) == 0o660
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert [event["event"] for event in daemon.events("started", "stopping", "stopped")] == [
        "started",
        "stopping",
        "stopped",
    ]
    assert sorted(path.name for path in daemon.directory.iterdir()) == ["epoch", "log", "sidecar.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_finished(daemon: Daemon, provider: Provider, number: signal.Signals) -> None:
    provider.gate.clear()
    provider.answers["opaque"] = {"active": True, "sub": "alice"}
    daemon.credential("corp-client", b"hush")
    daemon.write(settings.issuer(**settings.introspecting(provider.url + "/introspect")))
    daemon.start()
    with ThreadPoolExecutor() as pool:
        under_way = pool.submit(daemon.ask, b"Bearer opaque")
        poll("the provider is asked", lambda: provider.count("/introspect") == 1)
        daemon.signal(number)
        poll("it stops", lambda: not (daemon.directory / "a.sock").exists())
        provider.open_gate()
        assert under_way.result(20).status == 200
    assert daemon.wait() == 0


def test_a_request_that_does_not_finish_gets_a_503_and_the_process_ends(
    daemon: Daemon, provider: Provider
) -> None:
    provider.gate.clear()
    daemon.credential("corp-client", b"hush")
    daemon.write(
        settings.issuer(**settings.introspecting(provider.url + "/introspect", timeout_s=30)), deadline_s=1
    )
    daemon.start()
    with ThreadPoolExecutor() as pool:
        under_way = pool.submit(daemon.ask, b"Bearer opaque")
        poll("the provider is asked", lambda: provider.count("/introspect") == 1)
        daemon.signal(signal.SIGTERM)
        assert under_way.result(20).status == 503
    assert daemon.wait() == 0


def test_a_provider_that_does_not_answer_is_a_503_at_the_deadline(daemon: Daemon, provider: Provider) -> None:
    provider.gate.clear()
    daemon.write(settings.issuer(issuer=provider.url, keys={"from": "discovery"}), deadline_s=1)
    daemon.start()
    assert daemon.ask(bearer(iss=provider.url)).status == 503
    assert daemon.ask(None).status == 401
    assert [event["reason"] for event in daemon.events("unavailable")] == ["deadline"]


def restart(daemon: Daemon) -> None:
    """As after a crash."""
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon.log.write_text("")
    daemon.start()


def test_keys_outlive_the_provider_and_the_process_and_it_starts_without_one__KEY_13(daemon: Daemon) -> None:
    with provider_in_a_thread() as provider:
        url, port = provider.url, int(provider.url.rpartition(":")[2])
        daemon.write(settings.issuer(issuer=url, keys={"from": "discovery"}))
        daemon.start()
        assert daemon.ask(bearer(iss=url)).status == 200
    assert daemon.ask(bearer(iss=url)).status == 200
    restart(daemon)
    assert daemon.ask(bearer(iss=url)).status == 200
    assert daemon.events("keys-taken-up")
    shutil.rmtree(daemon.directory / "keys")
    restart(daemon)
    assert daemon.ask(bearer(iss=url)).status == 503
    assert daemon.get("/readyz")[0] == 503
    with provider_in_a_thread(port):
        poll("keys are fetched in the background", lambda: daemon.get("/readyz")[0] == 200)
        assert daemon.ask(bearer(iss=url)).status == 200


def test_a_flood_of_invented_keys_is_one_refresh__KEY_07(daemon: Daemon, provider: Provider) -> None:
    daemon.write(settings.issuer(issuer=provider.url, keys={"from": "discovery"}))
    daemon.start()
    assert daemon.ask(bearer(iss=provider.url)).status == 200
    before = provider.count("/jwks")
    flood = [bearer(iss=provider.url, kid=f"invented-{number}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(daemon.ask, flood)} == {401}
    assert provider.count("/jwks") - before <= 1


def test_a_rotated_key_is_accepted_and_the_old_one_refused__KEY_08_KEY_10(
    daemon: Daemon, provider: Provider
) -> None:
    daemon.write(settings.issuer(issuer=provider.url, keys={"from": "discovery"}))
    daemon.start()
    assert daemon.ask(bearer(iss=provider.url)).status == 200
    epoch = (daemon.directory / "epoch").stat().st_ino
    provider.jwks = {"keys": [public_jwk(private_key("RSA", 1), kid="new")]}
    assert daemon.ask(bearer(1, iss=provider.url, kid="new")).status == 200
    assert daemon.ask(bearer(iss=provider.url)).status == 401
    assert (daemon.directory / "epoch").stat().st_ino != epoch
    assert len(daemon.events("keys-removed")) == 1


def test_health_is_that_of_the_release_that_is_asked_for(daemon: Daemon) -> None:
    daemon.write()
    daemon.start()
    answer = daemon.ask(None, LIGHTGATE_ASK="health")
    assert (answer.status, answer.fields["Lightgate-Release"]) == (204, "r1")
    assert daemon.ask(None, LIGHTGATE_ASK="health", LIGHTGATE_RELEASE="r2").status == 503
    daemon.write(release="r2")
    poll(
        "it has read its file again",
        lambda: daemon.ask(None, LIGHTGATE_ASK="health", LIGHTGATE_RELEASE="r2").status == 204,
    )


def test_a_crash_leaves_no_core_dump(daemon: Daemon) -> None:
    daemon.write()
    daemon.start()
    assert daemon.process is not None
    limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0", limits)


def test_two_releases(daemon: Daemon) -> None:
    daemon.write()
    daemon.start()
    daemon.write(release="r2")
    for release in ("r2", "r1"):
        assert (
            daemon.ask(bearer(), LIGHTGATE_RELEASE=release)
            .fields["Variable-LIGHTGATE_ANSWER"]
            .startswith(release)
        )
    assert daemon.ask(bearer(), LIGHTGATE_RELEASE="r3").status == 503
    assert daemon.events("unavailable")[-1]["reason"] == "release-mismatch"


def test_reload_by_signal__INTRO_05(daemon: Daemon, provider: Provider) -> None:
    provider.answers["opaque"] = {"active": True, "sub": "alice"}
    daemon.credential("corp-client", b"hush")
    introspecting = settings.issuer(**settings.introspecting(provider.url + "/introspect"))
    daemon.write(introspecting)
    daemon.start()
    assert daemon.ask(b"Bearer opaque").status == 200
    epoch = (daemon.directory / "epoch").stat().st_ino
    provider.answers["opaque"] = {"active": False}
    assert daemon.ask(b"Bearer opaque").status == 200  # remembered
    daemon.write(introspecting, release="r2")
    daemon.signal(signal.SIGHUP)
    poll("it has reloaded", lambda: len(daemon.events("epoch-renewed")) == 1)
    assert (daemon.directory / "epoch").stat().st_ino != epoch
    assert daemon.ask(b"Bearer opaque", LIGHTGATE_RELEASE="r2").status == 401
    assert json.loads(daemon.get("/readyz")[1])["release"] == "r2"


def test_a_bad_reload_keeps_what_runs__OPS_11(daemon: Daemon) -> None:
    daemon.write()
    daemon.start()
    daemon.config.write_text("{")
    daemon.signal(signal.SIGHUP)
    poll("it says so", lambda: bool(daemon.events("reload-failed")))
    assert daemon.events("reload-failed")[0]["why"] == "not JSON"
    assert daemon.ask(bearer()).status == 200


HELP = "  = help: lightgate credential set NAME, or a file each in --credentials DIR\n"


def test_missing_credentials_end_it_before_the_sockets__OPS_11(daemon: Daemon) -> None:
    daemon.write(
        settings.issuer(algorithms=["HS256"], keys={"from": "secret", "credential": "partner-hs256"})
    )
    daemon.spawn()
    assert daemon.wait() == 1
    assert daemon.log.read_text() == (
        "error: credential `partner-hs256`: not found; "
        f"looked at `{daemon.credentials}/partner-hs256`, `$LIGHTGATE_CREDENTIAL_PARTNER_HS256`\n{HELP}"
    )
    assert sorted(path.name for path in daemon.directory.iterdir()) == ["log", "sidecar.json"]


def test_a_secret_that_is_a_public_key_ends_it__ALG_04(daemon: Daemon) -> None:
    daemon.credential(
        "hs", b"-----BEGIN PUBLIC KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PUBLIC KEY-----\n"
    )
    daemon.write(settings.issuer(algorithms=["HS256"], keys={"from": "secret", "credential": "hs"}))
    daemon.spawn()
    assert daemon.wait() == 1
    assert (
        daemon.log.read_text()
        == f"error: credential `hs`: looks like a public key, not like a secret\n{HELP}"
    )


def test_shared_secrets_are_published_for_lua(daemon: Daemon) -> None:
    daemon.credential("partner-hs256", SECRET + b"\n")
    daemon.write(
        settings.issuer(algorithms=["HS256"], keys={"from": "secret", "credential": "partner-hs256"})
    )
    daemon.start()
    path = daemon.directory / "secrets" / "partner-hs256"
    assert path.read_bytes() == SECRET
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o640, 0o750)
    text = token(claims(iat=..., exp=2_000_000_000), SECRET, alg="HS256")
    assert daemon.ask(b"Bearer " + text).status == 401  # lives too long
    daemon.credential("partner-hs256", SECRET[::-1])
    daemon.signal(signal.SIGHUP)
    poll("the new secret is published", lambda: path.read_bytes() == SECRET[::-1])


def test_a_socket_in_use_ends_it(daemon: Daemon, tmp_path: Path) -> None:
    daemon.write()
    daemon.start()
    second = Daemon(tmp_path)
    second.log = tmp_path / "second.log"
    second.spawn()
    assert second.wait() == 1
    path = tmp_path / "h.sock"
    assert second.log.read_text() == f"error: cannot listen on `{path}`: another process is listening there\n"
    assert daemon.ask(bearer()).status == 200


def test_sockets_left_by_a_killed_process_are_replaced(daemon: Daemon) -> None:
    daemon.write()
    daemon.start()
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    assert (daemon.directory / "a.sock").exists()
    daemon.log.write_text("")
    daemon.start()
    assert daemon.ask(bearer()).status == 200


def test_a_mistaken_configuration_ends_it(daemon: Daemon) -> None:
    daemon.write(deadline_s=0, typo=1)
    daemon.spawn()
    assert daemon.wait() == 1
    assert daemon.log.read_text() == (
        f"error: {daemon.config}: deadline_s: must be an integer from 1 to 60\n"
        f"error: {daemon.config}: typo: unknown member\n"
    )


def test_a_directory_that_is_not_there_ends_it(daemon: Daemon) -> None:
    daemon.write(epoch_file=str(daemon.directory / "none" / "epoch"))
    daemon.spawn()
    assert daemon.wait() == 1
    assert daemon.log.read_text() == f"error: `{daemon.directory}/none`: no such directory\n"


def test_operators_pages__OPS_13(daemon: Daemon) -> None:
    daemon.write()
    daemon.start()
    assert daemon.get("/healthz")[0] == 200
    status, text = daemon.get("/readyz")
    assert (status, json.loads(text)) == (
        200,
        {
            "status": "ready",
            "release": "r1",
            "issuers": {"corp": {"keys": 2, "age_s": None, "introspection": False, "ready": True}},
        },
    )
    daemon.ask(bearer())
    daemon.ask(None)
    assert daemon.metric('lightgate_decisions_total{outcome="allow",reason=""}') == 1
    assert daemon.metric('lightgate_decisions_total{outcome="refuse",reason="no-credential"}') == 1
    assert daemon.metric('lightgate_release_info{release="r1"}') == 1
    assert daemon.get("/")[0] == 404


def test_nothing_secret_is_logged_or_shown__OPS_01_PARSE_14(daemon: Daemon, provider: Provider) -> None:
    daemon.credential("corp-client", b"hush-hush-hush")
    daemon.write(settings.issuer(**settings.introspecting(provider.url + "/introspect")))
    daemon.start()
    secrets = [
        bearer(1).decode(),
        "Bearer 2YotnFZFEjr1zCsicMWpAA",
        "Basic Z2F0ZTpodXNo",
        "Bearer a b c-secret",
    ]
    for secret in secrets:
        daemon.ask(secret, LIGHTGATE_PATH="/x\r\ny", QUERY_STRING="access_token=query-secret")
    shown = daemon.log.read_text() + daemon.get("/metrics")[1] + daemon.get("/readyz")[1]
    for part in ["hush", "query-secret", "c-secret", *(secret.split(" ")[1][:16] for secret in secrets[:3])]:
        assert part not in shown
    assert all(line.startswith("{") for line in daemon.log.read_text().splitlines())


def test_garbage_does_not_disturb__FCGI_08(daemon: Daemon) -> None:
    daemon.write()
    daemon.start()
    path = daemon.directory / "a.sock"
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x01" * 100_000, request(deferral(None))[:40]):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(data) if data else None
    big = request({**deferral(bearer()), "HTTP_X": "x" * 60_000})
    assert b"Status: 200" in exchange(path, big)
    assert daemon.ask(bearer()).status == 200
    assert daemon.code() is None


def test_sockets_from_systemd(daemon: Daemon) -> None:
    """Passed in as systemd does, they stay when the process ends, and their backlog with them."""
    daemon.write()
    path = daemon.directory / "a.sock"
    with (
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        listener.bind(str(path))
        listener.listen(10)
        systemd.bind(str(daemon.directory / "notify"))
        systemd.settimeout(20)
        command = [sys.executable, "-m", "sidecar", "run", "--config", str(daemon.config)]
        launcher = (
            f"import os; os.dup2({listener.fileno()}, 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
            f"os.execv({sys.executable!r}, {command!r})"
        )
        with daemon.log.open("wb") as log:
            daemon.process = subprocess.Popen(
                [sys.executable, "-c", launcher],
                env={
                    **os.environ,
                    "LISTEN_FDS": "1",
                    "LISTEN_FDNAMES": "lightgate.socket",
                    "NOTIFY_SOCKET": str(daemon.directory / "notify"),
                    "WATCHDOG_USEC": "200000",
                },
                pass_fds=[listener.fileno()],
                stderr=log,
            )
        assert systemd.recv(100) == b"READY=1\nSTATUS=release r1"
        assert systemd.recv(100) == b"WATCHDOG=1"
        assert daemon.ask(bearer()).status == 200
        daemon.signal(signal.SIGTERM)
        messages = {systemd.recv(100)}
        while b"STOPPING=1" not in messages:
            messages.add(systemd.recv(100))
        assert messages <= {b"WATCHDOG=1", b"STOPPING=1"}
        assert daemon.wait() == 0
        assert path.exists()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(request(deferral(None)))
            listener.settimeout(10)
            next_one, _ = listener.accept()
            assert next_one.recv(100_000) == request(deferral(None))
            next_one.close()
