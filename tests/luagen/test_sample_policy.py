"""The policy that `make install` puts in place: it refuses nobody, and its commented examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from luagen import compile_policy, resources
from luagen.check import check_text
from luagen.decide import DEPLOYMENT
from luagen.deployment import Deployment
from luagen.diagnostics import Code
from luagen.lua.host import LUA_VERSIONS
from luagen.lua.server import Server
from luagen.reference.request import Request
from luagen.release import build_release
from tests.differential.oracle import Oracle

SAMPLE = resources.lighttpd_directory() / "sample" / "lightgate.toml"

# A `#` with a blank after it begins prose, one without an example.
_EXAMPLE = re.compile(r"^#(?=[^#\s])", re.MULTILINE)

# Whole blocks of example lines, in order.
BLOCKS = [match.group() for match in re.finditer(r"(?:^#[^#\s].*\n)+", SAMPLE.read_text(), re.MULTILINE)]


def _found(policy: str, directory: Path) -> list[str]:
    """The codes of what `lightgate check` finds in a policy; none for one that it accepts without remark."""
    file = directory / "lightgate.toml"
    file.write_text(policy)
    return [diagnostic.code.value for diagnostic in compile_policy(file, Deployment()).diagnostics]


def test_as_installed(tmp_path: Path) -> None:
    assert _found(SAMPLE.read_text(), tmp_path) == []


def test_all_examples_uncommented(tmp_path: Path) -> None:
    assert len(BLOCKS) >= 10
    assert _found(_EXAMPLE.sub("", SAMPLE.read_text()), tmp_path) == []


@pytest.mark.parametrize("count", range(1, len(BLOCKS) + 1))
def test_examples_uncommented_from_the_top(count: int, tmp_path: Path) -> None:
    """As an operator does it: one after the other. What is declared and not used yet is a warning."""
    text = SAMPLE.read_text()
    for block in BLOCKS[:count]:
        text = text.replace(block, _EXAMPLE.sub("", block), 1)
    assert set(_found(text, tmp_path)) <= {Code.UNUSED_NAME.value}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/index.html", 200),
        ("/a.b/c.d", 200),
        ("/.well-known/acme-challenge/token", 200),
        ("/.well-known/security.txt", 200),
        ("/.git/config", 404),
        ("/.env", 404),
        ("/shop/.htpasswd", 404),
        ("/.well-known", 404),
        ("/x/.well-known/y", 404),
    ],
)
def test_decisions_as_installed(path: str, status: int) -> None:
    text = SAMPLE.read_text()
    request = Request(path=path.encode(), raw_path=path.encode())
    assert Oracle(text).decide(request).status == status
    policy, _ = check_text(text, "lightgate.toml", SAMPLE.parent)
    assert policy is not None
    release = build_release(policy, DEPLOYMENT)
    for version in LUA_VERSIONS:
        assert Server(release, version).decide(request).decision.status == status
