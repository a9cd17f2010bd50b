"""What is on disk: releases, records, which is in force, which services may run with."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from luagen.deployment import Deployment
from luagen.failure import Failure
from luagen.host import records
from luagen.host.in_use import UNKNOWN, InUse
from luagen.host.records import Record
from luagen.host.release_store import ReleaseStore
from luagen.release import Release, build_release
from tests.luagen.policies import policy, respond, rule

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def release(number: int) -> Release:
    return build_release(policy(rule(respond(400 + number))), Deployment())


def record(one: Release, number: int, previous: str | None = None) -> Record:
    return Record(
        release=one.id,
        policy_file="lightgate.toml",
        policy_sha256="ab" * 32,
        lightgate="1.0",
        deployed_at=FIRST + timedelta(days=number),
        deployed_by="alice",
        comment='a "comment"',
        previous=previous,
    )


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    return ReleaseStore(tmp_path)


def fill(store: ReleaseStore, count: int) -> list[str]:
    """Deploys releases one after another; the last is in force. Returns their ids."""
    ids: list[str] = []
    for number in range(count):
        one = release(number)
        store.write(one)
        store.write_record(record(one, number, ids[-1] if ids else None))
        store.activate(one.id)
        ids.append(one.id)
    return ids


# --- records -----------------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = record(release(1), 1, release(2).id)
    records.write(written, tmp_path / "r.json")
    assert records.read(tmp_path / "r.json") == written
    assert json.loads((tmp_path / "r.json").read_text()) == {
        "format": 1,
        "release": release(1).id,
        "policy": {"file": "lightgate.toml", "sha256": "ab" * 32},
        "lightgate": "1.0",
        "deployed_at": "2026-01-02T00:00:00Z",
        "deployed_by": "alice",
        "comment": 'a "comment"',
        "previous": release(2).id,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "deployed_at": 3}', "\ud800"]
)
def test_a_record_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.json").write_text(content, "utf-8", "surrogatepass")
    assert records.read(tmp_path / "r.json") is None


# --- which there are ---------------------------------------------------------------------------------


def test_nothing_is_in_force_before_the_first(store: ReleaseStore) -> None:
    assert (store.in_force(), store.stored(), store.files(release(0).id)) == (None, (), None)


def test_the_latest_deployed_comes_first(store: ReleaseStore) -> None:
    ids = fill(store, 3)
    by_hand = release(9)
    store.write(by_hand)
    assert store.in_force() == ids[2]
    assert [one.release for one in store.stored()] == [*reversed(ids), by_hand.id]
    assert (store.stored()[-1].record, store.stored()[-1].policy_sha256) == (None, "ab" * 32)


def test_a_link_to_nothing_is_no_release(store: ReleaseStore, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(f"releases/{release(0).id}")
    assert store.in_force() is None


def test_a_release_is_found_by_the_beginning_of_its_id(store: ReleaseStore) -> None:
    ids = fill(store, 2)
    assert [store.find(one[:6]) for one in ids] == ids
    for wanted in ("", "x", ids[0] + "0", "../" + ids[0]):
        with pytest.raises(Failure, match="there is no release") as failure:
            store.find(wanted)
        assert failure.value.help is not None
        assert all(one in failure.value.help for one in ids)


def test_a_beginning_of_several_ids(store: ReleaseStore, tmp_path: Path) -> None:
    for one in ("a" * 20, "a" * 19 + "b"):
        (tmp_path / "releases" / one).mkdir(parents=True)
        (tmp_path / "releases" / one / "manifest.json").write_text("{}")
    with pytest.raises(Failure, match="several releases begin with `aaa`"):
        store.find("aaa")


# --- is it as it was written? ------------------------------------------------------------------------


def test_a_whole_release_is_loaded(store: ReleaseStore) -> None:
    store.write(release(1))
    assert store.load(release(1).id) == release(1)


@pytest.mark.parametrize("change", ["edited", "missing", "added", "directory", "manifest", "renamed"])
def test_a_changed_release_is_refused(store: ReleaseStore, tmp_path: Path, change: str) -> None:
    one = release(1).id
    directory = store.write(release(1))
    match change:
        case "edited":
            (directory / "request.lua").write_text("return 0\n")
        case "missing":
            (directory / "response.lua").unlink()
        case "added":
            (directory / "x.lua").touch()
        case "directory":
            (directory / "x").mkdir()
        case "manifest":
            (directory / "manifest.json").write_text("{")
        case _:
            one = release(2).id
            directory.rename(directory.with_name(one))
    with pytest.raises(Failure, match="is not as it was written"):
        store.load(one)


def test_a_release_of_another_format_is_refused(store: ReleaseStore) -> None:
    one = release(1)
    files = dict(one.files)
    manifest = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps({**manifest, "format": 2, "lightgate": "9.9"}).encode()
    store.write(replace(one, files=files))
    with pytest.raises(Failure, match=r"built by lightgate 9\.9"):
        store.load(one.id)


# --- removing ----------------------------------------------------------------------------------------


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_prune_keeps_the_latest(store: ReleaseStore, tmp_path: Path) -> None:
    ids = fill(store, 6)
    assert set(store.prune(4)) == set(ids[:2])
    assert names(tmp_path / "releases") == {*ids[2:], *(f"{one}.json" for one in ids[2:])}
    assert store.prune(4) == ()


def test_prune_keeps_the_one_in_force_and_the_one_before(store: ReleaseStore) -> None:
    ids = fill(store, 6)
    store.activate(ids[1], back=True)
    assert set(store.prune(2)) == set(ids) - {ids[0], ids[1]}
    assert store.in_force() == ids[1]


def test_prune_takes_those_without_a_record_first_and_records_without_a_release(
    store: ReleaseStore, tmp_path: Path
) -> None:
    ids = fill(store, 2)
    by_hand = release(9).id
    store.write(release(9))
    (tmp_path / "releases" / f"{release(8).id}.json").write_text("{}")
    assert store.prune(2) == (by_hand,)
    assert names(tmp_path / "releases") == {*ids, *(f"{one}.json" for one in ids)}


def test_clean_removes_what_killed_commands_left(store: ReleaseStore, tmp_path: Path) -> None:
    [one] = fill(store, 1)
    (tmp_path / ".candidate.abc").mkdir()
    (tmp_path / ".candidate.abc" / "lighttpd.conf").touch()
    (tmp_path / "releases" / f".{one}.xyz").mkdir()
    (tmp_path / "releases" / f".{one}.json.xyz").touch()
    (tmp_path / ".link").symlink_to("releases")
    store.clean()
    assert names(tmp_path) == {"current", "releases", "history.json"}
    assert names(tmp_path / "releases") == {one, f"{one}.json"}


# --- the way back ------------------------------------------------------------------------------------


def test_the_way_ends_at_the_release_in_force(store: ReleaseStore, tmp_path: Path) -> None:
    x, a, b = fill(store, 3)
    store.activate(a)
    assert store.way() == (x, a, b, a)
    store.activate(b, back=True)
    assert (store.way(), store.one_before()) == ((x, a, b), a)
    # which did not answer, say
    store.restore(a)
    assert store.way() == (x, a, b, a)
    # a command that was killed before it moved the link
    history = tmp_path / "history.json"
    store.activate(x)
    store.restore(a)
    assert (store.way(), "history.json" in names(tmp_path)) == ((x, a, b, a), True)
    store.clean()
    assert json.loads(history.read_text()) == {"format": 1, "releases": [x, a, b, a]}


def test_of_a_long_way_the_end_is_written_down(store: ReleaseStore, tmp_path: Path) -> None:
    a, b = fill(store, 2)
    for _ in range(60):
        store.activate(a)
        store.activate(b)
    assert store.way() == (a, b) * 50


@pytest.mark.parametrize("content", [None, "", "[]", '{"format": 2}', '{"format": 1, "releases": [3]}'])
def test_the_way_of_records(store: ReleaseStore, tmp_path: Path, content: str | None) -> None:
    """Where no history can be read: records, which can lead in a circle, and are then followed once."""
    ids = fill(store, 3)
    (tmp_path / "history.json").unlink()
    if content is not None:
        (tmp_path / "history.json").write_text(content)
    assert store.way() == tuple(ids)
    store.write_record(record(release(0), 0, ids[2]))
    assert store.way() == tuple(ids)


def test_a_link_that_was_moved_by_hand(store: ReleaseStore, tmp_path: Path) -> None:
    ids = fill(store, 2)
    by_hand = release(9).id
    store.write(release(9))
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to(f"releases/{by_hand}")
    assert (store.way(), store.one_before()) == ((by_hand,), None)
    (tmp_path / "current").unlink()
    assert (store.way(), store.one_before(), ids[1] in names(tmp_path / "releases")) == ((), None, True)


# --- what services may run with ----------------------------------------------------------------------

A, B, C = "a" * 20, "b" * 20, "c" * 20


def test_in_use(tmp_path: Path) -> None:
    in_use = InUse(tmp_path)
    assert in_use.read(None) == {UNKNOWN}
    assert in_use.read(A) == {A}
    in_use.add(B, A, offline=False)
    assert in_use.read(A) == {A, B}
    in_use.add(C, B, offline=True)
    assert in_use.read(B) == {A, B, C}
    in_use.settle(C)
    assert in_use.read(A) == {C}


def test_services_start_with_what_was_installed_offline(tmp_path: Path) -> None:
    in_use = InUse(tmp_path)
    in_use.add(A, None, offline=True)
    assert in_use.read(A) == {A}


def test_running_services_may_have_read_anything_before_the_first(tmp_path: Path) -> None:
    in_use = InUse(tmp_path)
    in_use.add(A, None, offline=False)
    assert in_use.read(A) == {UNKNOWN, A}


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', '{"format": 1, "releases": 3}'])
def test_what_cannot_be_read_is_unknown(tmp_path: Path, content: str) -> None:
    (tmp_path / "in-use.json").write_text(content)
    assert InUse(tmp_path).read(A) == {UNKNOWN}
