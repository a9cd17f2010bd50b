from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar import authorizer, introspection
from sidecar.authorizer import Authorizer
from sidecar.config import load
from sidecar.credentials import Credentials
from sidecar.network import Network
from sidecar.releases import Pool, Release, Releases, Surroundings
from tests.sidecar import settings
from tests.sidecar.fastcgi_client import Response, deferral, params, parse_cgi
from tests.sidecar.provider import Provider, running_provider
from tests.sidecar.surroundings import HandClock, Recorder, eventually
from tests.sidecar.tokens import SECRET, claims, private_key, public_jwk, token

GOOD = b"Bearer " + token(claims(), private_key("RSA"))


class Setup:
    """An authorizer with a real provider, a clock moved by hand and no sockets of its own."""

    def __init__(self, directory: Path, provider: Provider, network: Network) -> None:
        self.directory = directory
        self.provider = provider
        self.time = HandClock()
        self.recorder = Recorder(self.time.clock)
        self.changes: list[tuple[str, ...]] = []
        self.on_change: Callable[[tuple[Release, ...]], None] = lambda _releases: None
        self.pool = Pool(
            Surroundings(
                network=network,
                clock=self.time.clock,
                log=self.recorder.log,
                metrics=self.recorder.metrics,
                jitter=lambda: 1.0,
                random_id=lambda: "random",
                cache_secret=bytes(32),
                keys_directory=directory / "keys",
                on_keys_removed=lambda: None,
            )
        )

    def write(self, *issuers: dict[str, Any], **changes: Any) -> Path:
        path = self.directory / "sidecar.json"
        path.write_text(json.dumps(settings.document(*issuers, directory=self.directory, **changes)))
        return path

    def start(self, *issuers: dict[str, Any], **changes: Any) -> None:
        path = self.write(*issuers, **changes)
        environment = {"LIGHTGATE_CREDENTIAL_CORP_CLIENT": "hush", "LIGHTGATE_CREDENTIAL_HS": SECRET.decode()}

        def changed(releases: tuple[Release, ...]) -> None:
            self.changes.append(tuple(release.settings.release for release in releases))
            self.on_change(releases)

        self.releases = Releases(
            path=path,
            settings=load(path),
            credentials=Credentials(environment=environment, directory=self.directory),
            pool=self.pool,
            clock=self.time.clock,
            log=self.recorder.log,
            metrics=self.recorder.metrics,
            on_change=changed,
        )
        self.authorizer = Authorizer(
            releases=self.releases,
            clock=self.time.clock,
            log=self.recorder.log,
            metrics=self.recorder.metrics,
        )

    def discovered(self, **changes: Any) -> dict[str, Any]:
        return settings.issuer(issuer=self.provider.url, keys={"from": "discovery"}, **changes)

    def at_once(self, authorization: bytes | None, **changes: str) -> Response:
        """The answer to a deferral that must not wait."""
        answer = self.authorizer.answer(params(deferral(authorization, **changes)))
        assert isinstance(answer, bytes)
        return parse_cgi(answer)

    async def waiting(self, authorization: bytes | None, **changes: str) -> Response:
        """The answer to a deferral that must wait."""
        answer = self.authorizer.answer(params(deferral(authorization, **changes)))
        assert not isinstance(answer, bytes)
        return parse_cgi(await answer.result())

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.recorder.events("refused", "unavailable")]


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    network = Network()
    async with running_provider() as provider:
        one = Setup(tmp_path, provider, network)
        yield one
        await one.pool.keep_only(())
    await network.close()


async def test_a_token_whose_keys_are_at_hand_does_not_wait(setup: Setup) -> None:
    setup.start()
    answer = setup.at_once(GOOD)
    assert (answer.status, answer.fields["Variable-LIGHTGATE_ANSWER"]) == (200, "r1 12.34.56")
    assert setup.recorder.events() == []
    assert b'lightgate_decisions_total{outcome="allow",reason=""} 1.0' in setup.recorder.metrics.render()


async def test_a_refusal_is_logged_with_its_reason_and_without_the_token(setup: Setup) -> None:
    setup.start()
    bad = b"Bearer " + token(claims(), private_key("RSA", 1))
    assert setup.at_once(bad).status == 401
    assert setup.recorder.events() == [
        {
            "event": "refused",
            "status": 401,
            "reason": "bad-signature",
            "issuer": "corp",
            "release": "r1",
            "method": "GET",
            "host": "shop.example",
            "path": "/members/",
            "client": "192.0.2.7",
        }
    ]


