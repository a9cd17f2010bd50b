"""Key sets on disk: used when all about them is right, and otherwise not there."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.kept_keys import Kept, KeptKeys
from tests.sidecar.surroundings import HandClock, Recorder
from tests.sidecar.tokens import NOW

SET = {"keys": [{"kty": "RSA", "kid": "one"}]}
RECORDER = Recorder(HandClock().clock)


@pytest.fixture
def kept(tmp_path: Path) -> KeptKeys:
    found = KeptKeys(tmp_path / "keys", "https://corp.example", "discovery", 100, RECORDER.log)
    assert found.load(NOW) is None
    found.keep(SET, NOW + 0.5)
    return found


def test_what_is_kept_is_found_for_its_time(kept: KeptKeys) -> None:
    for after in (0, 1, 100):
        assert kept.load(NOW + after) == Kept(SET, NOW)
    for after in (-1, 101):
        assert kept.load(NOW + after) is None


def test_it_is_for_this_user_alone(kept: KeptKeys) -> None:
    (path,) = kept.directory.iterdir()
    assert stat.S_IMODE(kept.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_set_for_each_issuer_and_source(kept: KeptKeys) -> None:
    assert replace(kept, issuer="https://other.example").load(NOW) is None
    assert replace(kept, source="https://corp.example/jwks").load(NOW) is None
    # names of files are hashes; what is inside says whose it is
    (path,) = kept.directory.iterdir()
    other = replace(kept, issuer="https://other.example")
    other.keep(SET, NOW)
    (wrong,) = set(kept.directory.iterdir()) - {path}
    path.replace(wrong)
    assert other.load(NOW) is None


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_text(path.read_text()[:-1]),
        lambda path: path.write_text("[]"),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.write_text(path.read_text() + " " * 600_000),
        lambda path: edit(path, fetched_at=True),
        lambda path: edit(path, fetched_at="1"),
        lambda path: edit(path, keys=[]),
        lambda path: edit(path, issuer=None),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.parent.chmod(0o770),
        lambda path: path.parent.chmod(0o702),
    ],
)
def test_a_damaged_one_is_not_there(kept: KeptKeys, damage: Callable[[Path], object]) -> None:
    (path,) = kept.directory.iterdir()
    damage(path)
    assert kept.load(NOW) is None


def test_what_cannot_be_kept_is_logged(tmp_path: Path) -> None:
    recorder = Recorder(HandClock().clock)
    kept = KeptKeys(tmp_path / "absent" / "keys", "https://corp.example", "discovery", 100, recorder.log)
    kept.keep(SET, NOW)
    assert recorder.events() == [{"event": "keys-not-kept", "why": "No such file or directory"}]
