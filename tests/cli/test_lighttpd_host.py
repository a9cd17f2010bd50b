"""Which lighttpd lightgate runs on, and what is said about the others. Shell scripts stand in for servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from luagen.failure import Failure
from luagen.lighttpd_host import Lighttpd, check_configuration, find


def server(tmp_path: Path, version: str, *, tt: str = "exit 0") -> str:
    """A program that answers `-v` with `version` and does `tt` otherwise."""
    path = tmp_path / "lighttpd"
    path.write_text(f'#!/bin/sh\n[ "$1" = -v ] && {{ echo "{version}"; exit 0; }}\n{tt}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("version", ["1.4.69", "1.4.79", "1.4.82", "1.4.85", "1.5.0"])
def test_a_supported_version(tmp_path: Path, version: str) -> None:
    path = server(tmp_path, f"lighttpd/{version} (ssl) - a light and fast webserver")
    found = find(path)
    assert found == Lighttpd(path, tuple(map(int, version.split("."))))  # type: ignore[arg-type]
    assert found.version_text == version


NO_MAGNET = "echo 'dlopen() failed for: /usr/lib/lighttpd/mod_magnet.so'; exit 255"


@pytest.mark.parametrize(
    ("version", "tt", "message", "help"),
    [
        (
            "lighttpd/1.4.68",
            "exit 0",
            "lighttpd 1.4.68 is too old: lightgate needs 1.4.69 or newer",
            "apt-get install lighttpd lighttpd-modules-lua",
        ),
        *(
            (
                f"lighttpd/{refused}",
                "exit 0",
                f"lighttpd {refused} drops the body and fields of refusals made in Lua",
                "install 1.4.82 or older, or 1.4.85 or newer",
            )
            for refused in ("1.4.83", "1.4.84")
        ),
        (
            "lighttpd/1.4.69",
            NO_MAGNET,
            "lighttpd 1.4.69 has no mod_magnet",
            "apt-get install lighttpd-modules-lua",
        ),
        (
            "nginx",
            "exit 0",
            "`PATH -v` does not answer like lighttpd",
            "apt-get install lighttpd lighttpd-modules-lua",
        ),
        ("lighttpd/1.4.69", "echo broken; exit 1", "`PATH` refuses an empty configuration: broken", None),
    ],
)
def test_a_server_that_will_not_do(
    tmp_path: Path, version: str, tt: str, message: str, help: str | None
) -> None:
    path = server(tmp_path, version, tt=tt)
    with pytest.raises(Failure) as caught:
        find(path)
    assert (caught.value.message, caught.value.help) == (message.replace("PATH", path), help)


def test_no_lighttpd_at_a_path(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        find(str(tmp_path / "none"))
    assert str(caught.value) == (
        f"error: no lighttpd at `{tmp_path}/none`\n  = help: apt-get install lighttpd lighttpd-modules-lua"
    )


def test_no_lighttpd_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("luagen.lighttpd_host.USUAL_PLACES", ())
    with pytest.raises(Failure) as caught:
        find()
    assert str(caught.value) == (
        "error: lighttpd is not installed\n  = help: apt-get install lighttpd lighttpd-modules-lua"
    )


def test_a_refused_configuration_is_told_in_lighttpds_words(tmp_path: Path) -> None:
    path = server(tmp_path, "lighttpd/1.4.69", tt="echo first; echo 'line 3: no such thing' >&2; exit 255")
    with pytest.raises(Failure) as caught:
        check_configuration(Lighttpd(path, (1, 4, 69)), tmp_path / "x.conf")
    assert caught.value.message == "lighttpd refuses its configuration: line 3: no such thing"
