"""The manual pages that `make install` writes: one for every command, and source that groff understands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from luagen import compile_policy
from luagen.cli import lightgate
from luagen.deployment import Deployment
from luagen.host.settings import KEYS

REPOSITORY = Path(__file__).parents[2]
REQUESTS = {".TH", ".SH", ".PP", ".TP", ".IP", ".nf", ".fi", ".br", ".BR", '.\\"'}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, REPOSITORY / "scripts/man_pages.py", directory], check=True, timeout=60)
    for page in (REPOSITORY / "lighttpd/man").iterdir():
        shutil.copy(page, directory)
    return directory


def _names(command: click.Command, name: str) -> list[str]:
    below = command.commands.items() if isinstance(command, click.Group) else ()
    return [name, *(found for word, one in below for found in _names(one, f"{name}-{word}"))]


def test_every_command_has_a_page(pages: Path) -> None:
    assert sorted(page.stem for page in pages.glob("*.1")) == sorted(_names(lightgate, "lightgate"))


def test_source(pages: Path) -> None:
    for page in pages.iterdir():
        text = page.read_text()
        assert text.isascii(), page.name
        assert "\b" not in text, page.name
        for line in text.splitlines():
            assert line[:1] != "'", (page.name, line)
            assert line[:1] != "." or line.split()[0] in REQUESTS, (page.name, line)
        # lexgrog(1) makes the index of apropos(1) from this line
        name = page.stem.replace("-", "\\-")
        assert f".SH NAME\n{name} \\- " in text, page.name


def test_references_lead_somewhere(pages: Path) -> None:
    there = {f"{page.stem}({page.suffix[1:]})" for page in pages.iterdir()}
    for page in pages.iterdir():
        text = page.read_text().replace("\\-", "-")
        named = {f"{title}({section})" for title, section in re.findall(r"^\.BR (\S+) \((\d)\)", text, re.M)}
        assert {name for name in named if name.startswith("lightgate")} <= there, page.name


def test_host_file_keys_are_documented() -> None:

    text = (REPOSITORY / "lighttpd/man/lightgate-host.toml.5").read_text()
    assert re.findall(r"^\\fB(\w+)\\fP", text, re.M) == [key.name for key in KEYS]


def test_example_policy_compiles(tmp_path: Path) -> None:

    text = (REPOSITORY / "lighttpd/man/lightgate.toml.5").read_text()
    example = text.split(".SH EXAMPLES\n.PP\n.nf\n")[1].split(".fi\n")[0]
    policy = tmp_path / "lightgate.toml"
    policy.write_text(example.replace("\\(aq", "'").replace("\\-", "-"))
    assert compile_policy(policy, Deployment()).diagnostics == ()


def test_groff_has_no_complaints(pages: Path) -> None:
    for page in pages.iterdir():
        done = subprocess.run(
            ["groff", "-ww", "-man", "-Tutf8", page], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stderr == "", page.name
