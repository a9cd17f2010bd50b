from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from aiohttp import web

from sidecar import introspection
from sidecar.config import ClientAuthentication, Introspection
from sidecar.decide import Answer
from sidecar.discovery import Discovery
from sidecar.introspection import ClientAuthenticator, Introspector, Overloaded
from sidecar.jose.keys import KeyRefused
from sidecar.network import FetchFailed, Network
from tests.sidecar.provider import Provider, running_provider
from tests.sidecar.surroundings import HandClock, Recorder, eventually
from tests.sidecar.tokens import NOW, private_key, private_pem

TOKEN = b"2YotnFZFEjr1zCsicMWpAA"
ACTIVE = {"active": True, "sub": "alice", "exp": NOW + 300}


class Setup:
    def __init__(self, provider: Provider, network: Network) -> None:
        self.provider = provider
        self.network = network
        self.time = HandClock()
        self.recorder = Recorder(self.time.clock)
        provider.answers[TOKEN.decode()] = ACTIVE

    def authenticator(
        self,
        method: ClientAuthentication = "client_secret_basic",
        credential: bytes = b"hush",
        client: str = "gate",
    ) -> ClientAuthenticator:
        return ClientAuthenticator(
            method=method,
            client_id=client,
            credential=credential,
            issuer=self.provider.url,
            clock=self.time.clock,
            random_id=lambda: "random",
        )

    def introspector(self, authenticator: ClientAuthenticator | None = None, **changes: Any) -> Introspector:
        settings = Introspection(
            **{
                "endpoint": self.provider.url + "/introspect",
                "client_id": "gate",
                "client_authentication": "client_secret_basic",
                "credential": "corp-client",
                "timeout_s": 2,
                "cache_s": 60,
                "negative_cache_s": 10,
                **changes,
            }
        )
        return Introspector(
            name="corp",
            settings=settings,
            authenticator=authenticator or self.authenticator(),
            discovery=Discovery(self.provider.url, self.network, self.time.clock),
            network=self.network,
            clock=self.time.clock,
            secret=bytes(32),
            log=self.recorder.log,
            metrics=self.recorder.metrics,
        )

    @property
    def calls(self) -> int:
        return self.provider.count("/introspect")


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    network = Network()
    async with running_provider() as provider:
        yield Setup(provider, network)
    await network.close()


async def test_asks_and_remembers(setup: Setup) -> None:
    one = setup.introspector()
    assert one.remembered(TOKEN) is None
    answer = await one.ask(TOKEN)
    assert answer == Answer(claims=ACTIVE, until=NOW + 60)
    assert one.remembered(TOKEN) == answer
    assert setup.provider.forms == [{"token": TOKEN.decode(), "token_type_hint": "access_token"}]
    setup.time.advance(59.9)
    assert one.remembered(TOKEN) == answer
    setup.time.advance(0.1)
    assert one.remembered(TOKEN) is None


async def test_an_answer_ends_with_the_token__INTRO_05(setup: Setup) -> None:
    setup.provider.answers[TOKEN.decode()] = {**ACTIVE, "exp": NOW + 7}
    assert (await setup.introspector().ask(TOKEN)).until == NOW + 7


@pytest.mark.parametrize(
    ("response", "until"), [({"active": True, "sub": "a"}, 60), ({**ACTIVE, "exp": "x"}, 60)]
)
async def test_without_an_expiry_the_cache_bounds_it(
    setup: Setup, response: dict[str, Any], until: int
) -> None:
    setup.provider.answers[TOKEN.decode()] = response
    assert (await setup.introspector().ask(TOKEN)).until == NOW + until


@pytest.mark.parametrize(
    "response",
    [{"active": False, "sub": "alice"}, {"active": "true"}, {"active": 1}, {"Active": True}, {}],
    ids=repr,
)
async def test_only_true_is_active__INTRO_01(setup: Setup, response: dict[str, Any]) -> None:
    setup.provider.answers[TOKEN.decode()] = response
    one = setup.introspector()
    assert await one.ask(TOKEN) == Answer(claims={"active": False}, until=NOW + 10)
    assert one.remembered(TOKEN) is not None


async def test_nothing_is_remembered_when_that_is_configured(setup: Setup) -> None:
    one = setup.introspector(cache_s=0, negative_cache_s=0)
    for _ in range(2):
        await one.ask(TOKEN)
        assert one.remembered(TOKEN) is None
    assert setup.calls == 2


