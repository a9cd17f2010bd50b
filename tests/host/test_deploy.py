"""`lightgate deploy`, `rollback` and `releases` against a real lighttpd and a real sidecar."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.host.site import POLICY, Site, with_issuer
from tests.system.policies import local_policy
from tests.system.processes import REPOSITORY, poll
from tests.system.tokens import Signer, claims

pytestmark = pytest.mark.system

#: POLICY with one more rule
GONE = (
    POLICY
    + '[[rule]]\nname = "gone"\nwhen = \'under(request.path, "/page.txt")\'\nrespond = { status = 403 }\n'
)


def variant(number: int) -> str:
    """POLICY with other bytes: another release."""
    return f"{POLICY}# {number}\n"


# --- what is told to whom ----------------------------------------------------------------------------


def test_only_lua(running: Site) -> None:
    """Nobody is told, nothing is restarted, and the new rule is in force when the command ends."""
    assert running.lighttpd is not None
    before, pid = running.in_force(), running.lighttpd.pid
    assert running.get("/page.txt").status == 200
    done = running.deploy(GONE, "--comment", "page gone")
    assert (done.status, done.err) == (0, "")
    assert running.get("/page.txt").status == 403
    assert running.told() == []
    assert (running.lighttpd.running, running.lighttpd.pid) == (True, pid)
    assert running.errors().count("server started") == 1

    steps = done.steps()
    assert list(steps) == [
        *("check", "build", "rehearse", "test", "write", "activate", "tell", "probe", "release"),
    ]
    assert steps["activate"] == f"release {running.in_force()} instead of {before}"
    assert steps["tell"] == "nobody: lighttpd and the sidecar notice by themselves"
    record = json.loads((running.state / "releases" / f"{running.in_force()}.json").read_text())
    assert (record["comment"], record["previous"]) == ("page gone", before)
    line = running.audit()[-1]
    assert (line["event"], line["release"], line["previous"], line["comment"], line["policy_sha256"]) == (
        *("deploy", running.in_force(), before, "page gone"),
        record["policy"]["sha256"],
    )


def test_another_issuer_reloads_the_sidecar(running: Site) -> None:
    (running.directory / "keys.json").write_text(Signer().jwks())
    done = running.deploy(with_issuer("https://login.example"))
    assert (done.status, done.err) == (0, "")
    assert running.told() == ["reload sidecar"]
    assert running.get("/members/").status == 401
    assert done.steps()["tell"] == "sidecar: reload (its settings have changed)"


def test_another_credential_restarts_the_sidecar(running: Site) -> None:
    running.credential("partner", "s" * 40)
    done = running.deploy(with_issuer("https://login.example", secret="partner"))
    assert (done.status, done.err) == (0, "")
    assert running.told() == ["restart sidecar"]


def test_other_directives_reload_lighttpd(running: Site) -> None:
    """As after an upgrade of lightgate: the release in force has other directives than a new one."""
    conf = running.current / "lightgate.conf"
    conf.write_text(conf.read_text().replace('"disable-time"    => 0', '"disable-time"    => 1'))
    done = running.deploy(GONE)
    assert (done.status, done.err) == (0, "")
    assert running.told() == ["reload lighttpd"]
    assert running.get("/page.txt").status == 403


def test_the_same_again_changes_nothing(running: Site) -> None:
    before = (running.current / "request.lua").stat().st_mtime_ns
    done = running.deploy()
    assert (done.status, running.told()) == (0, [])
    assert done.out.endswith(f"release {running.in_force()} is in force, as before\n")
    assert (running.current / "request.lua").stat().st_mtime_ns == before
    assert [line["event"] for line in running.audit()] == ["deploy"]


# --- what fails changes nothing ----------------------------------------------------------------------


def everything(site: Site) -> dict[str, object]:
    """What must not change: which is in force, what there is, what was written down."""
    return {"in force": site.in_force(), "releases": site.releases(), "audit": site.audit()}


def test_a_broken_policy(running: Site) -> None:
    before = everything(running)
    done = running.deploy('default = "maybe"\n')
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error[")
    assert (everything(running), running.told()) == (before, [])


def test_lua_that_does_not_compile(running: Site) -> None:
    """Which no policy brings about, so the release is changed before a rollback to it: manifest and all."""
    assert running.deploy(GONE).status == 0
    broken = running.state / "releases" / running.in_force()
    assert running.run("rollback").status == 0
    (broken / "request.lua").write_text("return nonsense(\n")
    manifest = json.loads((broken / "manifest.json").read_text())
    for file in manifest["files"]:
        file["sha256"] = hashlib.sha256((broken / file["name"]).read_bytes()).hexdigest()
    (broken / "manifest.json").write_text(json.dumps(manifest))
    before = everything(running)
    running.told()
    done = running.run("rollback", broken.name)
    assert done.status == 1
    assert "error: Lua fails inside lighttpd 1.4." in done.err
    assert "request.lua failed: " in done.err
    assert "unexpected symbol" in done.err
    assert (everything(running), running.told()) == (before, [])
    assert running.get("/page.txt").status == 200


def test_a_configuration_that_lighttpd_refuses(running: Site) -> None:
    before = everything(running)
    running.extra = 'server.modules += ( "mod_nothere" )'
    running.write_lighttpd_config()
    done = running.deploy(GONE)
    assert done.status == 1
    assert "error: lighttpd refuses its configuration: " in done.err
    assert "mod_nothere" in done.err
    assert everything(running) == before


def test_a_mistake_in_the_configuration_is_shown_where_it_is(running: Site) -> None:
    extra = running.directory / "conf-enabled" / "99-extra.conf"
    extra.write_text('\nserver.tag = "x\n')
    done = running.deploy(GONE)
    assert done.status == 1
    assert f"error: lighttpd refuses its configuration: {extra}:2: " in done.err


def test_a_configuration_without_lightgate(running: Site) -> None:
    before = everything(running)
    (running.directory / "conf-enabled" / "04-lightgate.conf").unlink()
    done = running.deploy(GONE)
    assert done.status == 1
    assert (
        f"error: `{running.lighttpd_config}` does not include lightgate: no rule would be asked" in done.err
    )
    assert f'include "{running.current}/lightgate.conf"' in done.err
    assert everything(running) == before


def test_a_lighttpd_that_is_not_there_to_answer(running: Site) -> None:
    before = everything(running)
    assert running.lighttpd is not None
    running.lighttpd.stop()
    done = running.deploy(GONE)
    assert done.status == 1
    assert f"error: lighttpd does not answer at http://127.0.0.1:{running.port}/" in done.err
    assert "--offline" in done.err
    assert everything(running) == before
    assert running.deploy(None, "--offline").status == 0


# --- what fails later goes back ----------------------------------------------------------------------


class Failing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def failing_page() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Failing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_rule_that_refuses_the_health_page(running: Site) -> None:
    running.configure(health_url=f"http://127.0.0.1:{running.port}/page.txt")
    before, releases = running.in_force(), running.releases()
    done = running.deploy(GONE, "--comment", "oops")
    assert done.status == 1
    assert f"/page.txt does not answer 2xx or 3xx: 403; release {before} is in force again" in done.err
    assert done.steps()["back"] == f"release {before} is in force again"
    steps = [line.split()[0] for line in done.out.splitlines()]
    assert steps[-5:] == ["tell", "failed", "back", "tell", "probe"]
    assert done.steps()["failed"].endswith("/page.txt does not answer 2xx or 3xx: 403")
    assert (running.in_force(), running.releases()) == (before, releases)
    assert running.get("/page.txt").status == 200
    assert running.told() == ["reload sidecar"]
    line = running.audit()[-1]
    assert (line["event"], line["previous"], line["comment"]) == ("deploy-failed", before, "oops")
    assert line["release"] not in (before, None)


def test_a_health_page_that_fails_before_as_after(running: Site) -> None:
    before = running.in_force()
    with failing_page() as url:
        running.configure(health_url=url)
        done = running.deploy(GONE, "--json")
    assert done.status == 1
    report = done.json()
    assert (report["ok"], report["in_force"]) == (False, before)
    assert f"release {before} is in force again, but release {before} answers" in report["error"]["message"]
    assert running.get("/page.txt").status == 200


def test_a_credential_that_is_not_there(running: Site) -> None:
    """Nothing changes, and nobody is told."""
    before = everything(running)
    policy = with_issuer("https://login.example", secret="partner")
    done = running.deploy(policy)
    assert (done.status, done.err) == (
        1,
        "error: the policy names a credential that is not there: `partner`\n"
        "  = help: lightgate credential set partner\n",
    )
    assert "test" not in done.steps()
    assert (everything(running), running.told()) == (before, [])
    running.credential("partner", "s" * 31)
    done = running.deploy(policy)
    assert (done.status, done.err) == (
        1,
        "error: the secret `partner` has 31 bytes, and HS256 takes at least 32\n"
        "  = help: openssl rand -base64 32 | lightgate credential rotate partner\n",
    )
    assert (everything(running), running.told()) == (before, [])
    # Encrypted for this machine: how long it is is not known.
    (running.directory / "credentials" / "partner").rename(running.directory / "sealed")
    sealed = running.directory / "credentials.encrypted"
    sealed.mkdir()
    (running.directory / "sealed").rename(sealed / "partner")
    running.configure(sealed_credentials_directory=str(sealed), restart_sidecar=["/bin/false"])
    assert "`/bin/false` failed" in running.deploy(policy).err


def test_all_credentials_that_are_not_there(running: Site) -> None:
    policy = with_issuer("https://login.example", secret="partner") + (
        '[auth.other]\nissuer = "https://other.example"\naudience = ["shop"]\nalgorithms = ["HS512"]\n'
        'secret = "other"\n[[rule]]\nname = "others"\nwhen = \'request.path.startswith("/other/")\'\n'
        'require = { auth = "other" }\n'
    )
    done = running.deploy(policy)
    assert done.err == (
        "error: the policy names credentials that are not there: `partner`, `other`\n"
        "  = help: lightgate credential set partner; lightgate credential set other\n"
    )
    assert running.deploy(None, "--offline").status == 0


def test_a_sidecar_that_cannot_take_the_release(running: Site) -> None:
    """It has no such credential, and where this host keeps them is not known, as in a container. The probe
    finds that out, not the first caller."""
    before = running.in_force()
    running.configure(credentials_directory="/there/is/none", sealed_credentials_directory="/there/is/none")
    done = running.deploy(with_issuer("https://login.example", secret="missing"))
    assert done.status == 1
    assert "answers 503: the sidecar does not answer, or does not know the release" in done.err
    assert f"release {before} is in force again" in done.err
    assert running.get("/.lightgate/health").field("Lightgate-Release") == before


def test_a_command_that_fails(running: Site) -> None:
    running.configure(reload_sidecar=["sh", "-c", "echo unit not found >&2; exit 5"])
    (running.directory / "keys.json").write_text(Signer().jwks())
    before = running.in_force()
    done = running.deploy(with_issuer("https://login.example"))
    assert done.status == 1
    assert "failed (5): unit not found; release " in done.err
    assert running.in_force() == before


def test_the_first_release_stays_when_it_fails(site: Site) -> None:
    """Without any release lighttpd would not start again."""
    site.write_lighttpd_config()
    assert site.deploy(None, "--offline").status == 0
    site.start()
    first = site.in_force()
    site.current.unlink()
    (site.state / "in-use.json").unlink()
    site.configure(health_url=f"http://127.0.0.1:{site.port}/page.txt")
    done = site.deploy(GONE)
    assert done.status == 1
    assert "stays in force: there was none before it" in done.err
    assert site.in_force() != first
    assert set(site.told()) == {"restart sidecar", "reload lighttpd"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_deploy_goes_back(running: Site, number: signal.Signals) -> None:
    before = running.in_force()
    assert running.sidecar is not None
    running.sidecar.freeze()  # so that the probe waits
    running.policy_file.write_text(GONE)
    command = subprocess.Popen(
        running.command("deploy"),
        env=running.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert command.stdout is not None
    while not command.stdout.readline().startswith("tell "):
        assert command.poll() is None
    command.send_signal(number)
    running.sidecar.thaw()
    _, err = command.communicate(timeout=60)
    assert command.returncode == 1
    assert f"error: interrupted; release {before} is in force again" in err
    assert running.in_force() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_way_back_is_not_interrupted(running: Site, number: signal.Signals) -> None:
    """The release fails by itself; the first signal comes while the one before is put in force again."""
    before, releases = running.in_force(), running.releases()
    running.configure(
        health_url=f"http://127.0.0.1:{running.port}/page.txt",  # which GONE refuses
        reload_sidecar=[
            *("/bin/sh", "-c", f"touch {running.directory}/back; sleep 2; kill -HUP $(cat $0)"),
            f"{running.directory}/sidecar.pid",
        ],
    )
    running.policy_file.write_text(GONE)
    command = subprocess.Popen(
        running.command("deploy", "--json"),
        env=running.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    )
    poll("it goes back", (running.directory / "back").exists, 30)
    os.killpg(command.pid, number)  # as a terminal does
    out, err = command.communicate(timeout=60)
    assert (command.returncode, err) == (1, "")
    report = json.loads(out)
    assert (report["ok"], report["in_force"]) == (False, before)
    assert f"403; release {before} is in force again" in report["error"]["message"]
    assert (running.in_force(), running.releases()) == (before, releases)


# --- a release that somebody has changed ------------------------------------------------------------


def test_a_changed_release_in_force_is_repaired(running: Site) -> None:
    """Only its Lua: nobody needs to be told, and the right rules hold when the command ends."""
    before = everything(running)
    assert running.deploy(GONE).status == 0
    changed = running.current / "request.lua"
    text = changed.read_text()
    changed.write_text(text.replace("/page.txt", "/other.tx"))
    os.utime(changed)
    poll("the gate is open", lambda: running.get("/page.txt").status == 200)
    running.told()
    done = running.deploy(None, "--comment", "mended")
    assert (done.status, done.err) == (0, "")
    release = running.in_force()
    assert running.get("/page.txt").status == 403
    assert changed.read_text() == text
    steps = done.steps()
    assert list(steps)[3:] == ["test", "repair", "activate", "tell", "probe", "release"]
    assert steps["repair"] == f"release {release} had been changed: written anew"
    assert running.told() == []
    line = running.audit()[-1]
    assert (line["event"], line["release"], line["previous"], line["comment"]) == (
        *("repair", release, release, "mended"),
    )
    assert [path.name for path in running.state.rglob(".*")] == []
    assert running.releases() == {before["in force"], release}
    assert "repair" not in running.deploy().steps()


@pytest.mark.parametrize("name", ["sidecar.json", "lightgate.conf", "manifest.json"])
def test_what_services_read_once_is_told_again_after_a_repair(running: Site, name: str) -> None:
    """Whatever has become of it; the file may be missing."""
    release = running.in_force()
    changed = running.current / name
    if name == "manifest.json":
        changed.unlink()
    else:
        changed.write_text(changed.read_text() + "\n")
    done = running.deploy()
    assert (done.status, done.err) == (0, "")
    assert "written anew" in done.steps()["repair"]
    assert running.in_force() == release
    assert set(running.told()) == {"restart sidecar", "reload lighttpd"}
    assert running.deploy().steps()["tell"].startswith("nobody")


def test_a_changed_release_gives_way_to_another(running: Site) -> None:
    (running.current / "sidecar.json").write_text("{")
    done = running.deploy(GONE)
    assert (done.status, done.err) == (0, "")
    assert set(running.told()) == {"restart sidecar", "reload lighttpd"}
    assert running.get("/page.txt").status == 403


def test_a_changed_release_that_is_not_in_force_is_repaired(running: Site) -> None:
    first = running.in_force()
    assert running.deploy(GONE).status == 0
    (running.state / "releases" / first / "request.lua").write_text("return 0\n")
    done = running.deploy(POLICY)
    assert (done.status, done.err) == (0, "")
    assert "written anew" in done.steps()["repair"]
    assert (running.in_force(), running.get("/page.txt").status) == (first, 200)
    assert [line["event"] for line in running.audit()][-2:] == ["repair", "deploy"]


# --- issuers that do not answer ----------------------------------------------------------------------


def test_an_issuer_without_keys_is_a_warning(running: Site) -> None:
    policy = with_issuer("https://login.example").replace(
        'jwks_file = "keys.json"', 'jwks_url = "http://127.0.0.1:1/keys"'
    )
    done = running.deploy(policy)
    warning = "issuer `corp`: no keys yet, so its callers get a 503: `lightgate doctor` says why"
    assert (done.status, done.err) == (0, f"warning: {warning}\n")
    report = running.deploy(None, "--json").json()
    assert {"step": "warning", "said": warning} in report["steps"]
    assert running.deploy(POLICY).err == ""


# --- under load --------------------------------------------------------------------------------------


def test_nobody_notices_under_load(running: Site) -> None:
    """Callers with tokens good and bad, decided by the sidecar, while releases come and go.

    Who waits for the sidecar in the moment in which lighttpd takes up another release is decided on by that.
    """
    signer = Signer()
    (running.directory / "keys.json").write_text(signer.jwks())
    policy = local_policy('jwks_file = "keys.json"')
    assert running.deploy(policy).status == 0
    (running.directory / "htdocs" / "members" / "page.txt").write_text("members\n")
    good = [f"Bearer {signer.sign(claims(sub=f'u{number}'))}" for number in range(2_000)]
    bad = f"Bearer {Signer().sign(claims())}"
    seen: dict[tuple[str, int], int] = {}
    ended = threading.Event()

    def callers(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        number = first
        while not ended.is_set():
            kinds = (("none", None), ("good", good[number % len(good)]), ("bad", bad))
            for kind, token in kinds:
                fields = {} if token is None else {"Authorization": token}
                target = "/page.txt" if token is None else "/members/page.txt"
                connection.request("GET", target, headers=fields)
                answer = connection.getresponse()
                answer.read()
                key = (kind, answer.status)
                seen[key] = seen.get(key, 0) + 1
            number += 1
            ended.wait(0.005)

    threads = [threading.Thread(target=callers, args=(first,)) for first in range(0, 2_000, 500)]
    for thread in threads:
        thread.start()
    try:
        for number in range(3):
            assert running.deploy(f"{policy}# {number}\n").status == 0
        assert running.run("rollback").status == 0
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert set(seen) == {("none", 200), ("good", 200), ("bad", 401)}, f"{seen}\n{running.logs()}"
    assert sum(seen.values()) > 300


# --- going back, listing -----------------------------------------------------------------------------


def test_rollback_twice_goes_two_back(running: Site) -> None:
    ids = [running.in_force()]
    for number in (1, 2):
        assert running.deploy(variant(number)).status == 0
        ids.append(running.in_force())
    for expected in (ids[1], ids[0]):
        done = running.run("rollback", "--comment", "back")
        assert (done.status, done.err) == (0, "")
        assert running.in_force() == expected
        assert running.get("/.lightgate/health").field("Lightgate-Release") == expected
    done = running.run("rollback")
    assert done.status == 1
    assert f"error: no release was in force before {ids[0]}" in done.err
    assert running.run("rollback", ids[2][:8]).status == 0
    assert running.in_force() == ids[2]
    assert [line["event"] for line in running.audit()][-3:] == ["rollback"] * 3
    assert running.audit()[-3]["comment"] == "back"


def test_deploys_after_a_rollback_are_noticed_at_once(running: Site) -> None:
    """The sidecar answers for two releases, and one of lighttpd's workers notices a new one before the other.

    So after a rollback its current one must be the one in force, not the one that was deployed last.
    """
    running.deploy(variant(1))
    running.run("rollback")
    first = running.in_force()
    assert running.get("/.lightgate/health").field("Lightgate-Release") == first
    poll("the sidecar's current release is the one in force", lambda: running.sidecars_release() == first, 5)
    running.policy_file.write_text(variant(2))
    command = subprocess.Popen(
        running.command("deploy"), env=running.environment(), stdout=subprocess.DEVNULL, cwd=REPOSITORY
    )
    seen = set()
    while command.poll() is None:
        seen.add(running.get("/.lightgate/health").status)
    assert (command.returncode, seen) == (0, {204})


def test_rollback_to_what_is_not_there(running: Site) -> None:
    done = running.run("rollback", "ffff")
    assert done.status == 1
    assert "error: there is no release `ffff`" in done.err
    assert running.in_force() in done.err
    done = running.run("rollback", running.in_force())
    assert (done.status, "is in force already" in done.err) == (1, True)


def test_rollback_to_a_changed_release(running: Site) -> None:
    first = running.in_force()
    running.deploy(GONE)
    (running.state / "releases" / first / "request.lua").write_text("return 0\n")
    before = everything(running)
    done = running.run("rollback")
    assert done.status == 1
    assert f"releases/{first}` is not as it was written" in done.err
    assert everything(running) == before
    assert running.get("/page.txt").status == 403


def test_old_releases_are_removed(running: Site) -> None:
    running.configure(keep_releases=2)
    ids = [running.in_force()]
    for number in (1, 2):
        done = running.deploy(variant(number))
        ids.append(running.in_force())
    assert done.steps()["prune"] == f"removed {ids[0]}"
    assert running.releases() == set(ids[1:])


def test_what_a_killed_deploy_did_not_say_is_said(running: Site) -> None:
    """Killed between the change and telling: the next deploy tells, though it changes nothing itself."""
    (running.directory / "keys.json").write_text(Signer().jwks())
    running.policy_file.write_text(with_issuer("https://login.example"))
    running.configure(reload_sidecar=["/bin/sh", "-c", "kill -9 $PPID"])
    assert running.run("deploy").status == -signal.SIGKILL
    running.configure()
    assert running.told() == []
    done = running.deploy()
    assert (done.status, running.told()) == (0, ["reload sidecar"])
    assert running.deploy().steps()["tell"].startswith("nobody")


def test_a_redirect_on_the_first_listener_is_no_obstacle(running: Site) -> None:
    """As on Debian, where mod_redirect is loaded before lightgate and sends plain HTTP elsewhere."""
    assert running.lighttpd is not None
    running.lighttpd.stop()
    other = running.port
    running.extra = f'$SERVER["socket"] == "127.0.0.1:{other}" {{ }}'
    running.start_lighttpd()
    text = running.lighttpd_config.read_text()
    running.lighttpd_config.write_text(
        'server.modules = ( "mod_redirect" )\n'
        + text
        + f'$SERVER["socket"] != "127.0.0.1:{other}" {{ url.redirect = ( "" => "https://x.example/" ) }}\n'
    )
    os.kill(running.lighttpd.pid, signal.SIGUSR1)
    poll("lighttpd redirects", lambda: running.get("/page.txt").status == 301)
    done = running.deploy(GONE)
    assert (done.status, done.err) == (0, "")
    assert done.steps()["probe"].startswith(f"http://127.0.0.1:{other}/")


def test_a_listener_that_is_not_loopback(running: Site) -> None:
    """lighttpd must see a client of this machine whatever address it listens on."""
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    address = next((one for one in addresses if "." in one), None)
    assert address, "this machine has no address but loopback; Docker's bridge would be one"
    running.configure(lighttpd_url=f"http://{address}:{running.port}/")
    assert running.lighttpd is not None
    running.lighttpd_config.write_text(
        running.lighttpd_config.read_text().replace('"127.0.0.1"', f'"{address}"')
    )
    os.kill(running.lighttpd.pid, signal.SIGUSR1)
    done = running.deploy(GONE)
    assert (done.status, done.err) == (0, "")
    assert f"http://{address}:{running.port}/.lightgate/health answers" in done.steps()["probe"]


def test_releases_are_listed(running: Site) -> None:
    first = running.in_force()
    running.deploy(GONE, "--comment", "page\tgone")
    second = running.in_force()
    done = running.run("releases")
    header, *rows = done.out.splitlines()
    assert header.split() == ["release", "when", "who", "lightgate", "policy", "comment"]
    assert [row.split()[0] for row in rows] == ["*", first]
    assert rows[0].endswith("page gone")
    report = running.run("releases", "--json").json()
    assert report["in_force"] == second
    assert [one["release"] for one in report["releases"]] == [second, first]
    assert report["releases"][0]["previous"] == first
    assert report["releases"][0]["in_force"] is True
