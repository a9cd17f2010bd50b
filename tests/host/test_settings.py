"""The host file: defaults that fit a Debian host, every key, and every mistake with its place."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from luagen import render
from luagen.deployment import Deployment
from luagen.host import settings
from luagen.host.option import host_option
from luagen.host.settings import KEYS, HostSettings, load

EVERYTHING = """\
policy = "/p/lightgate.toml"
state_directory = "/p/state"
run_directory = "/p/run"
log_directory = "/p/log"
credentials_directory = "/p/credentials"
sealed_credentials_directory = "/p/sealed"
lighttpd = "/p/lighttpd"
lighttpd_config = "/p/lighttpd.conf"
lighttpd_user = "http"
sidecar_user = "gate"
health_url = "https://example.org/up"
lighttpd_url = "http://127.0.0.1:8080"
log_decisions = true
keep_releases = 2
reload_lighttpd = ["rc-service", "lighttpd", "reload"]
reload_sidecar = []
restart_sidecar = ["rc-service", "lightgate", "restart"]
"""


def write(directory: Path, text: str) -> Path:
    path = directory / "host.toml"
    path.write_text(text)
    return path


def mistakes(directory: Path, text: str) -> list[str]:
    path = write(directory, text)
    found, diagnostics = load(path)
    assert found is None
    return [render.line(one).removeprefix(str(path)) for one in diagnostics]


def test_every_key_has_its_place(tmp_path: Path) -> None:
    found, diagnostics = load(write(tmp_path, EVERYTHING))
    assert diagnostics == ()
    assert found == HostSettings(
        policy=Path("/p/lightgate.toml"),
        state_directory=Path("/p/state"),
        run_directory=Path("/p/run"),
        log_directory=Path("/p/log"),
        credentials_directory=Path("/p/credentials"),
        sealed_credentials_directory=Path("/p/sealed"),
        lighttpd="/p/lighttpd",
        lighttpd_config=Path("/p/lighttpd.conf"),
        lighttpd_user="http",
        sidecar_user="gate",
        health_url="https://example.org/up",
        lighttpd_url="http://127.0.0.1:8080",
        log_decisions=True,
        keep_releases=2,
        reload_lighttpd=("rc-service", "lighttpd", "reload"),
        reload_sidecar=(),
        restart_sidecar=("rc-service", "lightgate", "restart"),
    )
    assert found.file == tmp_path / "host.toml"
    keys = [field.name for field in fields(HostSettings) if field.name != "file"]
    assert [key.name for key in KEYS] == keys


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "")) == (HostSettings(), ())


def test_the_usual_file_may_be_absent_a_named_one_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "DEFAULT_PATH", tmp_path / "host.toml")
    assert load(None) == (HostSettings(), ())
    write(tmp_path, "keep_releases = 3")
    assert load(None) == (HostSettings(keep_releases=3), ())
    found, (diagnostic,) = load(tmp_path / "absent.toml")
    assert found is None
    assert diagnostic.message == f"`{tmp_path}/absent.toml` does not exist"


def test_the_defaults_are_where_a_release_runs_by_default() -> None:
    assert HostSettings().deployment() == Deployment()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('polcy = "/x"', ":1:1: error[unknown-key]: the host file has no key `polcy`"),
        ('policy = "x.toml"', ":1:10: error[invalid-value]: `policy` takes an absolute path, not `x.toml`"),
        ('lighttpd = "x"', ":1:12: error[invalid-value]: `lighttpd` takes an absolute path, not `x`"),
        ('health_url = "x"', ":1:14: error[invalid-value]: `health_url` takes a URL, not `x`"),
        ("keep_releases = 1", ":1:17: error[invalid-value]: `keep_releases` is from 2 to 1000, not 1"),
        (
            'reload_sidecar = "x y"',
            ":1:18: error[wrong-type]: `reload_sidecar` takes an array of strings, not a string",
        ),
        (
            "reload_sidecar = [1]",
            ":1:19: error[wrong-type]: `reload_sidecar` takes an array of strings, not an integer",
        ),
        ('reload_sidecar = [""]', ":1:19: error[invalid-value]: the string is empty"),
        ("policy = 1", ":1:10: error[wrong-type]: `policy` takes a string, not an integer"),
    ],
)
def test_mistakes_have_a_place(tmp_path: Path, text: str, expected: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(expected)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    assert len(mistakes(tmp_path, 'policy = 1\nrun_directory = "x"\nkeep_releases = 0\n')) == 3


def test_a_command_with_a_mistaken_host_file_does_nothing(tmp_path: Path) -> None:
    @click.command()
    @host_option
    def show(settings: HostSettings) -> None:
        click.echo(settings.policy)

    path = write(tmp_path, 'policy = "/p"')
    assert CliRunner().invoke(show, ["--host", str(path)]).stdout == "/p\n"
    assert CliRunner().invoke(show, env={"LIGHTGATE_HOST": str(path)}).stdout == "/p\n"
    path.write_text("policy = 1")
    outcome = CliRunner().invoke(show, ["--host", str(path)])
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "error[wrong-type]" in outcome.stderr
