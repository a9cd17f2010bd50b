"""`lightgate credential`: what it stores and refuses, and that a secret is in its file and nowhere else."""

from __future__ import annotations

import os
import pty
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luagen.failure import Failure
from luagen.host.credentials import check_name, without_line_end
from tests.host.site import Site, with_issuer
from tests.system.processes import REPOSITORY, poll
from tests.system.tokens import ISSUER, claims, hs256
from tests.system.wire import bearer, request

SECRET = "correct-horse-battery-staple-0123456789"
OTHER = "another-secret-that-is-long-enough-98765"

# Stands for systemd-creds: says that there is a TPM, notes everything that it can know about how it was
# called, and turns its input round.
SYSTEMD_CREDS = """\
#!/bin/sh
if [ "$1" = has-tpm2 ]; then exit 0; fi
tr '\\0' ' ' < /proc/$$/cmdline >> {seen}
tr '\\0' ' ' < /proc/$$/environ >> {seen}
tr '\\0' ' ' < /proc/$PPID/cmdline >> {seen}
tr '\\0' ' ' < /proc/$PPID/environ >> {seen}
if [ -e {broken} ]; then cat >&2; exit 1; fi
rev
"""


class Credentials:
    """A site with both directories, and a systemd-creds that can be put on the PATH."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.plain = site.directory / "credentials"
        self.sealed = site.directory / "credentials.encrypted"
        self.seen = site.directory / "seen"
        self.broken = site.directory / "broken"
        self._bin = site.directory / "bin"
        self._bin.mkdir()
        self.path = "/usr/bin:/bin"
        site.configure(sealed_credentials_directory=str(self.sealed))
        self.no_systemd_creds()

    def no_systemd_creds(self) -> None:
        """A PATH with only what the tests need, so that this machine's systemd-creds is not asked."""
        for name in ("sh", "kill", "cat", "tr", "rev"):
            for place in ("/bin", "/usr/bin"):
                if (Path(place) / name).exists() and not (self._bin / name).exists():
                    (self._bin / name).symlink_to(Path(place) / name)
        self.path = str(self._bin)

    def with_systemd_creds(self) -> None:
        program = self._bin / "systemd-creds"
        program.write_text(SYSTEMD_CREDS.format(seen=self.seen, broken=self.broken))
        program.chmod(0o755)

    def run(self, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
        done = self.site.run("credential", *arguments, stdin=stdin, PATH=self.path)
        return done.status, done.out, done.err

    def everything_but(self, *files: Path) -> str:
        """The content of all files below the site's directory."""
        return "".join(
            path.read_text("utf-8", "replace")
            for path in sorted(self.site.directory.rglob("*"))
            if path.is_file() and not path.is_symlink() and path not in files
        )


@pytest.fixture
def credentials(site: Site) -> Credentials:
    return Credentials(site)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- set ---------------------------------------------------------------------------------------------


def test_set_plain(credentials: Credentials) -> None:
    path = credentials.plain / "partner"
    assert credentials.run("set", "partner", stdin=SECRET + "\n") == (0, f"stored `partner` in {path}\n", "")
    assert path.read_text() == SECRET
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    audit = credentials.site.audit()
    assert [(line["event"], line["name"], line["kept"]) for line in audit] == [
        ("credential-set", "partner", "plain")
    ]


def test_set_sealed(credentials: Credentials) -> None:
    credentials.with_systemd_creds()
    status, out, err = credentials.run("set", "partner", stdin=SECRET)
    path = credentials.sealed / "partner"
    assert (status, err) == (0, "")
    assert out == f"stored `partner`, encrypted for this machine, in {path}\n"
    assert path.read_text() == SECRET[::-1]
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert list(credentials.plain.iterdir()) == []
    # systemd refuses a credential under another name than it was encrypted for.
    assert "encrypt --name=lightgate-sealed_partner - -" in credentials.seen.read_text()


def test_plain_is_never_sealed(credentials: Credentials) -> None:
    credentials.with_systemd_creds()
    assert credentials.run("set", "partner", "--plain", stdin=SECRET)[0] == 0
    assert (credentials.plain / "partner").read_text() == SECRET
    assert not credentials.seen.exists()


@pytest.mark.parametrize(
    ("given", "stored"),
    [(b"a b\n", b"a b"), (b"a\r\n", b"a"), (b"a\n\n", b"a\n"), (b"a", b"a"), (b"\0\xff\r", b"\0\xff\r")],
)
def test_one_line_end_is_not_part_of_it(credentials: Credentials, given: bytes, stored: bytes) -> None:
    done = subprocess.run(
        credentials.site.command("credential", "set", "x"),
        input=given,
        capture_output=True,
        timeout=60,
        check=True,
        cwd=REPOSITORY,
        env=credentials.site.environment(PATH=credentials.path),
    )
    assert (credentials.plain / "x").read_bytes() == stored
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (b"", "the secret is empty"),
        (b"\n", "the secret is empty"),
        (b"\r\n", "the secret is empty"),
        (b"x" * 65_537, "the secret is longer than 65536 bytes"),
        (b"x" * 65_537 + b"\n", "the secret is longer than 65536 bytes"),
    ],
)
def test_secrets_of_no_size_or_too_much(secret: bytes, said: str) -> None:
    with pytest.raises(Failure) as caught:
        without_line_end(secret)
    assert (caught.value.message, caught.value.help) == (said, "nothing was stored")


