"""HS256 tokens of a shared-secret issuer are verified inside lighttpd, without the sidecar."""

from __future__ import annotations

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.policies import local_policy
from tests.system.tokens import claims, hs256, segment
from tests.system.wire import bearer

pytestmark = pytest.mark.system

SECRET = "correct horse battery staple, and then some more of it"


@pytest.fixture(scope="module")
def site(module_gate: Gates) -> Gate:
    return module_gate(local_policy('secret = "partner"'), credentials={"partner": SECRET})


def test_good_token_gets_in_without_the_sidecar(site: Gate) -> None:
    token = hs256(SECRET.encode(), claims(sub="alice", realm_access={"roles": ["admin", "dev"]}))
    before = site.deferrals()
    for _ in range(2):  # verified, then from memory
        assert site.get("/members/admin/page.txt", [bearer(token)]).status == 200
        parameters = site.get("/members/echo.php", [bearer(token)]).json()["parameters"]
        assert (parameters["REMOTE_USER"], parameters["HTTP_X_ROLES"]) == ("alice", "admin,dev")
    assert site.deferrals() == before


@pytest.mark.parametrize(
    "token",
    [
        hs256(b"another secret that is long enough for the algorithm", claims()),
        hs256(SECRET.encode()[:-1], claims()),
        hs256(SECRET.encode() + b"\n", claims()),
        hs256(SECRET.encode(), claims())[:-1],
        hs256(SECRET.encode(), claims()) + "A",
        hs256(SECRET.encode(), claims(ttl_s=-1)),
        hs256(SECRET.encode(), claims(aud="other")),
        hs256(SECRET.encode(), claims(iss="https://login.example.org/")),
        hs256(SECRET.encode(), claims(cnf={})),
        hs256(SECRET.encode(), claims(), typ="logout+jwt"),
        hs256(SECRET.encode(), claims(), crit=["exp"]),
        hs256(SECRET.encode(), b'{"sub":"alice"'),
        hs256(SECRET.encode(), b"[]"),
        f"{segment({'alg': 'HS384'})}.{segment(claims())}.{'A' * 64}",
        f"{segment({'alg': 'none'})}.{segment(claims())}.",
        f"{segment({'alg': 'HS256'})}.{segment(claims())}.{'A' * 43}",
        f"{segment({'alg': 'HS256'})}.{segment(claims())}.",
    ],
)
def test_bad_token_is_refused_without_the_sidecar(site: Gate, token: str) -> None:
    before = site.deferrals()
    response = site.get("/members/page.txt", [bearer(token)])
    assert response.status == 401
    assert 'error="invalid_token"' in (response.field("WWW-Authenticate") or "")
    assert "members page" not in response.text
    assert site.deferrals() == before


def test_secret_that_lua_cannot_read_is_a_deferral_not_a_refusal(gate: Gates) -> None:
    site = gate(local_policy('secret = "partner"'), credentials={"partner": SECRET})
    (site.directory / "secrets" / "partner").unlink()
    assert site.get("/members/page.txt", [bearer(hs256(SECRET.encode(), claims()))]).status == 200
    assert site.deferrals() == 1
    wrong = hs256(b"another secret that is long enough for the algorithm", claims())
    assert site.get("/members/page.txt", [bearer(wrong)]).status == 401
    assert site.deferrals() == 2


def test_secret_is_in_no_artifact_and_no_log(site: Gate) -> None:
    token = hs256(SECRET.encode(), claims(sub="quiet"))
    assert site.get("/members/page.txt", [bearer(token)]).status == 200
    for path in (site.directory / "releases").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
    assert SECRET not in site.logs()
    assert token not in site.logs()
