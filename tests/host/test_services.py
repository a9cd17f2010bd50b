from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from luagen import model
from luagen.deployment import Deployment
from luagen.failure import Failure
from luagen.host.services import Message, directives, needed
from luagen.host.settings import HostSettings
from luagen.release import build_release
from tests.luagen.policies import AUTH, policy, respond, rule

SETTINGS = HostSettings()
HERE = SETTINGS.deployment()
SECRET = replace(AUTH, keys=model.SharedSecret(credential="a"), algorithms=("HS256",))
OTHER_SECRET = replace(SECRET, keys=model.SharedSecret(credential="b"))


def files(*auths: model.Auth, status: int = 404, deployment: Deployment = HERE) -> dict[str, bytes]:
    return dict(build_release(policy(rule(respond(status)), auths=auths), deployment).files)


def told(
    after: dict[str, bytes], *running: dict[str, bytes] | None, is_known: bool = False
) -> list[tuple[str, str]]:
    return [(m.service, m.verb) for m in needed(after, running, SETTINGS, is_known=is_known)]


BASE = files(AUTH)
ELSEWHERE = Deployment.below("/elsewhere", release_directory="/x", log_decisions=False)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(files(AUTH, status=403), [], id="rules"),
        pytest.param(files(replace(AUTH, forward_token=True)), [], id="what only Lua reads"),
        pytest.param(files(replace(AUTH, issuer="https://b.example")), [("sidecar", "reload")], id="issuer"),
        pytest.param(files(), [("sidecar", "reload")], id="no auth any more"),
        pytest.param(files(SECRET), [("sidecar", "restart")], id="credential"),
        pytest.param(
            files(AUTH, deployment=replace(HERE, read_timeout_s=12)),
            [("lighttpd", "reload")],
            id="directives",
        ),
        pytest.param(
            files(AUTH, deployment=ELSEWHERE), [("sidecar", "restart"), ("lighttpd", "reload")], id="sockets"
        ),
    ],
)
def test_who_is_told(after: dict[str, bytes], expected: list[tuple[str, str]]) -> None:
    assert told(after, BASE) == expected


def test_another_credential_of_an_issuer() -> None:
    assert told(files(OTHER_SECRET), files(SECRET)) == [("sidecar", "restart")]


def test_a_release_of_before_may_be_known_to_the_sidecar() -> None:
    assert told(files(AUTH, status=403), BASE, is_known=True) == [("sidecar", "reload")]


def test_what_running_services_may_have_missed() -> None:
    """One release among those that they may have read differs: they are told."""
    assert told(BASE, files(SECRET), BASE) == [("sidecar", "restart")]
    assert told(BASE, BASE, None) == [("sidecar", "restart"), ("lighttpd", "reload")]


@pytest.mark.parametrize("name", ["sidecar.json", "lightgate.conf"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", None])
def test_what_somebody_has_changed_is_not_known(name: str, content: bytes | None) -> None:
    changed = {key: value for key, value in BASE.items() if key != name}
    if content is not None:
        changed[name] = content
    everybody = [("sidecar", "restart"), ("lighttpd", "reload")]
    if (name, content) in (("lightgate.conf", b"{"), ("lightgate.conf", b"[]")):
        everybody = everybody[1:]  # other directives
    assert told(BASE, changed) == everybody
    assert told(changed, BASE) == everybody


def test_comments_are_no_directives() -> None:
    other = {
        **BASE,
        "lightgate.conf": b"# another version\n\n" + BASE["lightgate.conf"].replace(b"\n", b" \n"),
    }
    assert other["lightgate.conf"] != BASE["lightgate.conf"]
    assert told(other, BASE) == []
    assert directives(BASE)[0] == 'server.modules += ( "mod_magnet", "mod_fastcgi" )'


# --- commands ----------------------------------------------------------------------------------------


def send(*arguments: str) -> None:
    Message("sidecar", "reload", arguments, "why").send()


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(Failure, match=r"failed \(3\): not active$"):
        send(sys.executable, "-c", "import sys; print('not\\n active', file=sys.stderr); sys.exit(3)")
    with pytest.raises(Failure, match="cannot run `/no/such reload`: no such file or directory"):
        send("/no/such", "reload")
    send(sys.executable, "-c", "")


def test_no_command_is_said_to_be_none() -> None:
    message = Message("sidecar", "reload", (), "its settings have changed")
    message.send()
    assert str(message) == "sidecar: no command to reload it (its settings have changed)"