def test_more_than_fits_is_not_cut(credentials: Credentials) -> None:
    assert credentials.run("set", "x", stdin="x" * 200_000)[0] == 1
    assert list(credentials.plain.iterdir()) == []


def test_the_longest_secret(credentials: Credentials) -> None:
    assert credentials.run("set", "x", stdin="x" * 65_536 + "\r\n")[0] == 0
    assert (credentials.plain / "x").stat().st_size == 65_536


@pytest.mark.parametrize("name", ["", "9a", "A", "a_b", "../a", "a/b", "a" * 65, ".a", "a\n"])
def test_names_that_no_policy_has(name: str) -> None:
    with pytest.raises(Failure, match="this cannot be the name of a credential"):
        check_name(name)


@pytest.mark.parametrize("command", ["set", "rotate"])
def test_a_secret_in_the_place_of_the_name_is_not_repeated(credentials: Credentials, command: str) -> None:
    status, out, err = credentials.run(command, SECRET + "!", stdin="x")
    assert (status, out) == (1, "")
    assert err.startswith("error: this cannot be the name of a credential\n  = help: ")
    assert SECRET not in err
    assert list(credentials.plain.iterdir()) == []


@pytest.mark.parametrize("sealed", [False, True])
def test_set_never_replaces(credentials: Credentials, sealed: bool) -> None:
    assert credentials.run("set", "x", stdin=SECRET)[0] == 0
    if sealed:  # now it would go to the other directory
        credentials.with_systemd_creds()
    status, out, err = credentials.run("set", "x", stdin=OTHER)
    assert (status, out) == (1, "")
    assert err == (
        "error: there is a credential `x` already\n"
        "  = help: to give it another secret: lightgate credential rotate x\n"
    )
    assert (credentials.plain / "x").read_text() == SECRET
    assert not (credentials.sealed / "x").exists()


def test_set_mends_modes_and_clears_up_after_a_killed_command(credentials: Credentials) -> None:
    credentials.plain.chmod(0o755)
    left_over = credentials.plain / ".x.abcdefgh"
    left_over.write_text(SECRET)
    theirs = credentials.plain / ".keep"
    theirs.touch()
    assert credentials.run("set", "x", stdin=OTHER)[0] == 0
    assert mode(credentials.plain) == 0o700
    assert sorted(path.name for path in credentials.plain.iterdir()) == [".keep", "x"]


def test_set_says_when_the_policy_waits_for_it(credentials: Credentials) -> None:
    site = credentials.site
    site.credential("partner", SECRET)
    assert site.deploy(with_issuer("https://login.example.org", secret="partner"), "--offline").status == 0
    (credentials.plain / "partner").unlink()
    status, out, _ = credentials.run("set", "partner", stdin=SECRET)
    assert status == 0
    assert "the policy in force names it; the sidecar reads it at its next start: /bin/sh" in out


