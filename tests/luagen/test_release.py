from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from luagen import Compilation, Deployment, Release, activate, compile_policy, model, write_release
from luagen.release import ID_LENGTH, ReleaseConflictError, build_release, is_changed, repair_release
from tests.luagen.policies import AUTH, policy, respond, rule

FILES = {"lightgate.conf", "manifest.json", "request.lua", "response.lua", "sidecar.json"}
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart" / "lightgate.toml"


@pytest.fixture
def release() -> Release:
    return build_release(policy(rule(respond())), Deployment())


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Modes of a release do not depend on the umask of whoever builds it."""
    before = os.umask(0o077)
    yield
    os.umask(before)


# --- the id ----------------------------------------------------------------------------------------


def test_id_stands_in_every_file_but_lighttpds(release: Release) -> None:
    """lightgate.conf is the same for all releases of a deployment, so that lighttpd need not be reloaded."""
    assert set(release.files) == FILES
    assert len(release.id) == ID_LENGTH
    assert {name for name, content in release.files.items() if release.id.encode() not in content} == {
        "lightgate.conf"
    }
    other = build_release(policy(rule(respond(403))), Deployment())
    assert other.files["lightgate.conf"] == release.files["lightgate.conf"]


@pytest.mark.parametrize(
    "other",
    [
        build_release(policy(rule(respond(403))), Deployment()),
        build_release(policy(rule(respond(), name="another")), Deployment()),
        build_release(policy(rule(respond()), auths=()), Deployment()),
        build_release(policy(rule(respond()), auths=(replace(AUTH, leeway_s=31),)), Deployment()),
        build_release(policy(rule(respond())), Deployment(epoch_file="/tmp/epoch")),
        build_release(policy(rule(respond())), Deployment(read_timeout_s=11)),
        build_release(policy(rule(respond())), Deployment(log_decisions=True)),
    ],
)
def test_other_content_is_another_release(release: Release, other: Release) -> None:
    assert other.id != release.id


def test_same_content_is_the_same_release(release: Release) -> None:
    assert build_release(policy(rule(respond())), Deployment()) == release


# --- on disk ---------------------------------------------------------------------------------------


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_write(release: Release, tmp_path: Path) -> None:
    releases = tmp_path / "new" / "releases"
    assert write_release(release, releases) == releases / release.id
    assert {path.name: path.read_bytes() for path in (releases / release.id).iterdir()} == release.files
    assert modes(releases / release.id) == dict.fromkeys(FILES, 0o644)
    assert modes(releases) == {release.id: 0o755}, "nothing else is left behind"
    assert modes(releases.parent) == {"releases": 0o755}


def test_write_again_touches_nothing(release: Release, tmp_path: Path) -> None:
    target = write_release(release, tmp_path)
    before = {path: path.stat() for path in (target, *target.iterdir())}
    assert write_release(release, tmp_path) == target
    assert {path: path.stat() for path in before} == before


@pytest.mark.parametrize("how", ["edited", "missing", "added"])
def test_changed_release_is_not_overwritten(release: Release, tmp_path: Path, how: str) -> None:
    change(write_release(release, tmp_path), how)
    with pytest.raises(ReleaseConflictError, match="exists with other content"):
        write_release(release, tmp_path)
    assert names(tmp_path) == [release.id]


CHANGES = ["edited", "missing", "added", "directory", "link", "file", "link to a directory"]


def change(target: Path, how: str) -> None:
    """Tampers with the release in `target`."""
    script = target / "request.lua"
    match how:
        case "edited":
            script.write_bytes(b"return 0\n")
        case "missing":
            script.unlink()
        case "added":
            (target / "notes.txt").write_bytes(b"")
        case "directory":
            (target / "notes").mkdir()
        case "link":  # to the same content, which can change any time
            script.rename(target.parent / "elsewhere")
            script.symlink_to(target.parent / "elsewhere")
        case "file":
            shutil.rmtree(target)
            target.touch()
        case _:
            target.rename(target.with_name("elsewhere"))
            target.symlink_to("elsewhere")


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("how", CHANGES)
def test_a_changed_release_is_repaired(
    release: Release, tmp_path: Path, how: str, can_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_exchange:
        monkeypatch.setattr("luagen.release._exchange", lambda _first, _second: False)
    assert not is_changed(release, tmp_path)
    target = write_release(release, tmp_path)
    assert not is_changed(release, tmp_path)
    change(target, how)
    assert is_changed(release, tmp_path)
    with pytest.raises(ReleaseConflictError):
        write_release(release, tmp_path)
    for script in tmp_path.glob("*/*.lua"):
        os.utime(script, (0, 0))
    repair_release(release, tmp_path)
    assert not is_changed(release, tmp_path)
    assert not target.is_symlink()
    assert modes(target) == dict.fromkeys(FILES, 0o644)
    assert all(script.stat().st_mtime > 0 for script in target.glob("*.lua"))
    assert set(names(tmp_path)) - {"elsewhere"} == {release.id}, "nothing else is left behind"


def test_names_are_exchanged_in_one_step(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At no moment is there nothing, on a file system that can do it, as that of the tests can."""

    def in_two_steps(_new: Path, _target: Path) -> None:
        pytest.fail("not exchanged")

    monkeypatch.setattr("luagen.release._replace", in_two_steps)
    change(write_release(release, tmp_path), "edited")
    repair_release(release, tmp_path)
    assert not is_changed(release, tmp_path)


