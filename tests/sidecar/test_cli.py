from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sidecar import cli
from tests.sidecar.settings import document, issuer

RUN_HELP = """\
Usage: lightgate-sidecar run [OPTIONS]

  Serve until SIGTERM. SIGHUP reads the configuration again and forgets what is
  remembered.

Options:
  --config FILE            The sidecar.json of the current release.  [required]
  --credentials DIRECTORY  Where credentials are looked for after systemd's
                           directory and before the environment.  [default:
                           /etc/lightgate/credentials]
  -h, --help               Show this message and exit.
"""


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.cli, arguments, prog_name="lightgate-sidecar")
    return result.exit_code, result.stdout, result.stderr


def test_check_config(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.json"
    path.write_text(json.dumps(document()))
    assert invoke("check-config", "--config", str(path)) == (0, f"{path}: ok, release r1, 1 issuer\n", "")


def test_check_config_lists_all_mistakes__CLAIM_14_OPS_11(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.json"
    path.write_text(json.dumps(document(issuer(audience=[], leeway_s=999))))
    assert invoke("check-config", "--config", str(path)) == (
        1,
        "",
        f"error: {path}: issuers[0].audience: must not be empty\n"
        f"error: {path}: issuers[0].leeway_s: must be an integer from 0 to 300\n",
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    assert invoke("run", "--config", str(path)) == (
        1,
        "",
        f"error: {path}: cannot be read: No such file or directory\n",
    )


@pytest.mark.parametrize("arguments", [["run"], ["check-config"], ["serve"], ["run", "--config", "x", "y"]])
def test_usage_is_2(arguments: list[str]) -> None:
    assert invoke(*arguments)[0] == 2


def test_help() -> None:
    assert invoke("run", "--help") == (0, RUN_HELP, "")


def test_a_bug_is_70(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(**_options: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(cli, "cli", broken)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 70
    assert capsys.readouterr().err.splitlines()[-1].startswith("bug in lightgate-sidecar ")
