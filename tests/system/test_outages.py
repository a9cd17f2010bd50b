"""What breaks around lighttpd closes the gate for those it must, and only for them, and only for as long."""

from __future__ import annotations

import time

import pytest

from luagen.release import activate
from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.identity_provider import IdentityProvider
from tests.system.policies import local_policy, provider_policy
from tests.system.processes import poll
from tests.system.tokens import Signer, claims
from tests.system.wire import bearer

pytestmark = pytest.mark.system

#: the gate's read timeout of 4 s fires up to two seconds later
HANG_DEADLINE_S = 7.0


def local(gate: Gates, signer: Signer) -> Gate:
    return gate(local_policy('jwks_file = "keys.json"'), files={"keys.json": signer.jwks()})


def with_provider(gate: Gates, provider: IdentityProvider, **options: object) -> Gate:
    policy = provider_policy(provider.issuer, **options)  # type: ignore[arg-type]
    return gate(policy, credentials={"introspection": provider.credentials["lightgate-basic"]})


def test_sidecar_killed_and_restarted(gate: Gates) -> None:
    signer = Signer()
    site = local(gate, signer)
    known = bearer(signer.sign(claims(sub="known")))
    assert site.get("/members/page.txt", [known]).status == 200

    assert site.sidecar is not None
    site.sidecar.kill()
    for number in range(5):
        started = time.monotonic()
        response = site.get("/members/page.txt", [bearer(signer.sign(claims(sub=f"new-{number}")))])
        assert response.status == 503
        assert "members page" not in response.text
        assert time.monotonic() - started < 2
        assert site.get("/public/page.txt").status == 200
        assert site.get("/members/page.txt").status == 401
        assert site.get("/members/page.txt", [known]).status == 200
        assert site.get("/members/page.txt", [bearer(signer.sign(claims(ttl_s=-1)))]).status == 401

    site.start_sidecar()
    field = bearer(signer.sign(claims(sub="after")))
    poll("callers get in again", lambda: site.get("/members/page.txt", [field]).status == 200, deadline_s=2)


def test_sidecar_never_started(gate: Gates) -> None:
    signer = Signer()
    site = local(gate, signer)
    assert site.sidecar is not None
    site.sidecar.stop()  # an orderly end: the socket is gone, not only unanswered
    assert site.get("/public/page.txt").status == 200
    assert site.get("/members/page.txt", [bearer(signer.sign(claims()))]).status == 503


def test_sidecar_hangs(gate: Gates) -> None:
    signer = Signer()
    site = local(gate, signer)
    known = bearer(signer.sign(claims(sub="known")))
    assert site.get("/members/page.txt", [known]).status == 200
    assert site.sidecar is not None
    site.sidecar.freeze()
    try:
        started = time.monotonic()
        response = site.get("/members/page.txt", [bearer(signer.sign(claims(sub="new")))])
        assert response.status in (503, 504)
        assert "members page" not in response.text
        assert time.monotonic() - started < HANG_DEADLINE_S
        assert site.get("/public/page.txt").status == 200
        assert site.get("/members/page.txt", [known]).status == 200
    finally:
        site.sidecar.thaw()
    field = bearer(signer.sign(claims(sub="after")))
    poll("callers get in again", lambda: site.get("/members/page.txt", [field]).status == 200, deadline_s=2)


def test_provider_dies_and_known_keys_keep_verifying(
    gate: Gates, own_identity_provider: IdentityProvider
) -> None:
    site = with_provider(gate, own_identity_provider, cache_s=60)
    jwts = [bearer(own_identity_provider.token("rs256", sub=f"caller-{number}")) for number in range(3)]
    opaque = [bearer(own_identity_provider.token("opaque", sub=f"caller-{number}")) for number in range(2)]
    assert site.get("/members/page.txt", [jwts[0]]).status == 200
    assert site.get("/members/page.txt", [opaque[0]]).status == 200

    own_identity_provider.process.kill()
    assert [site.get("/members/page.txt", [field]).status for field in jwts] == [200, 200, 200]
    assert site.get("/members/page.txt", [opaque[0]]).status == 200  # remembered for cache_s
    response = site.get("/members/page.txt", [opaque[1]])
    assert response.status == 503
    assert "members page" not in response.text
    assert site.get("/public/page.txt").status == 200


def test_provider_is_down_from_the_start(gate: Gates, own_identity_provider: IdentityProvider) -> None:
    token = bearer(own_identity_provider.token())
    own_identity_provider.process.kill()
    site = with_provider(gate, own_identity_provider)
    started = time.monotonic()
    response = site.get("/members/page.txt", [token])
    assert response.status == 503  # not 401: nobody knows whether the token is good
    assert response.field("Retry-After") is not None
    assert time.monotonic() - started < HANG_DEADLINE_S
    assert site.get("/public/page.txt").status == 200


