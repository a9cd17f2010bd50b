from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sidecar.config import JwksUrl
from sidecar.discovery import Discovery
from sidecar.kept_keys import KeptKeys
from sidecar.keysets import MAX_STALE_S, KeyState, RemoteKeys
from sidecar.network import Network
from tests.sidecar.provider import Provider, running_provider
from tests.sidecar.surroundings import HandClock, Recorder, eventually
from tests.sidecar.tokens import private_key, public_jwk

ONE = public_jwk(private_key("RSA"), kid="one")
TWO = public_jwk(private_key("P-256"), kid="two")


class Setup:
    def __init__(self, provider: Provider, network: Network, directory: Path) -> None:
        self.directory = directory / "keys"
        self.provider = provider
        self.network = network
        self.time = HandClock()
        self.recorder = Recorder(self.time.clock)
        self.removals = 0

    def store(self, source: JwksUrl | Discovery | None = None) -> RemoteKeys:
        def removed() -> None:
            self.removals += 1

        return RemoteKeys(
            name="corp",
            source=source or JwksUrl(self.provider.url + "/jwks"),
            network=self.network,
            clock=self.time.clock,
            jitter=lambda: 1.0,
            log=self.recorder.log,
            metrics=self.recorder.metrics,
            kept=KeptKeys(
                directory=self.directory,
                issuer="https://corp.example",
                source="test",
                max_age_s=MAX_STALE_S,
                log=self.recorder.log,
            ),
            on_removed=removed,
        )

    @property
    def fetches(self) -> int:
        return self.provider.count("/jwks")


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    network = Network()
    async with running_provider() as provider:
        yield Setup(provider, network, tmp_path)
    await network.close()


def kids(store: RemoteKeys) -> list[str | None]:
    keys = store.current()
    return [] if keys is None else [key.kid for key in keys.keys]


async def test_fetches_keys(setup: Setup) -> None:
    store = setup.store()
    assert (kids(store), store.state(), store.due_in_s) == ([], KeyState(usable=0, age_s=None), 0)
    await store.refresh()
    setup.time.advance(5)
    assert (kids(store), store.state()) == (["one"], KeyState(usable=1, age_s=5.0))
    assert setup.recorder.events() == [{"event": "keys-fetched", "issuer": "corp", "keys": 1, "next_s": 600}]


async def test_finds_them_by_discovery(setup: Setup) -> None:
    store = setup.store(Discovery(setup.provider.url, setup.network, setup.time.clock))
    await store.refresh()
    assert kids(store) == ["one"]
    assert setup.provider.requests == ["/.well-known/openid-configuration", "/jwks"]


@pytest.mark.parametrize(
    ("cache_control", "next_s"),
    [("", 600), ("max-age=1", 60), ("no-store", 60), ("max-age=900", 900), ("max-age=99999999", 86_400)],
)
async def test_honours_cache_control_within_bounds(setup: Setup, cache_control: str, next_s: int) -> None:
    setup.provider.headers = {"Cache-Control": cache_control} if cache_control else {}
    store = setup.store()
    await store.refresh()
    assert store.due_in_s == next_s


async def test_refreshes_in_the_background(setup: Setup) -> None:
    store = setup.store()
    task = asyncio.create_task(store.run())
    await eventually(lambda: kids(store) == ["one"])
    setup.provider.jwks = {"keys": [ONE, TWO]}
    setup.time.advance(599)
    await asyncio.sleep(0)
    assert setup.fetches == 1
    setup.time.advance(1)
    await eventually(lambda: kids(store) == ["one", "two"])
    task.cancel()
    await asyncio.wait([task])


async def test_an_unknown_key_forces_one_refresh__KEY_08(setup: Setup) -> None:
    store = setup.store()
    await store.refresh()
    setup.provider.jwks = {"keys": [ONE, TWO]}
    assert store.may_demand()
    await store.demand()
    assert kids(store) == ["one", "two"]


async def test_a_flood_of_unknown_keys_is_one_refresh_in_ten_seconds__KEY_07(setup: Setup) -> None:
    store = setup.store()
    await store.refresh()
    await asyncio.gather(*(store.demand() for _ in range(500)))
    assert setup.fetches == 2
    assert not store.may_demand()
    setup.time.advance(9.9)
    await store.demand()
    assert setup.fetches == 2
    setup.time.advance(0.1)
    assert store.may_demand()
    await store.demand()
    assert setup.fetches == 3


async def test_a_waiter_that_gives_up_does_not_end_the_refresh(setup: Setup) -> None:
    store = setup.store()
    setup.provider.gate.clear()
    waiters = [asyncio.create_task(store.demand()) for _ in range(3)]
    await eventually(lambda: setup.fetches == 1)
    waiters[0].cancel()
    await asyncio.wait(waiters[:1])
    setup.provider.gate.set()
    await asyncio.gather(*waiters[1:])
    assert (kids(store), setup.fetches) == (["one"], 1)


