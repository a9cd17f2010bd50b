"""Lets the installed lighttpd run a release's Lua where nobody sees it: on a socket of its own.

`lighttpd -tt` does not open scripts; one that does not compile would be a 500 for every request.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import re
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

from luagen import lighttpd_host, resources, skeleton
from luagen.artifacts import ConfText
from luagen.dev import children, ports
from luagen.failure import Failure
from luagen.host import file_errors
from luagen.host.http_get import get
from luagen.lighttpd_host import Lighttpd

_ANSWER_S = 20.0  # 10,000 rules take Lua a second on a small machine
_RUN_S = 120  # an end even when this process is killed

# A file below the reserved prefix: served when Lua does not run.
_RESERVED = "/.lightgate/rehearsal"
_ORDINARY = "/lightgate-rehearsal"

_MESSAGE = re.compile(r"\(mod_magnet\.c\.\d+\) (?!\(lua-print\))(?P<text>.*)")


def rehearse(lighttpd: Lighttpd, files: Mapping[str, bytes], user: str) -> None:
    """Asks a lighttpd that runs `request.lua` and `response.lua` of `files` for two paths.

    As root, lighttpd becomes `user`. Raises Failure with what Lua or lighttpd say against it.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="lightgate-") as name:
            directory = Path(name)
            account = _account(user)
            _prepare(directory, files, account)
            configuration = directory / "lighttpd.conf"
            configuration.write_text(_configuration(directory, account))
            lighttpd_host.check_configuration(lighttpd, configuration)
            asyncio.run(_run(lighttpd, configuration, directory / "socket"))
    except OSError as error:
        raise file_errors.failure(error, "rehearse the release") from error


def _account(user: str) -> pwd.struct_passwd | None:
    """Who lighttpd becomes; None when it stays who it is."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise Failure(f"there is no user `{user}`", "set `lighttpd_user` in the host file") from None


def _prepare(directory: Path, files: Mapping[str, bytes], account: pwd.struct_passwd | None) -> None:
    for name in ("request.lua", "response.lua"):
        (directory / name).write_bytes(files[name])
        (directory / name).chmod(0o644)
    trap = directory / "root" / _RESERVED.lstrip("/")
    trap.parent.mkdir(parents=True)
    trap.write_text("Lua did not run\n")
    for path in (directory / "root", trap.parent):
        path.chmod(0o755)
    trap.chmod(0o644)
    (directory / "uploads").mkdir(mode=0o700)
    # The one place that is the account's: all else lighttpd reads as root, before it becomes the account.
    if account is not None:
        os.chown(directory / "uploads", account.pw_uid, account.pw_gid)
    directory.chmod(0o755)


def _configuration(directory: Path, account: pwd.struct_passwd | None) -> str:
    group = None if account is None else account.pw_gid
    return skeleton.render(
        resources.lighttpd_directory() / "conf" / "rehearsal.conf.j2",
        ConfText,
        directory=ConfText(str(directory)),
        user=None if account is None else ConfText(account.pw_name),
        group=None if group is None else ConfText(grp.getgrgid(group).gr_name),
    )


async def _run(lighttpd: Lighttpd, configuration: Path, socket: Path) -> None:
    lines: list[str] = []
    command = lighttpd_host.command(lighttpd, configuration)
    if timeout := shutil.which("timeout"):
        command = [timeout, str(_RUN_S), *command]
    server = await children.start("lighttpd", command, dict(os.environ), lines.append)
    try:
        await ports.wait_until(server, lambda: ports.accepts(socket))
        reserved = await _status(socket, _RESERVED)
        await _status(socket, _ORDINARY)
        # What Lua said is all there when lighttpd has ended.
        server.signal(signal.SIGTERM)
        await asyncio.wait([server.ended], timeout=children.STOP_TIMEOUT_S)
    finally:
        await server.stop()
    errors = [found["text"] for line in lines if (found := _MESSAGE.search(line))]
    if errors:
        raise Failure(
            f"Lua fails inside lighttpd {lighttpd.version_text}: {errors[0]}",
            "this is a bug of lightgate: report it with the policy that brings it about",
        )
    if reserved != 404:
        raise Failure(f"the release's Lua does not guard `/.lightgate/` in lighttpd {lighttpd.version_text}")


async def _status(socket: Path, path: str) -> int | None:
    """The status of the answer; None when the connection ends without one."""
    try:
        return (await get(f"http://localhost{path}", socket=socket, timeout_s=_ANSWER_S)).status
    except OSError:
        return None