async def test_the_answer_belongs_to_the_request__FCGI_10(setup: Setup) -> None:
    setup.start()
    for nonce in ("1.1.1", "2.2.2"):
        assert setup.at_once(GOOD, LIGHTGATE_NONCE=nonce).fields["Variable-LIGHTGATE_ANSWER"] == f"r1 {nonce}"
        assert setup.at_once(b"", LIGHTGATE_NONCE=nonce).fields["Lightgate-Answer"] == f"r1 {nonce}"


async def test_what_lua_did_not_send_is_a_403_without_an_answer_field(setup: Setup) -> None:
    setup.start()
    answer = setup.at_once(GOOD, LIGHTGATE_NONCE="")
    assert (answer.status, "Lightgate-Answer" in answer.fields) == (403, False)
    broken = setup.authorizer.answer(b"\x05\x05abc")
    assert isinstance(broken, bytes)
    assert parse_cgi(broken).status == 403


async def test_shared_secrets_are_verified_here_too(setup: Setup) -> None:
    setup.start(settings.issuer(algorithms=["HS256"], keys={"from": "secret", "credential": "hs"}))
    assert setup.at_once(b"Bearer " + token(claims(), SECRET, alg="HS256")).status == 200
    assert setup.at_once(b"Bearer " + token(claims(), SECRET[::-1], alg="HS256")).status == 401


async def test_the_first_token_waits_for_the_keys(setup: Setup) -> None:
    setup.start(setup.discovered())
    text = b"Bearer " + token(claims(iss=setup.provider.url), private_key("RSA"))
    assert (await setup.waiting(text)).status == 200
    assert setup.at_once(text).status == 200
    assert setup.provider.count("/jwks") == 1


async def test_without_keys_and_provider_it_is_a_503__KEY_13(setup: Setup) -> None:
    setup.provider.status = 500
    setup.start(setup.discovered())
    text = b"Bearer " + token(claims(iss=setup.provider.url), private_key("RSA"))
    answer = await setup.waiting(text)
    assert (answer.status, answer.fields["Retry-After"]) == (503, "2")
    setup.provider.status = 200
    setup.time.advance(10)
    assert (await setup.waiting(text)).status == 200
    assert setup.reasons() == ["keys-unavailable"]


async def test_a_new_key_is_found_and_a_flood_of_invented_ones_is_refused_at_once__KEY_07_KEY_08(
    setup: Setup,
) -> None:
    setup.start(setup.discovered())
    mine = claims(iss=setup.provider.url)
    await setup.waiting(b"Bearer " + token(mine, private_key("RSA")))
    setup.time.advance(10)
    setup.provider.jwks = {"keys": [public_jwk(private_key("RSA", 1), kid="new")]}
    assert (await setup.waiting(b"Bearer " + token(mine, private_key("RSA", 1), kid="new"))).status == 200
    fetches = setup.provider.count("/jwks")
    for number in range(200):
        text = token(mine, private_key("RSA", 1), kid=f"invented-{number}")
        assert setup.at_once(b"Bearer " + text).status == 401
    assert setup.provider.count("/jwks") == fetches


async def test_fixed_keys_never_wait(setup: Setup) -> None:
    setup.start()
    assert setup.at_once(b"Bearer " + token(claims(), private_key("RSA"), kid="unknown")).status == 401


async def test_opaque_tokens(setup: Setup) -> None:
    setup.provider.answers["opaque"] = {"active": True, "sub": "alice"}
    setup.start(settings.issuer(**settings.introspecting(setup.provider.url + "/introspect")))
    first = await setup.waiting(b"Bearer opaque")
    assert first.fields["Variable-LIGHTGATE_IDENTITY"] == "release=r1&provider=corp&sub=alice"
    assert setup.at_once(b"Bearer opaque") == first
    assert (await setup.waiting(b"Bearer invented")).status == 401
    assert setup.at_once(b"Bearer invented").status == 401
    assert setup.provider.count("/introspect") == 2


async def test_an_introspection_that_fails_is_a_503(setup: Setup) -> None:
    setup.provider.status = 500
    setup.start(settings.issuer(**settings.introspecting(setup.provider.url + "/introspect")))
    assert (await setup.waiting(b"Bearer opaque")).status == 503
    assert setup.reasons() == ["introspection-unavailable"]


