"""Request bodies reach the origin whole after a real deferral, and never reach the sidecar."""

from __future__ import annotations

import hashlib
import json
from itertools import count

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate, lighttpd_version
from tests.system.http2 import coalesced_post
from tests.system.policies import local_policy
from tests.system.tap import Tap
from tests.system.tokens import Signer, claims
from tests.system.wire import Protocol, bearer, chunked, curl, request

pytestmark = pytest.mark.system

TARGETS = {"static": "/members/page.txt", "php": "/members/echo.php", "proxy": "/members/app/upload"}
SIZES = [0, 1, 65_536, 20 * 1024 * 1024]
PROTOCOLS: list[Protocol] = ["http/1.1", "h2c", "h2"]
MARKER = b"the-body-that-nobody-else-may-see:"


def make_body(size: int) -> bytes:
    """`size` bytes that begin with MARKER when there is room, and do not repeat within 64 KiB."""
    pattern = hashlib.shake_256(b"body").digest(
        65_521
    )  # a prime length, so that no frame boundary is special
    return (MARKER + pattern * (size // len(pattern) + 1))[:size]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture(scope="module")
def site(module_gate: Gates, signer: Signer) -> Gate:
    return module_gate(local_policy('jwks_file = "keys.json"'), files={"keys.json": signer.jwks()})


SERIAL = count()


@pytest.fixture
def fresh(signer: Signer) -> tuple[str, str]:
    """The field of a token that nobody has seen, so that the request is deferred."""
    return bearer(signer.sign(claims(jti=str(next(SERIAL)))))


def check(origin: str, response_body: bytes, body: bytes) -> None:
    if origin == "static":
        assert response_body == b"the members page\n"
        return
    said = json.loads(response_body)
    assert (said["method"], said["body_bytes"]) == ("POST", len(body))
    assert said["body_sha256"] == hashlib.sha256(body).hexdigest()


# lighttpd answers a POST to a file without reading the body, and resets a stream that still sends one
BODIES = [(origin, size) for origin in TARGETS for size in SIZES if origin != "static" or size == 0]


@pytest.mark.parametrize(("origin", "size"), BODIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_body_arrives_whole(
    site: Gate, fresh: tuple[str, str], protocol: Protocol, origin: str, size: int
) -> None:
    body = make_body(size)
    url = site.url(TARGETS[origin], tls=protocol == "h2")
    before = site.deferrals()
    response = curl(url, protocol=protocol, fields=[fresh], body=body)
    assert response.status == 200, response.text
    check(origin, response.body, body)
    assert site.deferrals() == before + 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("origin", ["php", "proxy"])
def test_chunked_body_arrives_whole(site: Gate, fresh: tuple[str, str], origin: str, size: int) -> None:
    body = make_body(size)
    fields = [fresh, ("Transfer-Encoding", "chunked"), ("Content-Type", "application/octet-stream")]
    response = request(site.port, TARGETS[origin], fields, method="POST", body=chunked(body))
    assert response.status == 200, response.text
    check(origin, response.body, body)


@pytest.mark.parametrize("size", [1, 1000, 16_384, 40_000])
@pytest.mark.parametrize("origin", ["php", "proxy"])
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_body_that_comes_with_its_headers(
    site: Gate, fresh: tuple[str, str], tls: bool, origin: str, size: int
) -> None:
    body = make_body(size)
    port = site.tls_port if tls else site.port
    check(origin, coalesced_post(port, TARGETS[origin], [fresh], body, tls=tls), body)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_body_of_a_remembered_caller_arrives_whole(site: Gate, signer: Signer, protocol: Protocol) -> None:
    field = bearer(signer.sign(claims(sub=f"remembered-{protocol}")))
    body = make_body(65_536)
    url = site.url(TARGETS["proxy"], tls=protocol == "h2")
    for _ in range(3):
        check("proxy", curl(url, protocol=protocol, fields=[field], body=body).body, body)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_refused_request_with_a_body(site: Gate, protocol: Protocol) -> None:
    forged = bearer(Signer().sign(claims()))
    url = site.url(TARGETS["php"], tls=protocol == "h2")
    # after its answer lighttpd may reset a stream that still sends (RFC 9113 section 8.1); 1.4.69 does not
    may_reset = protocol != "http/1.1" and lighttpd_version() > (1, 4, 69)
    response = curl(url, protocol=protocol, fields=[forged], body=make_body(65_536), may_reset=may_reset)
    assert response.status == 401
    # and the backend is not left waiting for a body that never comes
    assert site.get("/public/echo.php").status == 200


def test_sidecar_never_sees_a_body(site: Gate, signer: Signer) -> None:
    body = make_body(40_000)
    with Tap(site) as tap:
        for number, protocol in enumerate(PROTOCOLS):
            field = bearer(signer.sign(claims(sub=f"tap-{number}")))
            url = site.url(TARGETS["proxy"], tls=protocol == "h2")
            check("proxy", curl(url, protocol=protocol, fields=[field], body=body).body, body)
        for tls in (False, True):
            field = bearer(signer.sign(claims(sub=f"tap-coalesced-{tls}")))
            port = site.tls_port if tls else site.port
            check("php", coalesced_post(port, TARGETS["php"], [field], body, tls=tls), body)
        sent = tap.sent
    assert b"LIGHTGATE_NONCE" in sent  # the tap was in place
    assert MARKER not in sent
    assert body[2000:2032] not in sent
