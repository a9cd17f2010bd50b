"""examples/compose as a reader starts it: a token, a change of policy, a secret, an outage, the end.

The images are built from this tree; the rest runs from a copy of the directory, so that policies can be
edited. The commands for a token and the override with a secret are the README's own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import docker
import pytest
from docker.models.containers import Container

from tests.docker.trust import machine_authorities
from tests.system.processes import REPOSITORY, free_port, poll

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

EXAMPLE = REPOSITORY / "examples" / "compose"
README = (EXAMPLE / "README.md").read_text()
IMAGES = "lightgate-test/compose"  # caches, like those of images.py; the label is theirs
IMAGE_LABEL = "org.lightgate.test.image"
OF_OUR_IMAGE = ("app", "deploy", "lightgate", "lighttpd", "sidecar")
BUILD_LIMIT_S = 600
UP_LIMIT_S = 180
COMMAND_LIMIT_S = 120
HEALTHY_LIMIT_S = 60.0

READYZ = ["curl", "-sS", "--unix-socket", "/run/lightgate/http.sock", "http://localhost/readyz"]

#: who may verify what, and the credential's name, in the policy of the test of secrets
PARTNER = """
[auth.partner]
issuer   = "https://partner.example.org"
audience = ["shop"]
secret   = "partner-hs256"
"""

GONE = """
[[rule]]
name    = "the sale is over"
when    = 'request.path == "/sale/"'
respond = { status = 410 }
"""

#: leaves the page that host.toml names without an answer
CLOSED = """
[[rule]]
name    = "closed for stocktaking"
when    = 'request.path == "/"'
respond = { status = 503 }
"""


def block(name: str) -> str:
    """A marked block of the README, without the indentation that it has there."""
    [(indent, text)] = re.findall(
        rf"^( *)<!-- run: {name} -->\n *```[a-z]+\n(.*?)\n *```$", README, re.M | re.S
    )
    return re.sub(rf"^{indent}", "", text, flags=re.M)


def compose_command() -> list[str]:
    """`docker compose`, or what Debian 12 has in its place."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asked = subprocess.run(
                [*command, "version"], capture_output=True, timeout=COMMAND_LIMIT_S, check=False
            )
            if asked.returncode == 0:
                return command
    pytest.fail(
        "neither `docker compose` nor `docker-compose` is here\n  = help: apt-get install docker-compose"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: str


class Stack:
    """One project of the example, under a name and ports of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = f"lightgate-test-{uuid4().hex[:8]}"
        self.port, self.provider_port = free_port(), free_port()
        self.client = docker.from_env(timeout=COMMAND_LIMIT_S)
        self._command = compose_command()

    # --- compose

    def compose(self, *arguments: str, limit_s: float = COMMAND_LIMIT_S, cwd: Path | None = None) -> str:
        """What a command printed on standard output; it has to succeed."""
        done = subprocess.run(
            [*self._command, "-p", self.project, *arguments],
            cwd=cwd or self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def build(self) -> None:
        """The images, from this tree. The stages that install from PyPI trust what this machine trusts."""
        subprocess.run([REPOSITORY / "scripts" / "base-image", "bookworm"], timeout=BUILD_LIMIT_S, check=True)
        override = self.directory / "build.json"
        base = self._base_image()
        built = {"labels": {IMAGE_LABEL: "compose"}, "args": {"BUILD_BASE": base}}
        services = {name: {"build": built} for name in OF_OUR_IMAGE}
        services["idp"] = {"build": {**built, "args": {"BASE": base}}}
        override.write_text(json.dumps({"services": services}))
        files = ("-f", "compose.yaml", "-f", str(override))
        self.compose(*files, "build", "app", "idp", limit_s=BUILD_LIMIT_S, cwd=EXAMPLE)

    def up(self) -> None:
        self.compose("up", "-d", "--no-build", limit_s=UP_LIMIT_S)
        for service in ("lighttpd", "sidecar"):
            self.wait_for_health(service)

    def down(self, *options: str) -> None:
        self.compose("down", "--remove-orphans", "-t", "5", *options)

    def lightgate(self, *arguments: str) -> str:
        """A command of the service that the README gives to operators."""
        return self.compose("run", "--rm", "--no-deps", "lightgate", *arguments)

    def container(self, service: str) -> Container:
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        [found] = self.client.containers.list(all=True, filters={"label": labels})
        return found

    def wait_for_health(self, service: str) -> None:
        def healthy() -> bool:
            container = self.container(service)
            state = container.attrs["State"]
            assert state["Running"], container.logs().decode()
            return bool(state["Health"]["Status"] == "healthy")

        try:
            poll(f"`{service}` is healthy", healthy, HEALTHY_LIMIT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.container(service).logs(tail=40).decode()}") from error

    # --- requests

    def get(self, path: str, fields: Mapping[str, str] | None = None) -> Answer:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=dict(fields or {}))
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(status=answer.status, body=answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(status=error.code, body=error.read().decode())

    def as_in_the_readme(self) -> tuple[str, str]:
        """What its commands print, and the token that they got; each time it is another."""
        home = self.directory.parent / "curl"
        home.mkdir(exist_ok=True)
        ports = {"localhost:9400": self.provider_port, "127.0.0.1:8080": self.port}
        lines = (f'connect-to = "{asked}:127.0.0.1:{port}"\n' for asked, port in ports.items())
        (home / ".curlrc").write_text("".join(lines))
        printed = subprocess.run(
            ["sh", "-euc", block("token") + "\nprintf '\\n%s\\n' \"$token\""],
            env={**os.environ, "CURL_HOME": str(home), "no_proxy": "*"},
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=True,
        ).stdout
        answer, _, token = printed.strip().rpartition("\n")
        assert token.count(".") == 2, printed
        return answer.strip(), token

    def members(self, token: str, path: str = "/members/") -> Answer:
        return self.get(path, {"Authorization": f"Bearer {token}", "X-User": "mallory", "X_User": "mallory"})

    # --- the rest

    @contextmanager
    def policy_with(
        self, added: str, *, instead: tuple[str, str] = ("[[rule]]", "[[rule]]")
    ) -> Iterator[None]:
        """The policy's file with `added` before its first rule, and the first of `instead` as the second."""
        path = self.directory / "lightgate" / "lightgate.toml"
        kept = path.read_text()
        path.write_text(kept.replace(*instead).replace("[[rule]]", f"{added.strip()}\n\n[[rule]]", 1))
        try:
            yield
        finally:
            path.write_text(kept)

    def _base_image(self) -> str:
        name = f"{IMAGES}-base"
        context = self.directory.parent / "base"
        context.mkdir()
        (context / "trust.pem").write_bytes(machine_authorities())
        lines = ["FROM debian:bookworm-slim", f'LABEL {IMAGE_LABEL}="compose"']
        if machine_authorities():
            lines += [
                "COPY trust.pem /usr/local/share/test-trust.pem",
                "ENV PIP_CERT=/usr/local/share/test-trust.pem",
            ]
        (context / "Dockerfile").write_text("\n".join(lines) + "\n")
        self.client.images.build(path=str(context), tag=name, rm=True, forcerm=True)
        return name

    def _environment(self) -> dict[str, str]:
        own = {
            "LIGHTGATE_PORT": str(self.port),
            "LIGHTGATE_IDP_PORT": str(self.provider_port),
            "LIGHTGATE_IMAGE": IMAGES,
        }
        return {**os.environ, **own}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("compose") / "example"
    shutil.copytree(EXAMPLE, directory)
    running = Stack(directory)
    running.build()
    try:
        running.up()
        yield running
    finally:
        running.down("-v")
        running.client.close()


def test_public_pages_are_served(stack: Stack) -> None:
    answer = stack.get("/")
    assert (answer.status, "A public page" in answer.body) == (200, True)


def test_members_need_a_token(stack: Stack) -> None:
    assert stack.get("/members/").status == 401


def test_the_commands_of_the_readme(stack: Stack) -> None:
    answer, _ = stack.as_in_the_readme()
    assert f"`{answer}`" in README  # what it says they print


def test_the_application_sees_who_it_is_and_no_token(stack: Stack) -> None:
    _, token = stack.as_in_the_readme()
    answer = stack.members(token)
    assert answer.status == 200
    assert json.loads(answer.body) == {"path": "/members/", "user": "alice", "roles": "admin", "token": ""}


def test_a_forged_token_is_refused(stack: Stack) -> None:
    _, token = stack.as_in_the_readme()
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = f"{head}.{_base64url(json.dumps({**claims, 'sub': 'root'}).encode())}.{signature}"
    assert stack.members(forged).status == 401


def test_operators_pages_stay_inside(stack: Stack) -> None:
    assert {path: stack.get(path).status for path in ("/.lightgate/health", "/.lightgate/status")} == {
        "/.lightgate/health": 404,
        "/.lightgate/status": 404,
    }


@pytest.mark.parametrize("service", ["lighttpd", "sidecar", "app"])
def test_what_runs_has_no_privileges(stack: Stack, service: str) -> None:
    container = stack.container(service)
    status = container.exec_run(["cat", "/proc/1/status"]).output.decode()
    found = dict(re.findall(r"^(CapEff|CapBnd|NoNewPrivs):\s*(\S+)$", status, re.M))
    assert found == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"}
    assert container.exec_run(["id", "-u"]).output != b"0\n"
    assert b"Read-only file system" in container.exec_run(["touch", "/var/new"], user="root").output


@pytest.mark.parametrize("service", ["lighttpd", "sidecar"])
def test_who_answers_requests_cannot_change_the_release(stack: Stack, service: str) -> None:
    written = stack.container(service).exec_run(["sh", "-c", "echo >/var/lib/lightgate/current/request.lua"])
    assert written.exit_code != 0
    assert "Read-only file system" in written.output.decode()


def test_the_image_has_nothing_to_build_with(stack: Stack) -> None:
    look = "command -v pip pip3 gcc cc make; /usr/lib/lightgate/bin/python -c 'import pip'"
    found = stack.container("sidecar").exec_run(["sh", "-c", look])
    assert "No module named 'pip'" in found.output.decode()
    assert found.output.decode().count("\n/") == 0, found.output.decode()


def test_the_log_says_which_rule_decided(stack: Stack) -> None:
    assert stack.get("/members/?for=the-log").status == 401

    def logged() -> str | None:
        lines = stack.container("lighttpd").logs(stdout=True, stderr=False).decode().splitlines()
        return next((line for line in lines if "for=the-log" in line), None)

    assert poll("the request is in the log", logged).endswith('challenge "members sign in"')


def test_status_sees_both_sides(stack: Stack) -> None:
    shown = stack.lightgate("status")
    release = json.loads(stack.container("sidecar").exec_run(READYZ).output)["release"]
    assert shown.count(release) >= 1, shown


def test_a_changed_policy_is_in_force_without_a_restart(stack: Stack) -> None:
    before = _starts(stack)
    assert stack.get("/sale/").status == 404
    with stack.policy_with(GONE):
        stack.lightgate("deploy", "--comment", "no more sale")
        assert stack.get("/sale/").status == 410
        stack.lightgate("rollback")
        assert stack.get("/sale/").status == 404
        assert _starts(stack) == before
        # What is in the file comes into force when it is deployed, never because something is started anew.
        stack.down()
        stack.up()
        assert stack.get("/sale/").status == 404
    assert "no more sale" in stack.lightgate("releases")


@pytest.mark.parametrize(
    ("added", "complaint"),
    [(GONE.replace("request.path", "request.pth"), r"request\.pth"), (CLOSED, "is in force again")],
    ids=["a mistake", "a closed site"],
)
def test_a_policy_that_is_not_right_changes_nothing(stack: Stack, added: str, complaint: str) -> None:
    with stack.policy_with(added), pytest.raises(AssertionError, match=complaint):
        stack.lightgate("deploy")
    assert [stack.get(path).status for path in ("/", "/members/")] == [200, 401]


def test_secrets_of_compose_are_credentials(stack: Stack) -> None:
    secret = os.urandom(32).hex()
    file = stack.directory / "secrets" / "partner-hs256"
    file.parent.mkdir()
    file.write_text(secret + "\n")
    file.chmod(0o400)
    os.chown(file, 10001, -1)
    (stack.directory / "compose.override.yaml").write_text(block("secrets") + "\n")
    stack.up()
    with stack.policy_with(PARTNER, instead=('auth = "corp"', 'auth = ["corp", "partner"]')):
        stack.lightgate("deploy")
        answer = stack.members(_signed(secret.encode(), "bob"))
        assert (answer.status, answer.body and json.loads(answer.body)["user"]) == (200, "bob")
        assert stack.members(_signed(b"x" * 32, "bob")).status == 401
    # The way back that needs no running lighttpd.
    stack.compose("run", "--rm", "--no-deps", "deploy", "lightgate", "rollback", "--offline")
    stack.wait_for_health("lighttpd")


def test_without_the_sidecar_nobody_gets_in(stack: Stack) -> None:
    stack.compose("stop", "sidecar")
    _, token = stack.as_in_the_readme()
    assert stack.members(token).status == 503
    assert stack.get("/").status == 200
    stack.compose("start", "sidecar")
    stack.wait_for_health("sidecar")
    assert stack.members(token).status == 200


def test_lighttpd_does_not_start_without_a_release(stack: Stack) -> None:
    configuration = stack.directory / "lighttpd" / "lighttpd.conf"
    container = stack.client.containers.create(
        IMAGES,
        ["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"],
        user="www-data",
        volumes={str(configuration): {"bind": "/etc/lighttpd/lighttpd.conf", "mode": "ro"}},
        extra_hosts={"app": "127.0.0.1"},
    )
    try:
        container.start()
        ended = container.wait(timeout=COMMAND_LIMIT_S)
        said = container.logs().decode()
    finally:
        container.remove(force=True)
    assert ended["StatusCode"] != 0
    assert "/var/lib/lightgate/current/lightgate.conf" in said


def test_down_leaves_nothing(stack: Stack) -> None:
    stack.down("-v")
    ours = {"label": f"com.docker.compose.project={stack.project}"}
    left = [
        *stack.client.containers.list(all=True, filters=ours),
        *stack.client.volumes.list(filters=ours),
        *stack.client.networks.list(filters=ours),
    ]
    assert left == []


def test_the_provider_is_the_one_of_lightgate_dev() -> None:
    [wanted] = re.findall(r'"(oidc-provider-mock[^"]*)"', (REPOSITORY / "pyproject.toml").read_text())
    assert f'"{wanted}"' in (EXAMPLE / "idp" / "Dockerfile").read_text()


def _starts(stack: Stack) -> tuple[str, int]:
    """When lighttpd's container started, and how often lighttpd in it did; a graceful restart counts."""
    container = stack.container("lighttpd")
    return container.attrs["State"]["StartedAt"], container.logs().decode().count("server started")


def _signed(secret: bytes, subject: str) -> str:
    """A token of the partner's, HS256."""
    now = int(time.time())
    claims = {
        "iss": "https://partner.example.org",
        "aud": "shop",
        "sub": subject,
        "iat": now,
        "exp": now + 60,
    }
    parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.digest(secret, ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, _base64url(signature)])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