# --- rotate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [False, True])
def test_rotate_replaces_and_restarts(credentials: Credentials, sealed: bool) -> None:
    if sealed:
        credentials.with_systemd_creds()
    assert credentials.run("set", "x", stdin=SECRET)[0] == 0
    assert credentials.site.told() == []
    status, out, err = credentials.run("rotate", "x", stdin=OTHER + "\n")
    assert (status, err) == (0, "")
    assert out.endswith("restarted the sidecar: it has the new secret, and no request was lost\n")
    assert credentials.site.told() == ["restart sidecar"]
    path = (credentials.sealed if sealed else credentials.plain) / "x"
    assert path.read_text() == (OTHER[::-1] if sealed else OTHER)
    assert mode(path) == 0o600
    assert [line["event"] for line in credentials.site.audit()] == ["credential-set", "credential-rotate"]


def test_rotate_keeps_it_where_it_is(credentials: Credentials) -> None:
    assert credentials.run("set", "x", stdin=SECRET)[0] == 0
    credentials.with_systemd_creds()
    assert credentials.run("rotate", "x", stdin=OTHER)[0] == 0
    assert (credentials.plain / "x").read_text() == OTHER
    assert not (credentials.sealed / "x").exists()


def test_rotate_what_is_not_there(credentials: Credentials) -> None:
    assert credentials.run("rotate", "x", stdin=SECRET) == (
        1,
        "",
        "error: there is no credential `x`\n  = help: lightgate credential set x\n",
    )
    assert credentials.site.told() == []


def test_rotate_what_is_there_twice(credentials: Credentials) -> None:
    assert credentials.run("set", "x", stdin=SECRET)[0] == 0
    credentials.sealed.joinpath("x").write_text("sealed")
    status, _, err = credentials.run("rotate", "x", stdin=OTHER)
    assert status == 1
    assert err.startswith("error: there are two credentials `x`\n  = help: remove one: rm ")
    assert (credentials.plain / "x").read_text() == SECRET


def test_rotate_when_the_restart_fails(credentials: Credentials) -> None:
    assert credentials.run("set", "x", stdin=SECRET)[0] == 0
    sealed = str(credentials.sealed)
    credentials.site.configure(
        sealed_credentials_directory=sealed, restart_sidecar=["/bin/sh", "-c", "echo broken; exit 3"]
    )
    status, _, err = credentials.run("rotate", "x", stdin=OTHER)
    assert status == 1
    assert "broken; the new secret is stored, and the old one is no longer accepted: callers who " in err
    assert "a 5xx until the sidecar runs\n  = help: `journalctl -u lightgate` says why; " in err
    assert (credentials.plain / "x").read_text() == OTHER
    assert credentials.site.audit()[-1]["event"] == "credential-rotate"


def test_rotate_when_the_audit_log_cannot_be_written(credentials: Credentials) -> None:
    """The old secret may have leaked: what matters first is that it is no longer taken."""
    credentials.site.audit_log.mkdir(parents=True)
    warning = f"warning: cannot write the audit log `{credentials.site.audit_log}`: is a directory\n"
    assert credentials.run("set", "x", stdin=SECRET)[::2] == (0, warning)
    status, out, err = credentials.run("rotate", "x", stdin=OTHER)
    assert (status, err) == (0, warning)
    assert out.endswith("restarted the sidecar: it has the new secret, and no request was lost\n")
    assert credentials.site.told() == ["restart sidecar"]
    assert (credentials.plain / "x").read_text() == OTHER


def test_rotate_without_a_service_says_so(credentials: Credentials) -> None:
    assert credentials.run("set", "x", stdin=SECRET)[0] == 0
    credentials.site.configure(sealed_credentials_directory=str(credentials.sealed), restart_sidecar=[])
    status, out, _ = credentials.run("rotate", "x", stdin=OTHER)
    assert status == 0
    assert out.endswith(
        "no sidecar of this host was told; restart yours, which takes the old secret until then\n"
    )


def deployed(credentials: Credentials, name: str = "partner", algorithms: str = '"HS256"') -> Site:
    """Puts a policy in force that names this shared secret; nothing runs."""
    site = credentials.site
    site.credential(name, SECRET)
    policy = with_issuer("https://login.example.org", secret=name).replace('"HS256"', algorithms)
    assert site.deploy(policy, "--offline").status == 0
    return site