def answering(body: bytes, status: int = 200) -> Any:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status)

    return handler


FAILURES = {
    "500": (answering(b'{"active":true}', 500), "status 500"),
    "401: our own credential": (answering(b"{}", 401), "status 401"),
    "HTML [INTRO-01]": (answering(b"<html>"), "answer is not JSON"),
    "array [INTRO-01]": (answering(b"[]"), "answer is not a JSON object"),
    "signed response [INTRO-08]": (answering(b"eyJhbGciOiJSUzI1NiJ9.e30.AAAA"), "answer is not JSON"),
    "active twice": (answering(b'{"active":false,"active":true}'), "answer is member given twice"),
    "redirect": (answering(b"", 302), "status 302"),
}


@pytest.mark.parametrize(("handler", "why"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_failure_says_nothing_about_the_token(setup: Setup, handler: Any, why: str) -> None:
    setup.provider.overrides["/introspect"] = handler
    one = setup.introspector()
    with pytest.raises(FetchFailed):
        await one.ask(TOKEN)
    assert one.remembered(TOKEN) is None
    assert setup.recorder.events() == [{"event": "introspection-failed", "issuer": "corp", "why": why}]
    del setup.provider.overrides["/introspect"]
    assert (await one.ask(TOKEN)).claims == ACTIVE


async def test_one_call_for_everyone_who_asks_meanwhile(setup: Setup) -> None:
    one = setup.introspector()
    answers = await asyncio.gather(*(one.ask(TOKEN) for _ in range(50)))
    assert setup.calls == 1
    assert {answer.until for answer in answers} == {NOW + 60}


async def test_a_waiter_that_gives_up_does_not_end_the_call(setup: Setup) -> None:
    one = setup.introspector()
    setup.provider.gate.clear()
    waiters = [asyncio.create_task(one.ask(TOKEN)) for _ in range(2)]
    await eventually(lambda: setup.calls == 1)
    waiters[0].cancel()
    await asyncio.wait(waiters[:1])
    setup.provider.gate.set()
    assert (await waiters[1]).claims == ACTIVE


async def test_invented_tokens_do_not_push_out_real_ones__FCGI_08(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MAX_REMEMBERED", 3)
    one = setup.introspector()
    await one.ask(TOKEN)
    for number in range(5):
        await one.ask(b"invented%d" % number)
    assert one.remembered(TOKEN) is not None
    assert [one.remembered(b"invented%d" % number) is not None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]


async def test_the_least_recently_used_goes_first(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection, "MAX_REMEMBERED", 2)
    one = setup.introspector()
    for token in (b"a", b"b"):
        setup.provider.answers[token.decode()] = ACTIVE
        await one.ask(token)
    one.remembered(b"a")
    setup.provider.answers["c"] = ACTIVE
    await one.ask(b"c")
    assert [one.remembered(token) is not None for token in (b"a", b"b", b"c")] == [True, False, True]


async def test_forgetting__INTRO_05(setup: Setup) -> None:
    one = setup.introspector()
    await one.ask(TOKEN)
    await one.ask(b"invented")
    one.forget()
    assert (one.remembered(TOKEN), one.remembered(b"invented")) == (None, None)


async def test_an_answer_under_way_while_forgetting_is_not_remembered__INTRO_05(setup: Setup) -> None:
    """It was given before the reason to forget: who waits gets a new one."""
    one = setup.introspector()
    setup.provider.gate.clear()
    before = asyncio.create_task(one.ask(TOKEN))
    await eventually(lambda: setup.calls == 1)
    one.forget()
    after = asyncio.create_task(one.ask(TOKEN))
    await eventually(lambda: setup.calls == 2)
    replies = iter([ACTIVE, {"active": False}])

    async def reply(_request: web.Request) -> web.StreamResponse:
        return web.json_response(next(replies))

    setup.provider.overrides["/introspect"] = reply
    setup.provider.gate.set()
    revoked = Answer(claims={"active": False}, until=NOW + 10)
    assert (await before, await after) == (revoked, revoked)
    assert one.remembered(TOKEN) == revoked
    assert setup.calls == 2


async def test_a_denial_under_way_while_forgetting_stands_and_is_not_remembered(setup: Setup) -> None:
    one = setup.introspector()
    setup.provider.gate.clear()
    waiting = asyncio.create_task(one.ask(b"invented"))
    await eventually(lambda: setup.calls == 1)
    one.forget()
    setup.provider.gate.set()
    assert await waiting == Answer(claims={"active": False}, until=NOW + 10)
    assert one.remembered(b"invented") is None
    assert setup.calls == 1


async def test_closing_ends_calls_from_before_forgetting_too(setup: Setup) -> None:
    one = setup.introspector()
    setup.provider.gate.clear()
    waiting = asyncio.create_task(one.ask(TOKEN))
    await eventually(lambda: setup.calls == 1)
    one.forget()
    await one.close()
    await asyncio.wait([waiting], timeout=10)
    assert waiting.cancelled()


async def test_calls_to_one_issuer_are_bounded__FCGI_08(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MAX_CALLS", 2)
    monkeypatch.setattr(introspection, "MAX_QUEUED", 3)
    one = setup.introspector()
    setup.provider.gate.clear()
    asking = [asyncio.create_task(one.ask(b"invented%d" % number)) for number in range(5)]
    await eventually(lambda: setup.calls == 2)
    with pytest.raises(Overloaded):
        await one.ask(TOKEN)
    joining = asyncio.create_task(one.ask(b"invented0"))  # is no call of its own
    marker = asyncio.create_task(setup.network.get(setup.provider.url + "/marker", timeout_s=9))
    await eventually(lambda: setup.provider.count("/marker") == 1)
    assert setup.calls == 2
    setup.provider.gate.set()
    await asyncio.gather(joining, *asking)
    assert (await one.ask(TOKEN)).claims == ACTIVE
    assert setup.calls == 6
    await asyncio.wait([marker])


async def test_a_call_that_is_queued_ends_in_time(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection, "MAX_CALLS", 0)
    with pytest.raises(FetchFailed) as caught:
        await setup.introspector(timeout_s=0.05).ask(TOKEN)
    assert str(caught.value) == "no answer in time"


async def test_no_token_stays_in_memory__INTRO_07(setup: Setup) -> None:
    one = setup.introspector()
    await one.ask(TOKEN)
    (key,) = one._active
    assert TOKEN not in key
    assert len(key) == 32


async def test_the_endpoint_may_be_discovered(setup: Setup) -> None:
    answer = await setup.introspector(endpoint=None).ask(TOKEN)
    assert answer.claims == ACTIVE


async def test_client_secret_basic_is_form_urlencoded_first(setup: Setup) -> None:
    authenticator = setup.authenticator(credential="a:b c%ö".encode(), client="gate:1")
    await setup.introspector(authenticator).ask(TOKEN)
    (field,) = setup.provider.authorizations
    assert field is not None
    assert b64decode(field.removeprefix("Basic ")) == b"gate%3A1:a%3Ab+c%25%C3%B6"  # RFC 6749 section 2.3.1


async def test_client_secret_post(setup: Setup) -> None:
    await setup.introspector(setup.authenticator("client_secret_post")).ask(TOKEN)
    assert setup.provider.authorizations == [None]
    assert setup.provider.forms[0] == {
        "token": TOKEN.decode(),
        "token_type_hint": "access_token",
        "client_id": "gate",
        "client_secret": "hush",
    }


@pytest.mark.parametrize(
    ("kind", "alg"),
    [("RSA", "RS256"), ("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"), ("Ed25519", "EdDSA")],
)
async def test_private_key_jwt(setup: Setup, kind: str, alg: str) -> None:
    key = private_key(kind)
    await setup.introspector(setup.authenticator("private_key_jwt", private_pem(key))).ask(TOKEN)
    form = setup.provider.forms[0]
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion = jwt.decode(
        form["client_assertion"],
        key.public_key(),
        algorithms=[alg],
        audience=setup.provider.url,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert assertion == {
        "iss": "gate",
        "sub": "gate",
        "aud": setup.provider.url,
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "random",
    }


@pytest.mark.parametrize(
    ("method", "credential", "why"),
    [
        ("private_key_jwt", b"hush", "not an unencrypted private key in PEM"),
        ("client_secret_basic", b"\xff", "a client secret must be UTF-8"),
    ],
)
async def test_a_credential_of_the_wrong_kind(
    setup: Setup, method: ClientAuthentication, credential: bytes, why: str
) -> None:
    with pytest.raises(KeyRefused) as caught:
        setup.authenticator(method, credential)
    assert str(caught.value) == why
