"""What a user may do with a file: of owner, group and others the first that fits decides."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from luagen.host.access import READ, SEARCH, WRITE, Account, blocker

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")

OWNER, GROUP = 54_321, 54_322


def account(uid: int, *groups: int) -> Account:
    return Account("trial", uid, 1, frozenset({1, *groups}))


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """One that everybody may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="lgh", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


USERS = {
    "owner": account(OWNER, GROUP),
    "group": account(2, GROUP),
    "other": account(2),
    "root": account(0),
}


@pytest.mark.parametrize(
    ("mode", "want", "allowed"),
    [
        (0o400, READ, {"owner", "root"}),
        (0o040, READ, {"group", "root"}),
        (0o004, READ, {"other", "root"}),
        (0o660, WRITE, {"owner", "group", "root"}),
        (0o111, SEARCH, {"owner", "group", "other", "root"}),
        (0o000, READ, {"root"}),
    ],
)
def test_the_file_itself(open_directory: Path, mode: int, want: int, allowed: set[str]) -> None:
    path = open_directory / "file"
    path.touch()
    os.chown(path, OWNER, GROUP)
    path.chmod(mode)
    assert {name for name, user in USERS.items() if blocker(user, path, want) is None} == allowed
    assert {blocker(user, path, want) for user in USERS.values()} <= {None, path}


def test_the_way_to_it_and_to_what_a_link_leads_to(open_directory: Path) -> None:
    real, links = open_directory / "real", open_directory / "links"
    real.mkdir(mode=0o755)
    links.mkdir(mode=0o755)
    (real / "file").touch(0o644)
    link = links / "link"
    link.symlink_to(real / "file")
    user = USERS["other"]
    assert blocker(user, link, READ) is None
    real.chmod(0o700)
    assert blocker(user, link, READ) == real
    real.chmod(0o755)
    links.chmod(0o700)
    assert blocker(user, link, READ) == links
