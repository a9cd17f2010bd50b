from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sidecar.network import MAX_BODY_BYTES, FetchFailed, Network, UrlRefused, check_url
from tests.sidecar.provider import Handler, Provider, running_provider
from tests.sidecar.surroundings import eventually


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running_provider() as one:
        yield one


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    one = Network()
    yield one
    await one.close()


def answers(body: bytes, status: int = 200, **headers: str) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers=fields)

    return handler


BIG = b'{"x":"' + b"x" * MAX_BODY_BYTES + b'"}'
ANSWERS: dict[str, tuple[Handler, dict[str, object] | str]] = {
    "an object": (answers(b'{"a":1}'), {"a": 1}),
    "gzip all the same": (answers(gzip.compress(b'{"a":1}'), Content_Encoding="gzip"), {"a": 1}),
    "not found": (answers(b"{}", 404), "status 404"),
    "created": (answers(b"{}", 201), "status 201"),
    "a redirect": (answers(b"{}", 302, Location="/other"), "status 302"),
    "HTML": (answers(b"<html>"), "answer is not JSON"),
    "an array": (answers(b"[]"), "answer is not a JSON object"),
    "nested too deep [KEY-11]": (
        answers(b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}"),
        "answer is nested too deep",
    ),
    "too long [KEY-11]": (answers(BIG), "answer is too long"),
    "a gzip bomb [KEY-11]": (
        answers(gzip.compress(b"\0" * 50_000_000), Content_Encoding="gzip"),
        "answer is too long",
    ),
    "another encoding": (
        answers(zlib.compress(b"{}"), Content_Encoding="deflate"),
        "answer has an unknown content encoding",
    ),
    "not gzip": (answers(b"{}", Content_Encoding="gzip"), "answer is not gzip"),
}


@pytest.mark.parametrize(("handler", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_answers(
    provider: Provider, network: Network, handler: Handler, expected: dict[str, object] | str
) -> None:
    provider.overrides["/x"] = handler
    try:
        assert (await network.get(provider.url + "/x", timeout_s=10)).document == expected
    except FetchFailed as error:
        assert str(error) == expected
    assert provider.requests == ["/x"]  # redirects are not followed


@pytest.mark.parametrize(
    ("value", "max_age_s"),
    [
        ("", None),
        ("public", None),
        ("max-age=300", 300),
        ('public, Max-Age="300"', 300),
        ("no-store", 0),
        ("max-age=300, no-cache", 0),
        ("max-age=-1", None),
        ("s-maxage=5", None),
    ],
)
async def test_cache_control(provider: Provider, network: Network, value: str, max_age_s: int | None) -> None:
    provider.overrides["/x"] = answers(b"{}", Cache_Control=value)
    assert (await network.get(provider.url + "/x", timeout_s=10)).max_age_s == max_age_s


async def test_a_form(provider: Provider, network: Network) -> None:
    provider.answers["t+/="] = {"active": True}
    fetched = await network.post(
        provider.url + "/introspect", {"token": "t+/="}, {"Authorization": "x"}, timeout_s=9
    )
    assert fetched.document == {"active": True}
    assert provider.authorizations == ["x"]


async def test_a_slow_answer(provider: Provider, network: Network) -> None:
    provider.gate.clear()
    with pytest.raises(FetchFailed) as caught:
        await network.get(provider.url + "/x", timeout_s=0.05)
    assert str(caught.value) == "no answer in time"


async def test_introspection_does_not_take_the_connections_of_keys__FCGI_08(
    provider: Provider, network: Network
) -> None:
    provider.gate.clear()
    calls = [
        asyncio.create_task(network.post(provider.url + "/introspect", {"token": "t"}, {}, timeout_s=60))
        for _ in range(150)
    ]
    await eventually(lambda: provider.count("/introspect") >= 100)
    keys = asyncio.create_task(network.get(provider.url + "/jwks", timeout_s=60))
    await eventually(lambda: provider.count("/jwks") == 1)
    provider.gate.set()
    assert (await keys).document == provider.jwks
    await asyncio.gather(*calls)


async def test_a_reset_connection__KEY_13(provider: Provider, network: Network) -> None:
    async def reset(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    provider.overrides["/x"] = reset
    with pytest.raises(FetchFailed) as caught:
        await network.get(provider.url + "/x", timeout_s=10)
    assert str(caught.value).startswith("no connection (")


async def test_nobody_listens(network: Network) -> None:
    with pytest.raises(FetchFailed) as caught:
        await network.get("http://127.0.0.1:1/", timeout_s=10)
    assert str(caught.value) == "no connection (ClientConnectorError)"


async def test_a_discovered_url_is_checked_too(network: Network) -> None:
    with pytest.raises(FetchFailed) as caught:
        await network.get("http://login.example.org/jwks", timeout_s=10)
    assert str(caught.value) == "url must be https, or http on this machine"


async def test_no_cookies_are_kept(provider: Provider, network: Network) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Cookie"))
        return web.json_response({}, headers={"Set-Cookie": "a=b"})

    provider.overrides["/x"] = handler
    for _ in range(2):
        await network.get(provider.url + "/x", timeout_s=10)
    assert seen == [None, None]


URLS = {
    "https://login.example.org/jwks": None,
    "https://login.example.org:8443/a?b=c": None,
    "http://127.0.0.1/jwks": None,
    "http://127.8.0.1:99/jwks": None,
    "http://[::1]:80/jwks": None,
    "http://localhost/jwks": None,
    "http://localhost.example.org/": "must be https, or http on this machine",
    "http://10.0.0.1/": "must be https, or http on this machine",
    "http://0.0.0.0/": "must be https, or http on this machine",
    "file:///etc/passwd": "not a URL",
    "ftp://127.0.0.1/": "must be https, or http on this machine",
    "https://": "not a URL",
    "login.example.org": "not a URL",
    "": "not a URL",
    "https://a b/": "not a URL",
    "https://a/\r\nX: y": "not a URL",
    "https://[::1": "not a URL",
    "https://a:99999/": "not a URL",
    "https://user:hush@a/": "has credentials or a fragment",
    "https://a/#x": "has credentials or a fragment",
}


@pytest.mark.parametrize(("url", "why"), URLS.items())
def test_urls__OPS_11(url: str, why: str | None) -> None:
    if why is None:
        check_url(url)
        return
    with pytest.raises(UrlRefused) as caught:
        check_url(url)
    assert str(caught.value) == why