@pytest.mark.parametrize(
    ("algorithms", "length", "said"),
    [
        ('"HS256"', 31, "has 31 bytes, and HS256 takes at least 32"),
        ('"HS256"', 32, None),
        ('"HS384"', 47, "has 47 bytes, and HS384 takes at least 48"),
        ('"HS384"', 48, None),
        ('"HS256", "HS512"', 63, "has 63 bytes, and HS512 takes at least 64"),
        ('"HS256", "HS512"', 64, None),
    ],
)
def test_a_shared_secret_has_the_length_that_its_algorithm_takes(
    credentials: Credentials, algorithms: str, length: int, said: str | None
) -> None:
    deployed(credentials, algorithms=algorithms)
    path = credentials.plain / "partner"
    for command in ("rotate", "set"):
        if command == "set":
            path.unlink()
        before = path.read_text() if path.exists() else None
        status, _, err = credentials.run(command, "partner", stdin="x" * length + "\n")
        if said is None:
            assert (status, err, path.read_text()) == (0, "", "x" * length)
        else:
            assert (status, err.startswith(f"error: the secret `partner` {said}\n  = help: ")) == (1, True)
            assert (path.read_text() if path.exists() else None) == before
    assert credentials.run("set", "other", stdin="x")[0] == 0  # no shared secret


def test_rotate_takes_the_old_secret_from_lua(credentials: Credentials) -> None:
    site = deployed(credentials)
    published = site.directory / "run" / "secrets" / "partner"
    epoch = site.directory / "run" / "epoch"
    published.write_text(SECRET)
    epoch.touch()
    os.utime(epoch, (0, 0))
    assert credentials.run("rotate", "partner", stdin=OTHER)[0] == 0
    assert not published.exists()
    assert epoch.stat().st_mtime > 0


def test_no_link_is_followed_where_secrets_are_published(credentials: Credentials) -> None:
    """The sidecar's user owns the directory around."""
    site = deployed(credentials)
    elsewhere = site.directory / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "partner").touch()
    (site.directory / "run" / "secrets").rmdir()
    (site.directory / "run" / "secrets").symlink_to(elsewhere)
    assert credentials.run("rotate", "partner", stdin=OTHER)[0] == 0  # the restart sees to it
    assert (elsewhere / "partner").exists()
    assert site.told() == ["restart sidecar"]


@pytest.mark.system
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_leaked_secret_ends_though_the_sidecar_does_not_come_back(site: Site, comes_back: bool) -> None:
    """As systemd restarts: the old process ends, the new one starts or fails."""
    site.credential("partner", SECRET)
    site.deploy(with_issuer(ISSUER, secret="partner"), "--offline")
    site.start()
    assert site.sidecar is not None
    (site.directory / "htdocs" / "members" / "page.txt").write_text("members\n")
    published = site.directory / "run" / "secrets" / "partner"
    poll("the secret is published", published.exists)
    leaked = [bearer(hs256(SECRET.encode(), claims()))]

    def status() -> int:
        return request(site.port, "/members/page.txt", leaked).status

    poll("the secret is good", lambda: status() == 200)
    if comes_back:
        stop = "kill $0; while kill -0 $0 2>/dev/null && ! grep -q zombie /proc/$0/status; do sleep 0.1; done"
        command = ["/bin/sh", "-c", f"{stop}; exit 0", str(site.sidecar.pid)]
    else:
        command = ["/bin/sh", "-c", "kill -9 $0; echo no such credential; exit 1", str(site.sidecar.pid)]
    site.configure(restart_sidecar=command)
    done = site.run("credential", "rotate", "partner", stdin=OTHER)
    if comes_back:
        assert (done.status, done.err) == (0, "")
        site.start_sidecar()
        poll("the old secret is refused", lambda: status() == 401, 5)
        return
    assert done.status == 1
    assert "no such credential; the new secret is stored, and the old one is no longer accepted" in done.err
    poll("the old secret is not accepted any more", lambda: status() >= 500, 5)
    for _ in range(20):
        assert status() >= 500
    site.configure()
    site.start_sidecar()
    poll("the old secret is refused", lambda: status() == 401, 5)
    good = [bearer(hs256(OTHER.encode(), claims()))]
    poll("the new one is good", lambda: request(site.port, "/members/page.txt", good).status == 200, 5)