async def test_one_slow_issuer_leaves_room_for_others__FCGI_08(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorizer, "MAX_WAITING_FOR_ISSUER", 2)
    setup.provider.answers["opaque"] = {"active": True, "sub": "alice"}
    setup.start(
        setup.discovered(),
        settings.issuer(
            name="opaque",
            issuer="https://opaque.example",
            **settings.introspecting(setup.provider.url + "/introspect"),
        ),
    )
    setup.provider.gate.clear()
    text = b"Bearer " + token(claims(iss=setup.provider.url), private_key("RSA"))
    waiting = [asyncio.create_task(setup.waiting(text)) for _ in range(2)]
    await eventually(lambda: setup.provider.requests != [])
    assert (await setup.waiting(text)).status == 503
    assert setup.reasons() == ["overloaded"]
    other = asyncio.create_task(setup.waiting(b"Bearer opaque"))
    await eventually(lambda: setup.provider.count("/introspect") == 1)
    setup.provider.gate.set()
    assert [one.status for one in (*await asyncio.gather(*waiting), await other)] == [200, 200, 200]
    setup.time.advance(10)
    assert (
        await setup.waiting(b"Bearer " + token(claims(iss=setup.provider.url), private_key("RSA"), kid="x"))
    ).status == 401


async def test_too_many_introspections_are_a_503_at_once__FCGI_08(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MAX_CALLS", 1)
    monkeypatch.setattr(introspection, "MAX_QUEUED", 0)
    setup.start(settings.issuer(**settings.introspecting(setup.provider.url + "/introspect")))
    setup.provider.gate.clear()
    waiting = asyncio.create_task(setup.waiting(b"Bearer one"))
    await eventually(lambda: setup.provider.count("/introspect") == 1)
    assert (await setup.waiting(b"Bearer two")).status == 503
    assert setup.reasons() == ["overloaded"]
    setup.provider.gate.set()
    assert (await waiting).status == 401


async def test_an_unknown_release_reads_the_file_again(setup: Setup) -> None:
    setup.start()
    setup.write(release="r2")
    assert (await setup.waiting(GOOD, LIGHTGATE_RELEASE="r2")).status == 200
    assert setup.changes == [("r1",), ("r2", "r1")]
    identity = setup.at_once(GOOD, LIGHTGATE_RELEASE="r1").fields["Variable-LIGHTGATE_IDENTITY"]
    assert identity == "release=r1&provider=corp&sub=alice"


async def test_the_last_two_releases_are_answered(setup: Setup) -> None:
    setup.start()
    for release in ("r2", "r3", "r2"):
        setup.time.advance(1)
        setup.write(release=release)
        await setup.releases.reload()
    assert setup.changes == [("r1",), ("r2", "r1"), ("r3", "r2"), ("r2", "r3")]
    assert setup.at_once(GOOD, LIGHTGATE_RELEASE="r3").status == 200
    setup.time.advance(1)
    assert (await setup.waiting(GOOD, LIGHTGATE_RELEASE="r1")).status == 503


async def test_who_asked_before_a_release_is_told_what_that_one_says(setup: Setup) -> None:
    setup.start(settings.issuer(audience=["shop"]))
    current = "Variable-LIGHTGATE_CURRENT_IDENTITY"
    assert current not in setup.at_once(GOOD).fields
    setup.write(settings.issuer(name="renamed", audience=["shop", "another"]), release="r2")
    await setup.releases.reload()
    fields = setup.at_once(GOOD).fields
    assert fields["Variable-LIGHTGATE_IDENTITY"] == "release=r1&provider=corp&sub=alice"
    assert fields[current] == "release=r2&provider=renamed&sub=alice"
    assert current not in setup.at_once(GOOD, LIGHTGATE_RELEASE="r2").fields


@pytest.mark.parametrize("changes", [{"audience": ["another"]}, {"name": "n" * 30}])
async def test_unless_it_refuses_or_the_answer_would_not_fit(
    setup: Setup, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorizer, "MAX_IDENTITY_BYTES", 60)
    setup.start(settings.issuer(audience=["shop"]))
    setup.write(settings.issuer(**{"audience": ["shop"]} | changes), release="r2")
    await setup.releases.reload()
    answer = setup.at_once(GOOD)
    assert answer.status == 200
    assert "Variable-LIGHTGATE_CURRENT_IDENTITY" not in answer.fields


async def test_an_unknown_release_is_a_503_and_the_file_is_read_once_a_second(setup: Setup) -> None:
    setup.start()
    assert (await setup.waiting(GOOD, LIGHTGATE_RELEASE="r9")).status == 503
    answer = setup.at_once(GOOD, LIGHTGATE_RELEASE="r9")
    assert (answer.status, answer.fields["Lightgate-Answer"]) == (503, "r9 12.34.56")
    setup.time.advance(1)
    await setup.waiting(GOOD, LIGHTGATE_RELEASE="r9")
    assert setup.reasons() == ["release-mismatch"] * 3
    assert setup.recorder.events("reloaded") == []


async def test_a_bad_reload_changes_nothing__OPS_11(setup: Setup) -> None:
    setup.start()
    setup.write(settings.issuer(leeway_s=9_999), release="r2", x=1)
    await setup.releases.reload()
    assert [event["why"] for event in setup.recorder.events("reload-failed")] == [
        "issuers[0].leeway_s: must be an integer from 0 to 300",
        "x: unknown member",
    ]
    assert setup.at_once(GOOD).status == 200
    setup.write(
        settings.issuer(algorithms=["HS256"], keys={"from": "secret", "credential": "gone"}), release="r3"
    )
    await setup.releases.reload()
    assert "credential `gone`: not found" in setup.recorder.events("reload-failed")[-1]["why"]
    assert setup.changes == [("r1",)]


async def test_a_reload_keeps_the_keys_it_has(setup: Setup) -> None:
    setup.start(setup.discovered())
    text = b"Bearer " + token(claims(iss=setup.provider.url), private_key("RSA"))
    await setup.waiting(text)
    setup.write(setup.discovered(leeway_s=60), release="r2")
    await setup.releases.reload()
    assert setup.at_once(text, LIGHTGATE_RELEASE="r2").status == 200
    assert setup.provider.count("/jwks") == 1


async def test_what_no_release_uses_any_more_ends(setup: Setup) -> None:
    setup.start(setup.discovered())
    for release in ("r2", "r3"):
        setup.write(release=release)
        await setup.releases.reload()
    assert (setup.pool._remote, setup.pool._discoveries) == ({}, {})


async def test_readings_of_the_file_do_not_overlap__OPS_11(setup: Setup) -> None:
    """What a newer release took up again is not ended by an older one that is still tidying up."""
    both = (
        setup.discovered(),
        settings.issuer(
            name="opaque",
            issuer="https://opaque.example",
            **settings.introspecting(setup.provider.url + "/introspect"),
        ),
    )
    setup.provider.answers["opaque"] = {"active": True, "sub": "alice"}
    setup.start(*both)
    setup.write(release="r2")
    await setup.releases.reload()
    looking: list[asyncio.Task[None]] = []

    def look_at_once(releases: tuple[Release, ...]) -> None:
        if releases[0].settings.release == "r3":
            setup.write(*both, release="r4")
            looking.append(asyncio.create_task(setup.releases.look_again()))

    setup.on_change = look_at_once
    setup.write(release="r3")
    await setup.releases.reload()
    await asyncio.gather(*looking)
    assert setup.changes == [("r1",), ("r2", "r1"), ("r3", "r2"), ("r4", "r3")]
    await eventually(lambda: setup.releases.current.stores["corp"].current() is not None)
    fetches = setup.provider.count("/jwks")
    setup.time.advance(600)
    await eventually(lambda: setup.provider.count("/jwks") == fetches + 1)
    assert (await setup.waiting(b"Bearer opaque", LIGHTGATE_RELEASE="r4")).status == 200
    setup.pool.forget()
    assert (await setup.waiting(b"Bearer opaque", LIGHTGATE_RELEASE="r4")).status == 200


async def test_a_bug_is_a_503_and_one_event__FCGI_01(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("secret-token")

    setup.start()
    monkeypatch.setattr("sidecar.authorizer.decide", broken)
    answer = setup.at_once(GOOD)
    assert (answer.status, answer.fields["Lightgate-Answer"]) == (503, "r1 12.34.56")
    (event,) = setup.recorder.events("bug")
    assert event["error"] == "RuntimeError"
    assert "secret" not in json.dumps(setup.recorder.events())


async def test_a_bug_while_waiting_is_a_503_too__FCGI_01(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.start(setup.discovered())

    async def broken(_self: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("sidecar.keysets.RemoteKeys.demand", broken)
    text = b"Bearer " + token(claims(iss=setup.provider.url), private_key("RSA"))
    assert (await setup.waiting(text)).status == 503
    assert setup.reasons() == ["bug"]


async def test_one_waiting_request_does_not_hold_up_another(setup: Setup) -> None:
    setup.provider.gate.clear()
    setup.start(
        setup.discovered(),
        settings.issuer(name="fixed"),
    )
    slow = setup.authorizer.answer(
        params(deferral(b"Bearer " + token(claims(iss=setup.provider.url), private_key("RSA"))))
    )
    assert not isinstance(slow, bytes)
    task = asyncio.create_task(slow.result())
    assert setup.at_once(GOOD).status == 200
    setup.provider.gate.set()
    assert parse_cgi(await task).status == 200
