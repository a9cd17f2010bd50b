"""Which files a session watches, and when it sees a change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from luagen.dev.watch import Watch, named_files


def rewrite(path: Path) -> None:
    path.write_text("longer than before")


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def rename_over(path: Path) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(path.read_text())
    found = path.stat()
    os.utime(beside, ns=(found.st_atime_ns, found.st_mtime_ns))
    beside.rename(path)


@pytest.mark.parametrize("change", [rewrite, touch, rename_over, Path.unlink])
def test_a_change_is_seen_once(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("before")
    watch = Watch([path])
    assert not watch.changed()
    change(path)
    assert watch.changed()
    assert not watch.changed()


def test_a_file_that_appears_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    watch = Watch([path])
    path.write_text("{}")
    assert watch.changed()


def test_following_other_files_loses_no_edit(tmp_path: Path) -> None:
    kept, added = tmp_path / "a", tmp_path / "b"
    kept.write_text("1")
    watch = Watch([kept])
    kept.write_text("22")
    watch.follow([kept, added])
    assert watch.changed()
    added.write_text("1")
    assert watch.changed()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[auth.a]\njwks_file = "keys.json"\naudience = ["x"]', ["keys.json"]),
        ('[lists]\noffice = { file = "office.txt" }\nhosts = ["x"]', ["office.txt"]),
        (
            '[[rule]]\nrespond = { file = "a.html" }\n[site.a]\nrule = [{ redirects.file = "b" }]',
            ["a.html", "b"],
        ),
        ('default = "pass"', []),
        ("not = = toml", []),
        ('[auth.a]\npem_file = "a\\u0000b"', []),
    ],
)
def test_the_files_that_a_policy_may_name(tmp_path: Path, text: str, expected: list[str]) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(text)
    assert named_files(policy) == tuple(tmp_path / name for name in expected)


def test_a_missing_policy_names_nothing(tmp_path: Path) -> None:
    assert named_files(tmp_path / "policy.toml") == ()
