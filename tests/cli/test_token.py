"""`lightgate token` against the real development provider, and what it says when there is none."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from luagen import token
from luagen.cli import lightgate
from luagen.dev import rundir
from luagen.dev.provider import start_provider
from luagen.failure import Failure


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The issuer URL of a running provider."""
    with asyncio.Runner() as runner:
        child, url = runner.run(start_provider())
        yield url
        runner.run(child.stop())


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory without any session."""
    with tempfile.TemporaryDirectory(prefix="lg", dir="/tmp") as directory:
        monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
        yield Path(directory)


@pytest.fixture
def session(sessions: Path, provider: str) -> Iterator[None]:
    """A session whose policy has two auths, of which one has a provider."""
    with rundir.session_directory() as directory:
        rundir.write_record(
            directory,
            rundir.SessionRecord(
                pid=os.getpid(),
                policy="lightgate.toml",
                url="http://127.0.0.1:8080",
                auths=(
                    rundir.AuthRecord("own", ("own",), ("roles",), None),
                    rundir.AuthRecord("corp", ("shop", "other"), ("realm_access", "roles"), provider),
                ),
            ),
        )
        yield


def claims(compact: str) -> dict[str, object]:
    payload = compact.split(".")[1]
    result = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert isinstance(result, dict)
    return result


def invoke(*arguments: str) -> str:
    """What `lightgate token` prints; nothing but the token may be there."""
    result = CliRunner().invoke(lightgate, ["token", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout.removesuffix("\n")


@pytest.mark.usefixtures("session")
def test_a_token_has_what_was_asked_for(provider: str) -> None:
    printed = invoke(
        *("--sub", "alice", "--role", "admin", "--role", "dev", "--email", "alice@example.org"),
        *("--claim", "level=3", "--claim", 'realm_access={"other": true}'),
    )
    found = claims(printed)
    lifetime = {name: found.pop(name) for name in ("iat", "exp", "auth_time", "at_hash")}
    assert found == {
        "iss": provider,
        "aud": ["shop"],
        "sub": "alice",
        "email": "alice@example.org",
        "email_verified": True,
        "level": 3,
        "realm_access": {"other": True, "roles": ["admin", "dev"]},
    }
    assert lifetime["exp"] == lifetime["iat"] + 3600  # type: ignore[operator]


@pytest.mark.usefixtures("session")
def test_nothing_of_an_earlier_token_is_left() -> None:
    invoke("--sub", "bob", "--role", "admin")
    assert "realm_access" not in claims(invoke("--sub", "bob"))


@pytest.mark.usefixtures("session")
def test_the_audience_can_be_another() -> None:
    assert claims(invoke("--sub", "alice", "--audience", "elsewhere"))["aud"] == ["elsewhere"]


@pytest.mark.usefixtures("sessions")
def test_a_provider_that_no_session_runs(provider: str) -> None:
    found = claims(invoke("--idp", provider, "--sub", "alice", "--role", "r", "--audience", "shop"))
    assert (found["aud"], found["roles"]) == (["shop"], ["r"])


def failure(*arguments: str) -> str:
    with pytest.raises(Failure) as caught:
        CliRunner().invoke(lightgate, ["token", *arguments], catch_exceptions=False, standalone_mode=False)
    return str(caught.value)


START = "start one: lightgate dev POLICY --idp"


@pytest.mark.usefixtures("sessions")
def test_no_provider_is_running() -> None:
    assert failure("--sub", "alice") == (
        f"error: no development identity provider is running\n  = help: {START}"
    )


@pytest.mark.usefixtures("session")
def test_no_provider_for_this_auth() -> None:
    assert failure("--sub", "alice", "--auth", "own") == (
        "error: no running provider is for an auth named `own`\n  = help: there is `corp`"
    )


@pytest.mark.usefixtures("sessions")
def test_nobody_answers_at_the_url() -> None:
    with socket.socket() as bound:  # bound and not listening: refuses, and nobody else can take it
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert failure("--idp", url, "--sub", "alice", "--audience", "shop") == (
            f"error: no identity provider answers at `{url}`\n  = help: {START}"
        )


@pytest.mark.usefixtures("session")
def test_the_roles_are_in_the_way_of_a_claim() -> None:
    assert failure("--sub", "alice", "--role", "r", "--claim", "realm_access=1") == (
        "error: the roles belong into claim `realm_access`, which is given as something else"
    )


def test_a_user_that_the_provider_cannot_store(provider: str) -> None:
    with pytest.raises(Failure) as caught:
        token.mint(provider, sub="a/b", audience="shop", claims={})
    assert caught.value.message == (
        f"`{provider}` is not the development provider: PUT /users/a%2Fb is answered with 404"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--sub'."),
        (
            ["--sub", "a", "--claim", "level"],
            "Invalid value for --claim: `level` is not NAME=JSON, such as level=3 or 'name=\"Alice\"'",
        ),
        (
            ["--sub", "a", "--claim", "name=Alice"],
            "Invalid value for --claim: `name=Alice` is not NAME=JSON, such as level=3 or 'name=\"Alice\"'",
        ),
        (["--sub", "a", "--idp", "localhost:1"], "Invalid value for --idp: `localhost:1` is not a URL"),
        (
            ["--sub", "a", "--idp", "http://localhost:1"],
            "--idp without a running `lightgate dev` needs --audience",
        ),
    ],
)
@pytest.mark.usefixtures("sessions")
def test_wrong_usage(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(lightgate, ["token", *arguments])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, f"Error: {message}")