def garbage(body: bytes) -> Any:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    return handler


BROKEN: dict[str, tuple[Any, str]] = {
    "empty": ({"keys": []}, "no usable key"),
    "no set": ({}, "`keys` is not an array"),
    "65 keys [KEY-11]": ({"keys": [ONE] * 65}, "more than 64 keys"),
    "only secrets": (
        {"keys": [{"kty": "oct", "k": "AAAA"}]},
        "no usable key (keys[0]: a shared secret in a key set)",
    ),
    "HTML": (b"<html>", "answer is not JSON"),
    "50 MB [KEY-11]": (b" " * 50_000_000, "answer is too long"),
}


@pytest.mark.parametrize(("answer", "why"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_set_replaces_nothing__KEY_11(setup: Setup, answer: Any, why: str) -> None:
    store = setup.store()
    await store.refresh()
    if isinstance(answer, bytes):
        setup.provider.overrides["/jwks"] = garbage(answer)
    else:
        setup.provider.jwks = answer
    await store.refresh()
    assert kids(store) == ["one"]
    assert setup.recorder.events("keys-fetch-failed") == [
        {"event": "keys-fetch-failed", "issuer": "corp", "why": why, "retry_s": 1.0}
    ]


async def test_keys_outlast_a_day_of_outage_and_no_more__KEY_13(setup: Setup) -> None:
    store = setup.store()
    await store.refresh()
    setup.provider.status = 500
    waits = []
    for _ in range(12):
        await store.refresh()
        waits.append(store.due_in_s)
        setup.time.advance(store.due_in_s)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    setup.time.advance(86_400 - setup.time.elapsed_s)
    assert kids(store) == ["one"]
    setup.time.advance(1)
    assert (kids(store), store.state().usable) == ([], 0)
    setup.provider.status = 200
    await store.demand()
    assert kids(store) == ["one"]
    assert store.due_in_s == 600


async def test_a_removed_key_is_gone_and_lua_is_told__KEY_10(setup: Setup) -> None:
    setup.provider.jwks = {"keys": [ONE, TWO]}
    store = setup.store()
    await store.refresh()
    await store.refresh()
    assert setup.removals == 0
    setup.provider.jwks = {"keys": [TWO]}
    await store.refresh()
    assert (kids(store), setup.removals) == (["two"], 1)
    setup.provider.jwks = {"keys": [TWO, ONE]}
    await store.refresh()
    assert setup.removals == 1
    setup.provider.jwks = {"keys": [TWO, public_jwk(private_key("RSA", 1), kid="one")]}
    await store.refresh()
    assert setup.removals == 2  # the same kid, another key


async def test_a_bad_key_is_reported_once__ALG_10(setup: Setup) -> None:
    setup.provider.jwks = {"keys": [ONE, {**TWO, "y": TWO["x"]}]}
    store = setup.store()
    for _ in range(3):
        await store.refresh()
    assert kids(store) == ["one"]
    assert setup.recorder.events("key-skipped") == [
        {"event": "key-skipped", "issuer": "corp", "why": "keys[1]: not a valid key"}
    ]


async def test_starts_without_the_provider(setup: Setup) -> None:
    store = setup.store(JwksUrl("http://127.0.0.1:1/jwks"))
    await store.refresh()
    assert kids(store) == []
    assert setup.recorder.events() == [
        {
            "event": "keys-fetch-failed",
            "issuer": "corp",
            "why": "no connection (ClientConnectorError)",
            "retry_s": 1.0,
        }
    ]


# --- what the process before has left ---------------------------------------------------------------


async def test_a_new_process_starts_with_the_keys_of_the_one_before(setup: Setup) -> None:
    setup.provider.jwks = {"keys": [ONE]}
    before = setup.store()
    await before.refresh()
    setup.time.advance(60)
    setup.provider.status = 500
    after = setup.store()
    assert kids(after) == ["one"]
    assert after.state() == KeyState(usable=1, age_s=60)
    assert after.due_in_s == 0
    assert setup.recorder.events("keys-taken-up") == [{"event": "keys-taken-up", "issuer": "corp", "keys": 1}]
    await after.refresh()
    assert kids(after) == ["one"]
    setup.time.advance(MAX_STALE_S - 60)
    assert kids(after) == ["one"]
    setup.time.advance(1)
    assert kids(after) == []
    assert kids(setup.store()) == []


async def test_a_key_removed_while_nobody_ran_goes_with_the_first_fetch(setup: Setup) -> None:
    setup.provider.jwks = {"keys": [ONE, TWO]}
    await setup.store().refresh()
    setup.provider.jwks = {"keys": [TWO]}
    after = setup.store()
    assert kids(after) == ["one", "two"]
    await after.refresh()
    assert kids(after) == ["two"]
    assert setup.removals == 1
