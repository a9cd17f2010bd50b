"""The border of the command line: what is printed, where, and with which exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from luagen import cli, resources
from luagen.cli import lightgate
from luagen.failure import Failure
from tests.system.processes import REPOSITORY

QUICKSTART = "examples/quickstart/lightgate.toml"

MINIMAL = 'default = "deny"\n'
RULES = (
    MINIMAL
    + """
[[rule]]
name    = "first"
when    = 'request.path == "/"'
respond = { status = 404 }

[[rule]]
name    = "set"
set_env = { A = "b" }
"""
)


@pytest.fixture(autouse=True)
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(lightgate, arguments, catch_exceptions=False)


# --- check -------------------------------------------------------------------------------------------


def test_check_says_what_ends_at_default() -> None:
    result = invoke("check", QUICKSTART)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"{QUICKSTART}: 15 rules, 1 auth\n"
        "  what none of `no dotfiles`, `the old address moved`, `short links`, `status is for the office`, "
        '`closed for repairs`, `members sign in` and 1 more decides ends at `default = "pass"`\n'
        "  no `require` covers `/archive`, `/archive/*`, `/status`, `/status/*`\n"
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (MINIMAL, '0 rules, 0 auths\n  every request ends at `default = "deny"`'),
        (RULES, '2 rules, 0 auths\n  what none of `first` decides ends at `default = "deny"`'),
        (
            RULES + '[[rule]]\nname = "rest"\nrespond = { status = 404 }\n',
            "3 rules, 0 auths\n  no request ends at "
            '`default = "deny"`: `rest` decides what earlier rules leave',
        ),
        (
            MINIMAL
            + "".join(
                f'[[rule]]\nname = "r{n}"\nwhen = \'request.path == "/{n}"\'\nrespond = {{ status = 404 }}\n'
                for n in range(8)
            ),
            "8 rules, 0 auths\n  what none of `r0`, `r1`, `r2`, `r3`, `r4`, `r5` and 2 more decides "
            'ends at `default = "deny"`',
        ),
    ],
)
def test_the_summary(tmp_path: Path, policy: str, expected: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(policy)
    result = invoke("check", str(path))
    assert (result.exit_code, result.stdout) == (0, f"{path}: {expected}\n")


SITES = """default = "deny"
[[rule]]
name = "shared"
when = 'request.path == "/x"'
respond = { status = 404 }
[site."a.example"]
default = "pass"
hosts = ["b.example"]
[[site."a.example".rule]]
name = "members"
when = 'request.path.startswith(("/m/", "/n/"))'
require = { that = 'request.ip in "10.0.0.0/8"' }
[[site."a.example".rule]]
name = "told"
when = 'request.path in ("/m/a", "/o", "/x") or request.path.startswith("/p/")'
set_env = { A = "1" }
[[site."a.example".rule]]
name = "half"
when = 'request.path.startswith("/q/") and request.method == "POST"'
require = { that = 'request.ip in "10.0.0.0/8"' }
[site."*"]
[[site."*".rule]]
name = "rest"
require = { that = 'request.ip in "10.0.0.0/8"' }
"""


def test_check_of_a_protected_directory(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        'default = "pass"\n[[rule]]\nname = "staff"\nwhen = \'under(request.path, ("/admin", "/desk"))\'\n'
        "require = { that = 'request.ip in \"10.0.0.0/8\"' }\n"
        '[[rule]]\nname = "told"\nwhen = \'request.path in ("/admin", "/admin/a") or '
        'request.path.startswith(("/desk/", "/administrator/"))\'\nset_env = { A = "1" }\n'
        '[[rule]]\nname = "office"\nwhen = \'under(request.path, "/desk/a")\'\nset_env = { A = "2" }\n'
    )
    assert json.loads(invoke("check", str(path), "--json").stdout)["open_paths"] == ["*", "/administrator/*"]


def test_check_prints_ten_warnings_of_a_kind(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    names = "".join(f"n{number} = 'request.port == {number + 1}'\n" for number in range(60))
    path.write_text(f'default = "pass"\n[names]\n{names}')
    printed = invoke("check", str(path)).stderr
    assert printed.count("warning[unused-name]: nothing uses") == 10
    assert "warning[unused-name]: and 40 more like it\n" in printed
    assert "10 more warnings not shown" in printed
    assert len(json.loads(invoke("check", str(path), "--json").stdout)["diagnostics"]) == 51


def test_check_of_sites(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(SITES)
    assert invoke("check", str(path)).stdout == (
        f"{path}: 5 rules, 0 auths, 2 sites\n  what none of `shared` decides ends with its site or "
        'at `default = "deny"`\n  no `require` covers `/o`, `/p/*`, `/q/*`\n'
    )
    report = json.loads(invoke("check", str(path), "--json").stdout)
    assert report["open_paths"] == ["*", "/o", "/p/*", "/q/*"]
    assert report["sites"] == [
        {
            "name": "a.example",
            "hosts": ["a.example", "b.example"],
            "default": "pass",
            "rules": 3,
            "deciding_rules": ["members", "half"],
        },
        {"name": "*", "hosts": ["*"], "default": "deny", "rules": 1, "deciding_rules": ["rest"]},
    ]


def test_check_shows_every_mistake(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("default = 3\nextra = 1\n")
    result = invoke("check", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.findall(r"^error\[(.*?)\]", result.stderr, re.MULTILINE) == ["wrong-type", "unknown-key"]
    assert result.stderr.endswith("\n2 errors\n")


def test_check_for_programs(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(RULES)
    assert json.loads(invoke("check", str(path), "--json").stdout) == {
        "ok": True,
        "diagnostics": [],
        "rules": 2,
        "auths": 0,
        "default": "deny",
        "deciding_rules": ["first"],
        "sites": [],
        "open_paths": [],
    }
    path.write_text("")
    result = invoke("check", str(path), "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, report["ok"]) == (1, "", False)
    assert [diagnostic["code"] for diagnostic in report["diagnostics"]] == ["missing-key"]


def test_check_of_no_file() -> None:
    result = invoke("check", "none.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error[unreadable-file]: ")


# --- build -------------------------------------------------------------------------------------------


def test_build_writes_a_release_and_prints_where(tmp_path: Path) -> None:
    result = invoke("build", QUICKSTART, "--output", str(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    written = Path(result.stdout.removesuffix("\n"))
    assert written.parent == tmp_path / "releases"
    assert sorted(path.name for path in written.iterdir()) == [
        "lightgate.conf",
        "manifest.json",
        "request.lua",
        "response.lua",
        "sidecar.json",
    ]
    again = invoke("build", QUICKSTART, "--output", str(tmp_path))
    assert again.stdout == result.stdout


def test_build_takes_the_paths_of_a_deployment(tmp_path: Path) -> None:
    result = invoke(
        *("build", QUICKSTART, "--output", str(tmp_path), "--log-decisions"),
        *("--release-dir", "/srv/gate/current", "--socket-dir", "/run/gate/"),
    )
    written = Path(result.stdout.removesuffix("\n"))
    settings = json.loads((written / "sidecar.json").read_text())
    assert (settings["authorizer_socket"], settings["http_socket"], settings["epoch_file"]) == (
        "/run/gate/authorizer.sock",
        "/run/gate/http.sock",
        "/run/gate/epoch",
    )
    assert settings["secrets_directory"] == "/run/gate/secrets"
    assert '"/srv/gate/current/request.lua"' in (written / "lightgate.conf").read_text()
    assert json.loads((written / "manifest.json").read_text())["deployment"]["log_decisions"] is True


def test_build_of_a_policy_with_mistakes_writes_nothing(tmp_path: Path) -> None:
    policy = tmp_path / "p.toml"
    policy.write_text("")
    result = invoke("build", str(policy), "--output", str(tmp_path / "out"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert not (tmp_path / "out").exists()


def test_build_refuses_a_release_that_was_changed(tmp_path: Path) -> None:
    written = Path(invoke("build", QUICKSTART, "--output", str(tmp_path)).stdout.removesuffix("\n"))
    (written / "request.lua").write_text("return 0")
    with pytest.raises(Failure) as caught:
        CliRunner().invoke(
            lightgate,
            ["build", QUICKSTART, "--output", str(tmp_path)],
            catch_exceptions=False,
            standalone_mode=False,
        )
    assert str(caught.value) == (
        f"error: `{written}` exists with other content\n"
        "  = help: somebody changed a release by hand: remove it and build again"
    )


# --- usage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'."),
        (["check"], "Missing argument 'POLICY'."),
        (
            ["build", QUICKSTART, "--socket-dir", "run"],
            "a path for lighttpd must be absolute: `run/authorizer.sock`",
        ),
        (
            ["dev", QUICKSTART, "--root", ".", "--upstream", "http://127.0.0.1:1"],
            "--root and --upstream exclude each other: requests have one origin",
        ),
        (
            ["dev", QUICKSTART, "--upstream", "https://example.org"],
            "Invalid value for --upstream: `https://example.org` is https, and lighttpd's mod_proxy "
            "speaks only http: name the origin's http port",
        ),
        (
            ["dev", QUICKSTART, "--port", "70000"],
            "Invalid value for '--port': 70000 is not in the range 0<=x<=65535.",
        ),
        (
            ["dev", QUICKSTART, "--root", "none"],
            "Invalid value for '--root': Directory 'none' does not exist.",
        ),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[-1]) == (2, "", f"Error: {message}")


def test_the_version() -> None:
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, f"lightgate {resources.version()}\n")


@pytest.mark.parametrize("command", [[], *([name] for name in lightgate.commands)])
def test_help_has_examples(command: list[str]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


# --- exit codes --------------------------------------------------------------------------------------


def raises(error: BaseException) -> int:
    def run() -> None:
        raise error

    return cli._exit_code(run)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (Failure("no", "do"), 1, "error: no\n  = help: do\n"),
        (Failure("no"), 1, "error: no\n"),
        (click.UsageError("wrong"), 2, "Error: wrong\n"),
        (click.exceptions.Exit(1), 1, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raises(error) == code
    assert capsys.readouterr() == ("", message)


def test_a_bug_is_told_shortly(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIGHTGATE_DEBUG", raising=False)
    assert raises(ZeroDivisionError("secret")) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        rf"bug in lightgate {re.escape(resources.version())}: ZeroDivisionError at test_commands\.py:\d+\n"
        r"  = help: run again with LIGHTGATE_DEBUG=1 and report what it prints as an issue of the project\n",
        err,
    )


def test_a_bug_is_told_whole_when_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTGATE_DEBUG", "1")
    assert raises(ZeroDivisionError("text")) == 70
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):") and err.endswith("ZeroDivisionError: text\n")
