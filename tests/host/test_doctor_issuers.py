"""The doctor on issuers: real servers on the loopback interface, each wrong in its own way."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from luagen.host.doctor.reach import IssuerSeen, look
from luagen.host.in_force import Issuer
from tests.system.processes import REPOSITORY

KEYS = {"keys": [{"kty": "EC"}, {"kty": "RSA"}]}


class Server:
    """Answers each path with a document, or with a status."""

    def __init__(self, certificate: Path | None = None, clock_offset_s: float = 0.0) -> None:
        self.pages: dict[str, object] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path, 404)
                self.send_response(page if isinstance(page, int) else 200)
                if page == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(b"" if isinstance(page, int) else json.dumps(page).encode())

            def date_time_string(self, timestamp: float | None = None) -> str:
                return format_datetime(datetime.now(UTC) + timedelta(seconds=clock_offset_s), usegmt=True)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def discovery(self, **members: str) -> None:
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **members}
        self.pages |= {"/.well-known/openid-configuration": document, "/keys": KEYS}


@contextmanager
def serving(**options: object) -> Iterator[Server]:
    server = Server(**options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()


def self_signed(path: Path, days: int) -> Path:
    """A certificate for 127.0.0.1 and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def issuer(url: str, **members: object) -> Issuer:
    values: Mapping[str, object] = {
        "name": "corp",
        "issuer": url,
        "keys_from": "discovery",
        "jwks_url": None,
        "introspects": False,
        "introspection_endpoint": None,
        "credentials": (),
        **members,
    }
    return Issuer(**values)  # type: ignore[arg-type]


async def seen(url: str, **members: object) -> IssuerSeen:
    (found,) = await look([issuer(url, **members)])
    return found


async def problem(url: str, **members: object) -> str:
    found = await seen(url, **members)
    assert found.problem is not None
    assert found.problem.help
    return found.problem.message


async def test_discovery() -> None:
    with serving() as server:
        server.discovery()
        found = await seen(server.url)
    assert (found.problem, found.keys, found.expires_at) == (None, 2, None)
    assert found.offset_s is not None and abs(found.offset_s) < 2


async def test_the_place_of_rfc_8414() -> None:
    with serving() as server:
        server.discovery()
        url = f"{server.url}/realm"
        server.pages["/.well-known/oauth-authorization-server/realm"] = {
            "issuer": url,
            "jwks_uri": f"{server.url}/keys",
        }
        assert (await seen(url)).problem is None


async def test_nothing_to_ask() -> None:
    found = await seen("https://login.invalid", keys_from="pem")
    assert (found.url, found.problem) == (None, None)


async def test_a_name_without_an_address() -> None:
    assert await problem("https://login.invalid") == "the name `login.invalid` has no address"


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        said = await problem(f"http://127.0.0.1:{port}")
    assert said == f"cannot reach 127.0.0.1 port {port}: connection refused"


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    with serving(certificate=self_signed(tmp_path / "pem", 90)) as server:
        said = await problem(server.url)
    assert said.startswith(f"the certificate of 127.0.0.1 port {server.port} is refused: self")


async def test_no_tls() -> None:
    with serving() as server:
        said = await problem(server.url.replace("http:", "https:"))
    assert said.startswith(f"no TLS with 127.0.0.1 port {server.port}: ")


async def test_no_discovery_document() -> None:
    with serving() as server:
        said = await problem(server.url)
    assert said == f"`{server.url}/.well-known/openid-configuration` answers 404 and no discovery document"


async def test_another_issuers_document() -> None:
    with serving() as server:
        server.discovery(issuer=server.url + "/")
        found = await seen(server.url)
    assert found.problem is not None
    assert found.problem.message.endswith(f"is the document of `{server.url}/`, not of `{server.url}`")
    assert f'set issuer = "{server.url}/" in the policy' in found.problem.help


@pytest.mark.parametrize("page", [404, 302, [], {"keys": {}}])
async def test_no_key_set(page: object) -> None:
    with serving() as server:
        server.pages |= {"/keys": page, "/elsewhere": KEYS}
        status = page if isinstance(page, int) else 200
        said = await problem("https://x", keys_from="jwks_url", jwks_url=f"{server.url}/keys")
    assert said == f"`{server.url}/keys` answers {status} and no key set"


async def test_a_key_set_by_its_url() -> None:
    with serving() as server:
        server.pages["/keys"] = KEYS
        found = await seen("https://x", keys_from="jwks_url", jwks_url=f"{server.url}/keys")
    assert (found.problem, found.keys) == (None, 2)


async def test_an_introspection_endpoint_of_any_answer() -> None:
    with serving() as server:
        found = await seen("https://x", keys_from=None, introspects=True, introspection_endpoint=server.url)
        assert found.problem is None
        server.discovery()
        said = await problem(server.url, keys_from=None, introspects=True)
    assert said == "the issuer's discovery document names no `introspection_endpoint`"


async def test_a_clock_that_differs() -> None:
    with serving(clock_offset_s=-120.0) as server:
        server.discovery()
        found = await seen(server.url)
    assert found.offset_s is not None
    assert -123 < found.offset_s < -117


async def test_one_does_not_hold_up_another() -> None:
    with serving() as server:
        server.discovery()
        found = await look([issuer("https://login.invalid"), issuer(server.url)])
    assert [one.problem is None for one in found] == [False, True]


@pytest.mark.parametrize(("days", "warned"), [(3, True), (90, False)])
def test_a_certificate_that_ends_soon(tmp_path: Path, days: int, warned: bool) -> None:
    """In a process of its own: whom TLS trusts is decided when aiohttp is loaded."""
    certificate = self_signed(tmp_path / "pem", days)
    with serving(certificate=certificate) as server:
        server.discovery()
        code = (
            "import asyncio\n"
            "from luagen.host.doctor import issuers\n"
            "from luagen.host.doctor.reach import look\n"
            "from tests.host.test_doctor_issuers import issuer\n"
            "class Facts:\n"
            f"    issuers = asyncio.run(look([issuer({server.url!r})]))\n"
            "for check in issuers.CHECKS:\n"
            "    for finding in check.run(Facts):\n"
            "        print(finding.level, finding.message)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=REPOSITORY,
            env={"PATH": "/usr/bin:/bin", "SSL_CERT_FILE": str(certificate)},
        )
    expected = f"warning the certificate of issuer `corp` expires in {days} days"
    if not warned:
        expected = f"ok the certificate of issuer `corp` is good for {days} days"
    assert done.stdout == f"ok issuer `corp` answers as itself, 2 keys\n{expected}\n"
