"""README.md says what is so: its policy compiles and is the example's, its help texts are the commands'."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from luagen import compile_policy, resources
from luagen.cli import lightgate
from luagen.deployment import Deployment
from luagen.lighttpd_host import MINIMUM, REFUSED
from tests.system.processes import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
HELP_BLOCKS = re.findall(r"<!-- help: lightgate ?([^\n]*?) -->\n```\n(.*?)```\n", README, re.DOTALL)


def test_the_policy_compiles(tmp_path: Path) -> None:
    [text] = re.findall(r"<!-- policy -->\n```toml\n(.*?)```\n", README, re.DOTALL)
    path = tmp_path / "readme.toml"
    path.write_text(text)
    compilation = compile_policy(path, Deployment())
    assert (compilation.diagnostics, compilation.release is not None) == ((), True)
    assert compilation.policy is not None
    assert len({rule.action.key for rule in compilation.policy.rules}) >= 10
    tested = CliRunner().invoke(lightgate, ["test", str(path)], prog_name="lightgate")
    assert tested.exit_code == 0, tested.output


def test_the_policy_is_part_of_the_example() -> None:
    [text] = re.findall(r"<!-- policy -->\n```toml\n(.*?)```\n", README, re.DOTALL)
    example = (REPOSITORY / "examples" / "quickstart" / "lightgate.toml").read_text()
    missing = [part for part in text.strip().split("\n\n") if part not in example]
    assert missing == []


def test_help_is_shown() -> None:
    assert [command for command, _ in HELP_BLOCKS] == ["", "dev", "deploy", "selftest"]


@pytest.mark.parametrize(("command", "text"), HELP_BLOCKS)
def test_help_is_real(command: str, text: str) -> None:
    result = CliRunner().invoke(lightgate, [*command.split(), "--help"], prog_name="lightgate")
    assert text == f"$ lightgate {command} --help".replace("  ", " ") + "\n" + result.stdout


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []


def test_every_target_that_is_named_is_in_the_makefile() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    named = set(re.findall(r"`?make ([a-z-]+)`?", README + (REPOSITORY / "CHANGELOG.md").read_text()))
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} <= {"lists"}


def test_the_changelog_names_this_version() -> None:
    assert f"## {resources.version()} " in (REPOSITORY / "CHANGELOG.md").read_text()


def test_the_versions_of_lighttpd_are_the_ones_that_are_checked() -> None:
    words = README.partition("## Requirements")[2].partition("##")[0]
    assert ".".join(map(str, MINIMUM)) in words
    assert all(".".join(map(str, version)) in words for version in REFUSED)
