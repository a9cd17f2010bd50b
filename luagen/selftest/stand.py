"""One lighttpd under test: a directory, a generated release, a protected file, and no sidecar of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from luagen import compile_policy, lighttpd_host, resources, skeleton
from luagen.artifacts import ConfText
from luagen.deployment import Deployment
from luagen.dev import children, ports
from luagen.lighttpd_host import Lighttpd
from luagen.release import activate, write_release

PATH = "/protected/page.txt"
CONTENT = b"lightgate selftest: nobody may see this without an honest allow\n"

READ_TIMEOUT_S = 2  # lighttpd acts on it up to two seconds later

POLICY = """\
default = "deny"

[auth.selftest]
issuer   = "https://selftest.invalid"
audience = ["selftest"]

[[rule]]
name    = "protected"
when    = 'request.path.startswith("/protected/")'
require = { auth = "selftest" }
"""


@dataclass(frozen=True, slots=True)
class Stand:
    """A running lighttpd."""

    port: int
    authorizer_socket: Path
    server: children.Child


def token(now_s: int) -> str:
    """A bearer token that Lua cannot judge: well-formed, for the right audience, not expired, its signature
    anybody's guess.

    Whatever the authorizer says about it decides, which is what is tested.
    """
    header = {"alg": "RS256", "typ": "JWT", "kid": "selftest"}
    claims = {
        "iss": "https://selftest.invalid",
        "aud": "selftest",
        "sub": "alice",
        "iat": now_s,
        "exp": now_s + 600,
    }
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), os.urandom(256))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@contextlib.asynccontextmanager
async def stand(lighttpd: Lighttpd, directory: Path) -> AsyncIterator[Stand]:
    """lighttpd with the release of POLICY, in `directory` (empty, private, its path short). Raises
    Failure."""
    (directory / "root" / "protected").mkdir(parents=True)
    (directory / "root" / PATH.lstrip("/")).write_bytes(CONTENT)
    policy = directory / "selftest.toml"
    policy.write_text(POLICY)
    deployment = Deployment.below(
        str(directory),
        release_directory=str(directory / "current"),
        connect_timeout_s=1,
        write_timeout_s=2,
        read_timeout_s=READ_TIMEOUT_S,
        deadline_s=1,
    )
    release = compile_policy(policy, deployment).release
    if release is None:
        raise RuntimeError("the selftest's own policy does not compile")
    write_release(release, directory / "releases")
    activate(directory / "releases", release.id, directory / "current")
    port = ports.free_port()
    configuration = directory / "lighttpd.conf"
    configuration.write_text(
        skeleton.render(
            resources.lighttpd_directory() / "conf" / "selftest.conf.j2",
            ConfText,
            directory=ConfText(str(directory)),
            port=ConfText(str(port)),
        )
    )
    server = await children.start(
        "lighttpd", lighttpd_host.command(lighttpd, configuration), dict(os.environ)
    )
    try:
        await ports.wait_until_accepts(server, port)
        yield Stand(port, Path(deployment.authorizer_socket), server)
    finally:
        await server.stop()


async def ask(port: int, bearer: str) -> tuple[int | None, bytes]:
    """Status and everything received of one request for PATH; no status when the connection ends before
    one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Authorization: Bearer {bearer}\r\n\r\n".encode()
        )
        await writer.drain()
        received = await reader.read(1 << 20)
        while part := await reader.read(1 << 20):
            received += part
    except ConnectionError:
        received = b""
    finally:
        writer.close()
    words = received.split(b" ", 2)
    status = int(words[1]) if len(words) > 2 and words[1].isdigit() else None
    return status, received
