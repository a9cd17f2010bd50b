from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sidecar.discovery import Discovery, Metadata, parse, well_known_urls
from sidecar.network import FetchFailed, Network
from tests.sidecar.provider import Provider, running_provider
from tests.sidecar.surroundings import HandClock

OPENID = "/.well-known/openid-configuration"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running_provider() as one:
        yield one


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    one = Network()
    yield one
    await one.close()


def test_where_the_document_may_be() -> None:
    assert well_known_urls("https://x/realms/corp") == (
        "https://x/realms/corp/.well-known/openid-configuration",
        "https://x/.well-known/oauth-authorization-server/realms/corp",
    )
    assert well_known_urls("https://x/") == (
        "https://x/.well-known/openid-configuration",
        "https://x/.well-known/oauth-authorization-server",
    )


DOCUMENTS: dict[str, tuple[dict[str, object], Metadata | str]] = {
    "whole": (
        {"issuer": "https://x", "jwks_uri": "https://x/k", "introspection_endpoint": "https://x/i"},
        Metadata(jwks_uri="https://x/k", introspection_endpoint="https://x/i"),
    ),
    "bare": ({"issuer": "https://x"}, Metadata(jwks_uri=None, introspection_endpoint=None)),
    "a slash more [CLAIM-08]": ({"issuer": "https://x/"}, "document is of another issuer"),
    "another issuer": ({"issuer": "https://evil"}, "document is of another issuer"),
    "no issuer": ({"jwks_uri": "https://x/k"}, "document is of another issuer"),
    "http keys": (
        {"issuer": "https://x", "jwks_uri": "http://x/k"},
        "`jwks_uri` must be https, or http on this machine",
    ),
    "keys a number": ({"issuer": "https://x", "jwks_uri": 1}, "`jwks_uri` is not a string"),
}


@pytest.mark.parametrize(("document", "expected"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_documents(document: dict[str, object], expected: Metadata | str) -> None:
    try:
        assert parse(document, "https://x") == expected
    except FetchFailed as error:
        assert str(error) == expected


async def test_is_remembered_for_an_hour(provider: Provider, network: Network) -> None:
    time = HandClock()
    discovery = Discovery(provider.url, network, time.clock)
    for _ in range(3):
        assert (await discovery.metadata()).jwks_uri == provider.url + "/jwks"
    time.advance(3_599)
    await discovery.metadata()
    assert provider.requests == [OPENID]
    time.advance(1)
    await discovery.metadata()
    assert provider.requests == [OPENID] * 2


async def test_asks_once_for_everyone(provider: Provider, network: Network) -> None:
    discovery = Discovery(provider.url, network, HandClock().clock)
    await asyncio.gather(*(discovery.metadata() for _ in range(50)))
    assert provider.requests == [OPENID]


async def test_falls_back_to_rfc_8414(provider: Provider, network: Network) -> None:
    async def missing(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    async def oauth(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"issuer": provider.url + "/tenant", "jwks_uri": provider.url + "/k"})

    provider.overrides["/tenant" + OPENID] = missing
    provider.overrides["/.well-known/oauth-authorization-server/tenant"] = oauth
    discovery = Discovery(provider.url + "/tenant", network, HandClock().clock)
    assert (await discovery.metadata()).jwks_uri == provider.url + "/k"


async def test_an_outage_is_not_hammered_at_and_old_metadata_is_kept_for_a_day(
    provider: Provider, network: Network
) -> None:
    time = HandClock()
    discovery = Discovery(provider.url, network, time.clock)
    known = await discovery.metadata()
    provider.issuer = "https://another"
    time.advance(3_600)
    for _ in range(5):
        assert await discovery.metadata() == known
    assert provider.count(OPENID) == 2
    time.advance(1)
    assert await discovery.metadata() == known
    assert provider.count(OPENID) == 3
    time.advance(86_400)
    with pytest.raises(FetchFailed):
        await discovery.metadata()


async def test_without_metadata_it_fails(network: Network) -> None:
    discovery = Discovery("http://127.0.0.1:1", network, HandClock().clock)
    with pytest.raises(FetchFailed) as caught:
        await discovery.metadata()
    assert str(caught.value) == "discovery: no connection (ClientConnectorError)"
    with pytest.raises(FetchFailed) as caught:
        await discovery.metadata()
    assert str(caught.value) == "discovery failed a moment ago"