@pytest.mark.system
def test_a_sidecar_that_still_runs_is_said_to(site: Site) -> None:
    site.credential("partner", SECRET)
    site.deploy(with_issuer(ISSUER, secret="partner"), "--offline")
    site.start_sidecar()
    poll("it answers", (site.directory / "run" / "http.sock").exists)
    site.configure(restart_sidecar=["/bin/sh", "-c", "echo no bus; exit 1"])
    done = site.run("credential", "rotate", "partner", stdin=OTHER)
    assert done.status == 1
    assert (
        "no bus; the new secret is stored, but a sidecar still runs, and goes on with the old one" in done.err
    )
    assert "stop it at once" in done.err


# --- remove ------------------------------------------------------------------------------------------


def test_remove(credentials: Credentials) -> None:
    site = credentials.site
    assert credentials.run("set", "x", stdin=SECRET)[0] == 0
    (site.directory / "run" / "secrets" / "x").write_text(SECRET)
    status, out, err = credentials.run("remove", "x")
    assert (status, err) == (0, "")
    removed, memory = out.splitlines()
    assert removed == f"removed {credentials.plain / 'x'}"
    assert memory.startswith("a sidecar that has read it holds it in memory until it restarts: /bin/sh")
    assert list(credentials.plain.iterdir()) == []
    assert not (site.directory / "run" / "secrets" / "x").exists()
    assert site.told() == []
    line = site.audit()[-1]
    assert (line["event"], line["name"], line["kept"]) == ("credential-remove", "x", "plain")


def test_remove_refuses_what_is_in_use(credentials: Credentials) -> None:
    site = deployed(credentials)
    path = credentials.plain / "partner"
    status, out, err = credentials.run("remove", "partner")
    assert (status, out) == (1, "")
    assert err.startswith(
        "error: the release in force names `partner`: the sidecar does not start without it\n"
    )
    assert path.exists()
    published = site.directory / "run" / "secrets" / "partner"
    published.write_text(SECRET)
    status, out, err = credentials.run("remove", "partner", "--force")
    assert (status, err) == (0, "")
    assert out == f"removed {path}\nrestarted the sidecar, which held it in memory\n"
    assert (path.exists(), published.exists()) == (False, False)
    assert site.told() == ["restart sidecar"]


def test_remove_what_is_there_twice_and_not_at_all(credentials: Credentials) -> None:
    assert credentials.run("set", "x", stdin=SECRET)[0] == 0
    (credentials.sealed / "x").write_text("sealed")
    assert credentials.run("remove", "x")[0] == 0
    assert [*credentials.plain.iterdir(), *credentials.sealed.iterdir()] == []
    status, _, err = credentials.run("remove", "x")
    assert (status, err.splitlines()[0]) == (1, "error: there is no credential `x`")


# --- list --------------------------------------------------------------------------------------------


def test_list(credentials: Credentials) -> None:
    site = credentials.site
    site.credential("partner", SECRET)
    assert site.deploy(with_issuer("https://login.example.org", secret="partner"), "--offline").status == 0
    credentials.with_systemd_creds()
    assert credentials.run("set", "spare", stdin=OTHER)[0] == 0
    status, _, err = credentials.run("list", "--json")
    assert (status, err) == (0, "")
    (credentials.plain / "README").write_text("no credential")
    report = site.run("credential", "list", "--json").json()
    assert [
        (one["name"], one["file"], one["sealed"], one["bytes"], one["used"]) for one in report["credentials"]
    ] == [
        ("partner", str(credentials.plain / "partner"), False, len(SECRET), True),
        ("spare", str(credentials.sealed / "spare"), True, len(OTHER), False),
    ]
    assert (report["ok"], report["missing"], report["twice"]) == (True, [], [])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", report["credentials"][0]["modified"])
    text = credentials.run("list")[1].splitlines()
    assert [line.split()[0] for line in text] == ["name", "partner", "spare"]
    assert "names it" in text[1] and "not in the release in force" in text[2] and "encrypted" in text[2]