@pytest.mark.parametrize("status", [500, 503, 404, 401, 204])
def test_introspection_that_fails_is_not_an_answer(
    gate: Gates, own_identity_provider: IdentityProvider, status: int
) -> None:
    site = with_provider(gate, own_identity_provider)
    token = bearer(own_identity_provider.token("opaque"))
    own_identity_provider.hold("/token/introspection", status)
    response = site.get("/members/page.txt", [token])
    assert response.status == 503
    assert "members page" not in response.text
    own_identity_provider.hold("/token/introspection", None)
    poll(
        "introspection counts again",
        lambda: site.get("/members/page.txt", [token]).status == 200,
        deadline_s=5,
    )


def test_introspection_that_hangs_is_given_up(gate: Gates, own_identity_provider: IdentityProvider) -> None:
    site = with_provider(gate, own_identity_provider)
    token = bearer(own_identity_provider.token("opaque"))
    own_identity_provider.delay_introspection(20)
    started = time.monotonic()
    assert site.get("/members/page.txt", [token]).status == 503
    assert time.monotonic() - started < 4  # the policy's timeout is 2 s, the sidecar's deadline 3 s


def test_new_keys_are_fetched_when_a_token_names_one(
    gate: Gates, own_identity_provider: IdentityProvider
) -> None:
    site = with_provider(gate, own_identity_provider, tokens="jwt")
    assert site.get("/members/page.txt", [bearer(own_identity_provider.token())]).status == 200
    own_identity_provider.rotate(keep=True)
    field = bearer(own_identity_provider.token())
    # a forced fetch comes at most every ten seconds for an issuer
    poll("the new key is known", lambda: site.get("/members/page.txt", [field]).status == 200, deadline_s=15)


def test_unknown_keys_do_not_flood_the_provider(gate: Gates, own_identity_provider: IdentityProvider) -> None:
    site = with_provider(gate, own_identity_provider, tokens="jwt")
    assert site.get("/members/page.txt", [bearer(own_identity_provider.token())]).status == 200
    before = own_identity_provider.requests()["jwks"]
    stranger = Signer()
    issuer, audience = own_identity_provider.issuer, "https://shop.example/rs256"
    for number in range(20):
        payload = claims(iss=issuer, aud=audience, jti=str(number))
        response = site.get("/members/page.txt", [bearer(stranger.sign(payload, kid=f"unknown-{number}"))])
        assert response.status == 401
    assert own_identity_provider.requests()["jwks"] <= before + 1


def test_new_release_reaches_both_sides(gate: Gates) -> None:
    signer = Signer()
    site = local(gate, signer)
    field = bearer(signer.sign(claims()))
    assert site.get("/members/page.txt", [field]).status == 200
    policy = local_policy('jwks_file = "keys.json"').replace("nosniff", "second")
    site.deploy(policy)

    def in_force() -> bool:
        response = site.get("/members/page.txt", [bearer(signer.sign(claims(jti=str(time.monotonic()))))])
        assert response.status in (200, 503)  # never a refusal, never anything else
        return response.status == 200 and response.field("X-Content-Type-Options") == "second"

    poll("the new policy decides", in_force, deadline_s=5)
    assert site.get("/members/page.txt", [field]).status == 200


def test_release_that_the_sidecar_does_not_know_is_unavailable(gate: Gates) -> None:
    signer = Signer()
    site = local(gate, signer)
    old, link = site.release_id, site.directory / "current"
    known = (site.directory / "releases" / old / "sidecar.json").read_bytes()
    new = site.deploy(local_policy('jwks_file = "keys.json"').replace("nosniff", "second"))
    # a half-made deployment: Lua of the new release, the sidecar's configuration of the old one
    (site.directory / "releases" / new / "sidecar.json").write_bytes(known)

    def mismatched() -> bool:
        response = site.get("/members/page.txt", [bearer(signer.sign(claims(jti=str(time.monotonic()))))])
        assert response.status in (200, 503)
        return response.status == 503

    poll("the sidecar refuses the unknown release", mismatched, deadline_s=5)
    assert site.get("/public/page.txt").field("X-Content-Type-Options") == "second"
    activate(site.directory / "releases", old, link)
    poll(
        "the old release serves again",
        lambda: (
            site.get("/members/page.txt", [bearer(signer.sign(claims(jti=str(time.monotonic()))))]).status
            == 200
        ),
        deadline_s=5,
    )