def test_failed_write_leaves_nothing(release: Release, tmp_path: Path) -> None:
    broken = Release(release.id, {**release.files, "no/such/directory": b""})
    with pytest.raises(FileNotFoundError):
        write_release(broken, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_activate(release: Release, tmp_path: Path) -> None:
    other = build_release(policy(rule(respond(403))), Deployment())
    releases, link = tmp_path / "releases", tmp_path / "current"
    for one in (release, other):
        write_release(one, releases)
    for one in (release, other, other, release):
        for script in (releases / one.id).glob("*.lua"):
            os.utime(script, (0, 0))
        activate(releases, one.id, link)
        assert link.readlink() == Path("releases", one.id)
        assert (link / "request.lua").read_bytes() == one.files["request.lua"]
        assert all(script.stat().st_mtime > 0 for script in link.glob("*.lua")), "lighttpd would not notice"
    assert names(tmp_path) == ["current", "releases"]


def test_activate_from_elsewhere(release: Release, tmp_path: Path) -> None:
    releases, link = tmp_path / "a" / "releases", tmp_path / "b" / "current"
    write_release(release, releases)
    link.parent.mkdir()
    activate(releases, release.id, link)
    assert link.readlink() == releases / release.id


@pytest.mark.parametrize("name", ["0" * 20, "", ".", "..", "../releases/ID"])
def test_only_a_release_is_activated(release: Release, tmp_path: Path, name: str) -> None:
    write_release(release, tmp_path / "releases")
    activate(tmp_path / "releases", release.id, tmp_path / "current")
    with pytest.raises(FileNotFoundError, match="no release"):
        activate(tmp_path / "releases", name.replace("ID", release.id), tmp_path / "current")
    assert (tmp_path / "current").readlink() == Path("releases", release.id)


# --- from a policy file ----------------------------------------------------------------------------


def test_compile_policy() -> None:
    compilation = compile_policy(QUICKSTART, Deployment())
    assert compilation.policy is not None
    assert compilation.release == build_release(compilation.policy, Deployment())


def test_policy_with_mistakes_has_no_release(tmp_path: Path) -> None:
    path = tmp_path / "lightgate.toml"
    path.write_text('default = "maybe"\n')
    compilation = compile_policy(path, Deployment())
    assert compilation == Compilation(None, None, compilation.diagnostics)
    assert len(compilation.diagnostics) == 1


def test_replaced_issuer() -> None:
    compilation = compile_policy(QUICKSTART, Deployment(), issuers={"corp": "http://127.0.0.1:9000"})
    assert compilation.policy is not None
    [auth] = compilation.policy.auths
    assert (auth.name, auth.issuer, auth.keys) == ("corp", "http://127.0.0.1:9000", model.DiscoveredKeys())
    with pytest.raises(ValueError, match="no auth named `partner`"):
        compile_policy(QUICKSTART, Deployment(), issuers={"partner": "http://127.0.0.1:9000"})
