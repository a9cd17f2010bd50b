"""Requests that wait for a slow provider cost the others nothing, and do not wait for ever."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.identity_provider import IdentityProvider
from tests.system.policies import provider_policy
from tests.system.processes import poll
from tests.system.wire import Connection, Response, bearer

pytestmark = pytest.mark.system

WAITING = 100
PROVIDER_DELAY_S = 1.5


def site_of(gate: Gates, provider: IdentityProvider) -> Gate:
    secret = provider.credentials["lightgate-basic"]
    return gate(
        provider_policy(provider.issuer),
        credentials={"introspection": secret},
        options="server.max-keep-alive-requests = 65535",
    )


def static_latencies(site: Gate, seconds: float) -> list[float]:
    """Durations of public requests, one after the other on one connection, for about this long."""
    latencies = []
    end = time.monotonic() + seconds
    with Connection(site.port) as connection:
        while time.monotonic() < end:
            started = time.monotonic()
            assert connection.request("GET", "/public/page.txt").status == 200
            latencies.append(time.monotonic() - started)
    return latencies


def test_waiting_requests_leave_others_alone(gate: Gates, own_identity_provider: IdentityProvider) -> None:
    site = site_of(gate, own_identity_provider)
    tokens = [own_identity_provider.token("opaque", sub=f"caller-{number}") for number in range(WAITING)]
    known = bearer(own_identity_provider.token("rs256", sub="known"))
    assert site.get("/members/page.txt", [known]).status == 200
    alone = static_latencies(site, 0.5)

    own_identity_provider.delay_introspection(PROVIDER_DELAY_S)

    def ask(token: str) -> tuple[Response, float]:
        started = time.monotonic()
        return site.get("/members/echo.php", [bearer(token)]), time.monotonic() - started

    with ThreadPoolExecutor(WAITING) as pool:
        answers = [pool.submit(ask, token) for token in tokens]
        poll(
            "all requests wait",
            lambda: site.metric("lightgate_waiting") == WAITING,
            deadline_s=PROVIDER_DELAY_S,
        )
        beside = static_latencies(site, 0.4)
        remembered = site.get("/members/page.txt", [known])
        assert not any(answer.done() and answer.result()[1] < PROVIDER_DELAY_S for answer in answers)
        results = [answer.result(timeout=20) for answer in answers]

    assert remembered.status == 200
    assert [response.status for response, _ in results] == [200] * WAITING
    names = [response.json()["parameters"]["REMOTE_USER"] for response, _ in results]
    assert names == [f"caller-{number}" for number in range(WAITING)]  # nobody got another's answer
    # a blocked event loop would show as the provider's delay; two busy cores show as milliseconds
    assert statistics.median(beside) < max(10 * statistics.median(alone), 0.02)
    assert max(beside) < PROVIDER_DELAY_S / 2


def test_one_token_presented_many_times_is_asked_about_once(
    gate: Gates, own_identity_provider: IdentityProvider
) -> None:
    site = site_of(gate, own_identity_provider)
    field = bearer(own_identity_provider.token("opaque"))
    own_identity_provider.delay_introspection(PROVIDER_DELAY_S)
    before = own_identity_provider.requests()["introspection"]
    with ThreadPoolExecutor(30) as pool:
        responses = list(pool.map(lambda _: site.get("/members/page.txt", [field]), range(30)))
    assert [response.status for response in responses] == [200] * 30
    assert own_identity_provider.requests()["introspection"] == before + 1


def test_every_waiting_request_ends_by_the_deadline(
    gate: Gates, own_identity_provider: IdentityProvider
) -> None:
    site = site_of(gate, own_identity_provider)
    tokens = [own_identity_provider.token("opaque") for _ in range(30)]
    own_identity_provider.delay_introspection(30)
    started = time.monotonic()
    with ThreadPoolExecutor(30) as pool:
        responses = list(pool.map(lambda token: site.get("/members/page.txt", [bearer(token)]), tokens))
    assert [response.status for response in responses] == [503] * 30
    assert time.monotonic() - started < 6
    assert site.get("/public/page.txt").status == 200
