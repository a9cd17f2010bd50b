"""What `lightgate deploy` does without a lighttpd, and what it says when it may not."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.site import POLICY, Site
from tests.system.processes import REPOSITORY

#: the interpreter may be where only root can read
AS_NOBODY = """
import os
from luagen.cli import main
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
main()
"""


@pytest.fixture(autouse=True)
def without_lighttpd(site: Site) -> None:
    site.configure(lighttpd="/there/is/none")


def test_the_first_release(site: Site) -> None:
    done = site.deploy(None, "--offline", "--comment", "first")
    assert (done.status, done.err) == (0, "")
    release = site.in_force()
    assert done.steps() == {
        "check": f"{site.policy_file}: 1 rule, 0 auths; what none of `moved` decides ends at `default = "
        '"pass"`',
        "build": f"release {release}",
        "rehearse": "left out: there is no lighttpd here",
        "write": str(site.state / "releases" / release),
        "activate": f"release {release}",
        "tell": "nobody: --offline",
        "release": f"{release} is in force",
    }
    assert {path.name: stat.S_IMODE(path.lstat().st_mode) for path in site.state.iterdir()} == {
        "releases": 0o755,
        "current": 0o777,
        "lock": 0o600,
        "in-use.json": 0o644,
        "history.json": 0o644,
    }
    assert stat.S_IMODE(site.state.stat().st_mode) == 0o755
    manifest = json.loads((site.current / "manifest.json").read_text())
    assert manifest["deployment"]["release_directory"] == str(site.current)
    assert manifest["deployment"]["authorizer_socket"] == f"{site.directory}/run/authorizer.sock"


def test_a_changed_release_is_repaired(site: Site) -> None:
    site.deploy(None, "--offline")
    release, script = site.in_force(), site.current / "request.lua"
    text = script.read_text()
    for how in ("changed", "removed"):
        if how == "changed":
            script.write_text("return 0\n")
        else:
            (site.current / "manifest.json").unlink()
        done = site.deploy(None, "--offline")
        assert (done.status, done.err) == (0, "")
        assert done.steps()["repair"] == f"release {release} had been changed: written anew"
        assert (site.in_force(), script.read_text()) == (release, text)
        assert (site.audit()[-1]["event"], site.releases()) == ("repair", {release})
    assert "repair" not in site.deploy(None, "--offline").steps()


def test_a_policy_can_be_named(site: Site) -> None:
    other = site.directory / "other.toml"
    other.write_text('default = "deny"\n')
    assert site.run("deploy", str(other), "--offline").status == 0
    record = json.loads((site.state / "releases" / f"{site.in_force()}.json").read_text())
    assert record["policy"]["file"] == "other.toml"


TEST = """
[[test]]
name    = "gone"
request = {{ url = "/old" }}
expect  = {{ status = {} }}
"""


def test_a_policy_that_fails_its_tests_stays_out(site: Site) -> None:
    done = site.deploy(POLICY + TEST.format(200), "--offline")
    assert (done.status, done.err.splitlines()[-2]) == (1, 'error: the policy fails its own test "gone"')
    assert not site.current.exists()
    done = site.deploy(POLICY + TEST.format(410), "--offline")
    assert (done.status, done.steps()["tests"]) == (0, "1 passed")


def test_online_needs_lighttpd(site: Site) -> None:
    done = site.deploy()
    assert (done.status, done.err.splitlines()[0]) == (1, "error: no lighttpd at `/there/is/none`")
    assert not site.current.exists()


def test_for_programs(site: Site) -> None:
    report = site.deploy(None, "--offline", "--json").json()
    release = site.in_force()
    assert {
        key: report[key] for key in ("ok", "release", "previous", "in_force", "error", "diagnostics")
    } == {
        "ok": True,
        "release": release,
        "previous": None,
        "in_force": release,
        "error": None,
        "diagnostics": [],
    }
    assert [step["step"] for step in report["steps"]] == [
        *("check", "build", "rehearse", "write", "activate", "tell"),
    ]
    done = site.run("rollback", "--json")
    assert (done.status, done.err) == (1, "")
    assert done.json()["error"]["message"] == f"no release was in force before {release}"


def test_nothing_to_list_or_to_go_back_to(site: Site) -> None:
    assert site.run("releases").out == "no releases yet: lightgate deploy\n"
    assert site.run("releases", "--json").json() == {"in_force": None, "previous": None, "releases": []}
    done = site.run("rollback")
    assert (done.status, done.err) == (1, "error: no release is in force\n  = help: lightgate deploy\n")


def test_rollback_without_services(site: Site) -> None:
    site.deploy(None, "--offline")
    first = site.in_force()
    site.deploy(f"{POLICY}# 2\n", "--offline")
    assert site.run("rollback", "--offline").status == 0
    assert site.in_force() == first


def deployed(site: Site, number: int) -> str:
    """Deploys one of several policies. Returns its release."""
    assert site.deploy(f"{POLICY}# {number}\n", "--offline").status == 0
    return site.in_force()


def rolled_back(site: Site, *arguments: str) -> str:
    done = site.run("rollback", "--offline", *arguments)
    assert (done.status, done.err) == (0, "")
    return site.in_force()


def test_rollbacks_do_not_go_in_circles(site: Site) -> None:
    """A policy that came back is twice on the way."""
    x, a, b = (deployed(site, number) for number in range(3))
    assert deployed(site, 1) == a
    assert site.run("releases", "--json").json()["previous"] == b
    assert [rolled_back(site) for _ in range(3)] == [b, a, x]
    done = site.run("rollback", "--offline")
    assert (done.status, f"error: no release was in force before {x}\n" in done.err) == (1, True)
    assert site.run("releases", "--json").json()["previous"] is None


def test_the_way_back_from_a_release_that_was_named(site: Site) -> None:
    x, a, b, c = (deployed(site, number) for number in range(4))
    # back: those in between are behind us
    assert rolled_back(site, a) == a
    # and forward: what was in force until now is the one before
    assert rolled_back(site, c) == c
    assert [rolled_back(site), rolled_back(site)] == [a, x]
    assert deployed(site, 2) == b
    assert rolled_back(site) == x


def test_the_way_back_of_versions_that_wrote_records_only(site: Site) -> None:
    x, a, b = (deployed(site, number) for number in range(3))
    (site.state / "history.json").unlink()
    assert deployed(site, 1) == a
    assert [rolled_back(site) for _ in range(3)] == [b, a, x]


def test_an_audit_log_that_cannot_be_written_is_a_warning(site: Site) -> None:
    site.audit_log.parent.write_text("a file where the directory should be")
    done = site.deploy(None, "--offline")
    assert done.status == 0
    assert done.err.startswith("warning: cannot write the audit log: ")
    assert site.in_force() in done.out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_somebody_else_is_told_to_be_root(site: Site) -> None:
    """And is not told so by a traceback."""
    site.deploy(None, "--offline")
    before = site.in_force()
    site.policy_file.write_text('default = "deny"\n')
    for command in ("deploy", "rollback"):
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, command, "--offline"],
            env=site.environment(),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (
            1,
            f"error: cannot write to `{site.state}`: `{site.state}/lock`: permission denied\n"
            "  = help: run it as root: sudo lightgate …\n",
        )
    assert site.in_force() == before


def test_a_path_that_lighttpd_cannot_take(site: Site) -> None:
    site.configure(run_directory='/run/a"b')
    done = site.deploy(None, "--offline")
    assert done.status == 1
    assert "must not hold quotes" in done.err
    assert not Path(site.state, "current").exists()
