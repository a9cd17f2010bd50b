from __future__ import annotations

import os
from pathlib import Path

import pytest

from sidecar.credentials import Credentials, CredentialsError


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def mistake(credentials: Credentials, *names: str) -> tuple[str, ...]:
    with pytest.raises(CredentialsError) as caught:
        credentials.find(names)
    return caught.value.mistakes


def test_the_order_of_places(tmp_path: Path) -> None:
    systemd, own = tmp_path / "systemd", tmp_path / "own"
    environment = {
        "CREDENTIALS_DIRECTORY": str(systemd),
        **{f"LIGHTGATE_CREDENTIAL_{name}": "env" for name in ("A", "B", "C_D")},
    }
    write(systemd / "a", b"systemd", 0o440)
    write(own / "a", b"own")
    write(own / "b", b"own")
    found = Credentials(environment=environment, directory=own).find(["a", "b", "c-d", "a"])
    assert found == {"a": b"systemd", "b": b"own", "c-d": b"env"}


def test_the_names_that_systemd_gives_to_files_of_a_directory(tmp_path: Path) -> None:
    systemd = tmp_path / "systemd"
    for name in ("one", "lightgate_one", "lightgate_two", "lightgate-sealed_two", "lightgate-sealed_three"):
        write(systemd / name, name.encode(), 0o400)
    environment = {"CREDENTIALS_DIRECTORY": str(systemd)}
    found = Credentials(environment=environment, directory=tmp_path).find(["one", "two", "three"])
    assert found == {"one": b"one", "two": b"lightgate_two", "three": b"lightgate-sealed_three"}


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"x", b"x"),
        (b"x\n", b"x"),
        (b"x\r\n", b"x"),
        (b"x\n\n", b"x\n"),
        (b" x ", b" x "),
        (b"x\r", b"x\r"),
        (b"\xff\0", b"\xff\0"),
    ],
)
def test_one_line_end_is_removed(tmp_path: Path, content: bytes, secret: bytes) -> None:
    write(tmp_path / "a", content)
    assert Credentials(environment={}, directory=tmp_path).find(["a"]) == {"a": secret}


def test_all_missing_are_listed_with_every_place(tmp_path: Path) -> None:
    environment = {"CREDENTIALS_DIRECTORY": "/run/credentials/x"}
    credentials = Credentials(environment=environment, directory=tmp_path)
    assert mistake(credentials, "idp-client", "partner-hs256") == (
        "credential `idp-client`: not found; looked at `/run/credentials/x/idp-client`, "
        f"`{tmp_path}/idp-client`, `$LIGHTGATE_CREDENTIAL_IDP_CLIENT`",
        "credential `partner-hs256`: not found; looked at `/run/credentials/x/partner-hs256`, "
        f"`{tmp_path}/partner-hs256`, `$LIGHTGATE_CREDENTIAL_PARTNER_HS256`",
    )


def test_a_directory_that_is_for_systemd_alone_is_one_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As packaged: root's, 0700. A message about permissions would invite opening it."""

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    assert mistake(Credentials(environment={}, directory=tmp_path), "a") == (
        f"credential `a`: `{tmp_path}/a` cannot be read: permission denied",
    )
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / "absent")}
    monkeypatch.undo()
    own = tmp_path / "own"
    own.mkdir()
    (own / "a").write_bytes(b"x")
    real = os.open

    def denied_below_own(path: Path, *arguments: int) -> int:
        if Path(path).parent == own:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", denied_below_own)
    (found,) = mistake(Credentials(environment=environment, directory=own), "a")
    assert found.startswith("credential `a`: not found; looked at ")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o610, 0o602])
def test_a_file_for_others_is_refused__OPS_11(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "a", b"secret", mode)
    credentials = Credentials(environment={"LIGHTGATE_CREDENTIAL_A": "other"}, directory=tmp_path)
    assert mistake(credentials, "a") == (
        f"credential `a`: `{path}` has mode {mode:04o}; others than its owner must have no access (0600)",
    )


def test_an_empty_one_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"\n")
    assert mistake(Credentials(environment={}, directory=tmp_path), "a") == (
        f"credential `a`: `{path}` is empty",
    )
    environment = {"LIGHTGATE_CREDENTIAL_B": ""}
    assert mistake(Credentials(environment=environment, directory=tmp_path), "b") == (
        "credential `b`: `$LIGHTGATE_CREDENTIAL_B` is empty",
    )


def test_something_else_than_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    assert mistake(Credentials(environment={}, directory=tmp_path), "pipe", "folder") == (
        f"credential `pipe`: `{tmp_path}/pipe` is not a file",
        f"credential `folder`: `{tmp_path}/folder` is not a file",
    )


def test_a_long_one_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"x" * 65_537)
    assert mistake(Credentials(environment={}, directory=tmp_path), "a") == (
        f"credential `a`: `{path}` is longer than 65536 bytes",
    )


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(Credentials(environment={"LIGHTGATE_CREDENTIAL_A": "hush"}))
