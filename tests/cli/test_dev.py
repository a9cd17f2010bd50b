"""`lightgate dev` from outside: the real command, the real lighttpd, sidecar and provider, curl lines and
signals."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system.processes import REPOSITORY, Process, accepts, free_port, poll
from tests.system.wire import Fields, Response, request

pytestmark = pytest.mark.system

QUICKSTART = REPOSITORY / "examples" / "quickstart"

OPEN = 'default = "pass"\n'
CLOSED = 'default = "deny"\n'


class Dev:
    """A running `lightgate dev` with a copy of its policy and a runtime directory of its own."""

    def __init__(self, directory: Path, policy: str, *options: str) -> None:
        self.directory = directory
        self.policy = directory / "lightgate.toml"
        self.policy.write_text(policy)
        self.runtime = directory / "run"
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        self.process = Process(
            [sys.executable, "-m", "luagen", "dev", str(self.policy), *options],
            log=directory / "dev.log",
            env=self.environment,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {"XDG_RUNTIME_DIR": str(self.runtime), "PYTHONPATH": str(REPOSITORY)}

    def ready(self) -> Dev:
        self.wait_for("Ctrl-C ends")
        self.port = int(self.match(r"at http://127\.0\.0\.1:(\d+)/")[1])
        return self

    def output(self) -> str:
        return self.process.output()

    def match(self, pattern: str) -> re.Match[str]:
        found = re.search(pattern, self.output())
        assert found, f"no {pattern!r} in:\n{self.output()}"
        return found

    def wait_for(self, text: str) -> None:
        def there() -> bool:
            if text in self.output():
                return True
            self.process.check_running()
            return False

        poll(f"{text!r} from lightgate dev:\n{self.output()}", there)

    def edit(self, policy: str) -> None:
        self.policy.write_text(policy)

    def get(self, target: str, fields: Fields = ()) -> Response:
        return request(self.port, target, fields)

    def token(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "luagen", "token", *arguments],
            env={**os.environ, **self.environment},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout.removesuffix("\n")

    def children(self) -> dict[str, int]:
        """Name to pid of the processes that `lightgate dev` has started."""
        pid = self.process.pid
        pids = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        names = ("oidc_provider_mock", "sidecar", "php-cgi", "lighttpd")
        found: dict[str, int] = {}
        for child in pids:
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            found |= {name: child for name in names if any(Path(word).name == name for word in words)}
        return found

    def end(self, number: signal.Signals) -> int:
        os.kill(self.process.pid, number)
        return self.status()

    def status(self) -> int:
        poll("lightgate dev ends", lambda: not self.process.running)
        return self.process.stop()

    def left_behind(self) -> list[str]:
        return [str(path) for path in (self.runtime / "lightgate").glob("*")]


Start = Callable[..., Dev]


@pytest.fixture
def dev() -> Iterator[Start]:
    """Starts sessions and ends what a failing test has left of them."""
    with ExitStack() as stack:

        def start(policy: str, *options: str, files: Path | None = None) -> Dev:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lg", dir="/tmp")))
            if files is not None:
                shutil.copytree(files, directory / "public")
            session = Dev(directory, policy, *(options or ("--port", "0")))
            stack.callback(session.process.stop)
            stack.callback(end_gently, session)
            return session

        yield start


def end_gently(session: Dev) -> None:
    if session.process.running:
        session.end(signal.SIGTERM)


def running_in_groups(pids: Iterable[int]) -> list[str]:
    """What still runs of these processes and of all that they started, such as PHP workers."""
    groups = set(map(str, pids))
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, group = rest.split()[:3]
        if group in groups and state != "Z":
            found.append(name)
    return found


def without_times(lines: list[str]) -> list[str]:
    return [re.sub(r"\d+ µs$", "N µs", line) for line in lines]


def test_the_quickstart(dev: Start) -> None:
    policy = (QUICKSTART / "lightgate.toml").read_text()
    session = dev(policy, "--port", "0", "--idp", files=QUICKSTART / "public").ready()
    introduction = session.output()
    url = f"http://127.0.0.1:{session.port}"
    provider = session.match(r"http://localhost:\d+")[0]
    assert (
        f"auth `corp` trusts the development provider {provider} "
        "instead of https://login.example.org/realms/corp\n"
    ) in introduction
    command = f"{Path(sys.executable).name} -m luagen"
    bearer = f'-H "Authorization: Bearer $({command} token --sub alice'
    assert introduction.partition("try:\n")[2].splitlines() == [
        f"  curl -i {url}/  # no token",
        f"  curl -i {url}/members/  # 401: no token",
        f'  curl -i {bearer})" {url}/members/  # 200: a caller who may',
        f'  curl -i {bearer})" {url}/members/admin/  # 403: not `admin`',
        f'  curl -i {bearer} --role admin)" {url}/members/admin/  # 200: a caller who may',
        f"edit {session.policy} while this runs: it is compiled when saved; Ctrl-C ends",
    ]

    nobody = session.token("--sub", "alice")
    admin = session.token("--sub", "alice", "--role", "admin", "--role", "dev")
    answers = [
        session.get("/?access_token=secret"),
        session.get("/members/"),
        session.get("/members/", [("Authorization", f"Bearer {nobody}")]),
        session.get("/members/admin/", [("Authorization", f"Bearer {nobody}")]),
        session.get("/members/admin/", [("Authorization", f"Bearer {admin}")]),
        session.get("/members/", [("Authorization", f"Bearer {admin}"), ("X-User", "mallory")]),
        session.get("/members"),
        session.get("/.git/config"),
        session.get("/members/", [("Authorization", f"Bearer {nobody[:-4]}AAAA")]),
    ]
    assert [answer.status for answer in answers] == [200, 401, 200, 403, 200, 200, 308, 404, 401]
    rows = re.findall(r"<th>(.*)</th><td>(.*)</td>", answers[5].body.decode())
    assert rows == [
        ("REMOTE_USER", "alice"),
        ("X-User", "alice"),
        ("X-Roles", "admin,dev"),
        ("LIGHTGATE_ROLES", "admin,dev"),
    ]
    session.wait_for("401  refuse")  # the last, and what the sidecar says about it
    session.wait_for("reason=")
    lines = without_times(session.output().removeprefix(introduction).splitlines())
    assert [line for line in lines if "→" in line] == [
        "GET / → 200  pass  default  -  lua  N µs",
        "GET /members/ → 401  challenge  members sign in  -  lua  N µs",
        "GET /members/ → 200  pass  members sign in  alice  sidecar  N µs",
        "GET /members/admin/ → 403  forbid  administrators only  alice  cache  N µs",
        "GET /members/admin/ → 200  pass  administrators only  alice  sidecar  N µs",
        "GET /members/ → 200  pass  members sign in  alice  cache  N µs",
        "GET /members → 308  redirect  the old address moved  -  lua  N µs",
        "GET /.git/config → 404  respond  no dotfiles  -  lua  N µs",
        "GET /members/ → 401  refuse  members sign in  -  sidecar  N µs",
    ]
    assert not any(secret in session.output() for secret in (nobody, admin, "access_token", "secret"))


def test_a_broken_edit_changes_nothing_and_a_good_one_is_in_force(dev: Start) -> None:
    session = dev(OPEN).ready()
    before = session.match(r"release ([0-9a-f]{20}) of ")[1]
    assert session.get("/page").status == 404  # through lightgate, to a site without files

    session.edit("default = 3\n")
    session.wait_for(f"not compiled: release {before} stays in force")
    assert f"  --> {session.policy}:1:11" in session.output() or "error[" in session.output()
    assert session.get("/page").status == 404

    session.edit(CLOSED)
    session.wait_for(" is in force, 0 rules")
    assert session.match(r"compiled: release ([0-9a-f]{20}) is in force")[1] != before
    assert session.get("/page").status == 403

    session.edit(CLOSED + "\n")
    session.wait_for("compiled: ")
    session.edit(OPEN)
    poll("the first policy is in force again", lambda: session.get("/page").status == 404)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(dev: Start, number: signal.Signals) -> None:
    policy = (QUICKSTART / "lightgate.toml").read_text()
    session = dev(policy, "--port", "0", "--idp").ready()
    children = session.children()
    assert set(children) == {"oidc_provider_mock", "sidecar", "php-cgi", "lighttpd"}
    assert session.end(number) == 0
    assert session.output().endswith("\nended\n")
    assert running_in_groups(children.values()) == []
    assert session.left_behind() == []
    assert not accepts(session.port)


@pytest.mark.parametrize("name", ["sidecar", "php-cgi", "lighttpd"])
def test_a_process_that_dies_ends_the_session(dev: Start, name: str) -> None:
    session = dev(OPEN).ready()
    children = session.children()
    os.kill(children[name], signal.SIGKILL)
    assert session.status() == 1
    assert f"\nerror: {name} was ended by signal 9" in session.output()
    assert running_in_groups(children.values()) == []
    assert session.left_behind() == []


def test_files_scripts_and_php_of_a_root(dev: Start, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>page")
    for path, mode in (("run.cgi", 0o755), ("plain.cgi", 0o644)):
        (tmp_path / path).write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nran'\n")
        (tmp_path / path).chmod(mode)
    (tmp_path / "index.php").write_text("<?php echo 1 + 1;")
    session = dev(OPEN, "--port", "0", "--root", str(tmp_path)).ready()
    assert f"serving {tmp_path} at " in session.output()
    answers = {path: session.get(path) for path in ("/page.html", "/run.cgi", "/plain.cgi", "/")}
    assert {path: (answer.status, answer.body) for path, answer in answers.items()} == {
        "/page.html": (200, b"<p>page"),
        "/run.cgi": (200, b"ran"),
        "/plain.cgi": (403, answers["/plain.cgi"].body),
        "/": (200, b"2"),
    }
    assert b"printf" not in answers["/plain.cgi"].body  # a script is never served as text


def test_an_upstream(dev: Start, http_origin: int) -> None:
    policy = OPEN + (
        '[[rule]]\nname = "no"\nwhen = \'request.path.startswith("/private/")\'\nrespond = { status = 403 }\n'
    )
    session = dev(policy, "--port", "0", "--upstream", f"http://127.0.0.1:{http_origin}").ready()
    assert f"serving http://127.0.0.1:{http_origin} at " in session.output()
    passed = session.get("/public/x?y=1")
    assert (passed.status, b'"target": "/public/x?y=1"' in passed.body) == (200, True)
    refused = session.get("/private/x")
    assert (refused.status, b"target" in refused.body) == (403, False)


def test_origins_of_an_edited_policy(dev: Start, http_origin: int) -> None:
    """lighttpd reads them when it starts, so it has to be told."""
    session = dev(OPEN).ready()
    origin = f'[origin.app]\nurl = "http://127.0.0.1:{http_origin}"\n'
    session.edit(OPEN + origin + '[[rule]]\nname = "app"\norigin = "app"\n')
    session.wait_for(" is in force, 1 rule")

    def answers() -> bool:
        try:
            return session.get("/x?y=1").status == 200
        except OSError:  # between two configurations
            return False

    poll("the application answers", answers)
    assert b'"target": "/x?y=1"' in session.get("/x?y=1").body


def test_a_policy_with_mistakes_starts_nothing(dev: Start) -> None:
    session = dev("default = 3\n")
    assert session.status() == 1
    assert session.output().startswith("error[")
    assert session.left_behind() == []


def test_a_port_that_is_taken(dev: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        session = dev(OPEN, "--port", str(port))
        assert session.status() == 1
        assert session.output() == (
            f"error: port {port} is in use\n"
            f"  = help: --port 0 takes any free one; `ss -ltnp sport = :{port}` shows by whom\n"
        )


def test_a_port_that_is_free(dev: Start) -> None:
    port = free_port()
    assert dev(OPEN, "--port", str(port)).ready().port == port


def test_two_sessions_side_by_side(dev: Start) -> None:
    first, second = dev(OPEN).ready(), dev(CLOSED).ready()
    assert (first.get("/page").status, second.get("/page").status) == (404, 403)


def test_a_policy_that_fails_its_own_tests_is_served(dev: Start) -> None:
    test = '\n[[test]]\nname = "root"\nrequest = { url = "/" }\nexpect = { status = 410 }\n'
    session = dev('default = "deny"\n' + test).ready()
    session.wait_for('error: the policy fails its own test "root"')
    assert session.get("/").status == 403
    session.edit('default = "pass"\n' + test.replace("410", "200"))
    session.wait_for("compiled: release")
    assert session.output().count("fails its own test") == 1