def test_list_names_what_is_missing_and_what_is_there_twice(credentials: Credentials) -> None:
    site = credentials.site
    site.credential("partner", SECRET)
    assert site.deploy(with_issuer("https://login.example.org", secret="partner"), "--offline").status == 0
    (credentials.plain / "partner").rename(credentials.plain / "other")
    credentials.sealed.mkdir()
    (credentials.sealed / "other").write_text("sealed")
    status, _, err = credentials.run("list")
    assert status == 1
    assert "names `partner`, which is not there\n  = help: lightgate credential set partner\n" in err
    assert "`other` is there twice" in err
    report = site.run("credential", "list", "--json")
    assert report.status == 1
    assert (report.json()["missing"], report.json()["twice"]) == (["partner"], ["other"])


def test_list_of_nothing(credentials: Credentials) -> None:
    assert credentials.run("list") == (0, "no credentials\n", "")


# --- nowhere else ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [False, True])
def test_the_secret_is_in_its_file_and_nowhere_else(credentials: Credentials, sealed: bool) -> None:
    if sealed:
        credentials.with_systemd_creds()
    said = "".join(
        text
        for arguments, stdin in (
            (("set", "x"), SECRET),
            (("set", "x"), SECRET),
            (("rotate", "x"), OTHER),
            (("list",), None),
            (("list", "--json"), None),
        )
        for text in credentials.run(*arguments, stdin=stdin)[1:]
    )
    target = (credentials.sealed if sealed else credentials.plain) / "x"
    everything = said + credentials.everything_but(target)
    assert "credential-rotate" in everything
    for secret in (SECRET, OTHER):
        assert secret not in everything
        assert secret[::-1] not in everything


def test_a_systemd_creds_that_repeats_its_input_is_not_quoted(credentials: Credentials) -> None:
    credentials.with_systemd_creds()
    credentials.broken.touch()
    assert credentials.run("set", "x", stdin=SECRET) == (
        1,
        "",
        "error: `systemd-creds encrypt` ends with 1\n  = help: --plain stores it in a file of mode 0600\n",
    )
    assert SECRET not in credentials.everything_but()
    assert list(credentials.sealed.iterdir()) == []


def test_nobody_sees_it_while_it_is_stored(credentials: Credentials) -> None:
    """No arguments, no environment, no core dump."""
    command = credentials.site.command("credential", "set", "x")
    environment = credentials.site.environment(PATH=credentials.path)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, env=environment
    ) as process:
        assert process.stdin is not None
        process.stdin.write(SECRET.encode())
        process.stdin.flush()
        proc = Path("/proc") / str(process.pid)

        def dumps() -> bool:
            return re.search(r"Max core file size +0 +0 ", (proc / "limits").read_text()) is not None

        try:
            poll("core dumps are off before the secret is complete", dumps)
            assert SECRET.encode() not in (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        finally:
            process.stdin.close()
        assert process.wait(30) == 0
    assert (credentials.plain / "x").read_text() == SECRET


def test_the_process_is_not_dumpable() -> None:
    code = (
        "import ctypes; from luagen.host.private_memory import keep_private; keep_private();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True, cwd=REPOSITORY
    )
    assert done.stdout == "0\n"


def test_typed_on_a_terminal_it_is_not_shown(credentials: Credentials) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        command = credentials.site.command("credential", "set", "x")
        os.execve(command[0], command, credentials.site.environment(PATH=credentials.path))
    said = b""
    try:
        for prompt in (b"Secret: ", b"The same again: "):
            deadline = time.monotonic() + 30
            while not said.endswith(prompt):
                assert time.monotonic() < deadline
                said += os.read(terminal, 1024)
            os.write(terminal, SECRET.encode() + b"\n")
        while True:
            try:
                said += os.read(terminal, 1024)
            except OSError:  # the other side is closed
                break
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        os.close(terminal)
    assert SECRET.encode() not in said
    assert (credentials.plain / "x").read_text() == SECRET
