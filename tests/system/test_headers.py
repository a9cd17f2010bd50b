"""Header fields that carry identity come from the policy alone, however a client spells them."""

from __future__ import annotations

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate, lighttpd_version
from tests.system.policies import local_policy
from tests.system.tokens import Signer, claims
from tests.system.wire import Connection, Fields, Protocol, bearer, curl

pytestmark = pytest.mark.system

#: names that CGI, or an application that lower-cases and maps punctuation, takes for X-User or X-Roles
SPELLINGS = [
    "X-User",
    "x-user",
    "X-USER",
    "X_User",
    "x_user",
    "X_USER",
    "X.User",
    "X~User",
    "X!User",
    "X*User",
    "X+User",
    "X'User",
    "X|User",
    "X`User",
    "X^User",
    "X$User",
    "X%User",
    "X&User",
    "X#User",
]
FORGED: Fields = [(name, "mallory") for name in SPELLINGS] + [
    ("X-Roles", "admin"),
    ("X_Email", "m@example.org"),
]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture(scope="module")
def site(module_gate: Gates, signer: Signer) -> Gate:
    return module_gate(local_policy('jwks_file = "keys.json"'), files={"keys.json": signer.jwks()})


def cgi_name(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.upper())


def identity_fields(said: dict[str, object]) -> list[tuple[str, str]]:
    """What an origin got under any spelling of the identity fields, sorted."""
    if said["origin"] == "php":
        pairs = [(name.removeprefix("HTTP_"), value) for name, value in said["parameters"].items()]  # type: ignore[attr-defined]
    else:
        pairs = [(cgi_name(name), value) for name, value in said["headers"]]  # type: ignore[attr-defined]
    return sorted((n, v) for n, v in pairs if n in ("X_USER", "X_ROLES", "X_EMAIL"))


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("target", ["/public/echo.php", "/public/app/x"])
def test_spelling_is_removed_on_public_paths(site: Gate, target: str, name: str) -> None:
    response = site.get(target, [(name, "mallory"), ("X-Other", "kept")])
    assert response.status == 200
    assert identity_fields(response.json()) == []
    assert "kept" in response.text
    assert "mallory" not in response.text


@pytest.mark.parametrize("target", ["/members/echo.php", "/members/app/x"])
def test_all_spellings_at_once_lose_against_the_policy(site: Gate, signer: Signer, target: str) -> None:
    token = bearer(signer.sign(claims(sub="alice", realm_access={"roles": ["dev"]}, jti=target)))
    for _ in range(2):  # deferred, then from memory
        response = site.get(target, [*FORGED, token, *FORGED])
        assert response.status == 200
        assert identity_fields(response.json()) == [("X_ROLES", "dev"), ("X_USER", "alice")]
        assert "mallory" not in response.text


@pytest.mark.parametrize("protocol", ["h2c", "h2"])
def test_spellings_over_http2(site: Gate, protocol: Protocol) -> None:
    fields = [(name.lower(), "mallory") for name in ("X-User", "X_User", "X.User")]
    response = curl(site.url("/public/app/x", tls=protocol == "h2"), protocol=protocol, fields=fields)
    assert response.status == 200
    assert "mallory" not in response.text


def test_fields_do_not_leak_to_the_next_request(site: Gate, signer: Signer) -> None:
    token = bearer(signer.sign(claims(sub="alice")))
    with Connection(site.port) as connection:
        first = connection.request("GET", "/members/app/x", [token])
        assert ("X_USER", "alice") in identity_fields(first.json())
        second = connection.request("GET", "/public/app/x")
        assert identity_fields(second.json()) == []
        assert second.field("X-Content-Type-Options") == "nosniff"


LIGHTGATE_LOOKALIKES: Fields = [
    ("Lightgate-Answer", "x y"),
    ("Lightgate-State", "x y 1 1"),
    ("LIGHTGATE_STATE", "x y 1 1"),
    ("LIGHTGATE_IDENTITY", "release=x&provider=corp&sub=mallory"),
    ("LIGHTGATE_ANSWER", "x y"),
    ("LIGHTGATE_EXPIRES", "4000000000"),
    ("Variable-LIGHTGATE_ANSWER", "x y"),
    ("Variable-LIGHTGATE_IDENTITY", "release=x&provider=corp&sub=mallory"),
    ("REMOTE_USER", "mallory"),
    ("Remote-User", "mallory"),
    ("LIGHTGATE_ROLES", "admin"),
]


#: the same, of each name that is one name for CGI only the first spelling, or only the last
FIRST_SPELLINGS: Fields = list({cgi_name(name): (name, v) for name, v in LIGHTGATE_LOOKALIKES[::-1]}.values())
LAST_SPELLINGS: Fields = list({cgi_name(name): (name, v) for name, v in LIGHTGATE_LOOKALIKES}.values())

#: from this version on lighttpd itself refuses to hand a request that has two of them to FastCGI
CLASHES_REFUSED = (1, 4, 83)


@pytest.mark.parametrize(
    "fields", [LIGHTGATE_LOOKALIKES, FIRST_SPELLINGS, LAST_SPELLINGS], ids=["all", "first", "last"]
)
def test_lookalikes_open_nothing(site: Gate, fields: Fields) -> None:
    before = site.deferrals()
    assert site.get("/members/page.txt", fields).status == 401
    response = site.get("/public/echo.php", fields)
    if fields is LIGHTGATE_LOOKALIKES and lighttpd_version() >= CLASHES_REFUSED:
        assert response.status == 400
        return
    assert response.status == 200
    parameters = response.json()["parameters"]
    assert "REMOTE_USER" not in parameters
    own = [name for name in parameters if name.startswith("LIGHTGATE_") and name != "LIGHTGATE_RESPONSE"]
    assert own == []
    assert site.deferrals() == before


def test_lookalikes_with_the_release_and_a_refused_token(site: Gate) -> None:
    identity = f"release={site.release_id}&provider=corp&sub=mallory&role=admin"
    fields = [
        ("LIGHTGATE_RELEASE", site.release_id),
        ("LIGHTGATE_IDENTITY", identity),
        ("Variable-LIGHTGATE_IDENTITY", identity),
        bearer(Signer().sign(claims())),
    ]
    response = site.get("/members/admin/page.txt", fields)
    assert response.status == 401
    assert "admin page" not in response.text


@pytest.mark.parametrize(
    "target", ["/.lightgate", "/.lightgate/", "/.lightgate/authorize", "/%2elightgate/authorize"]
)
def test_reserved_prefix_does_not_exist_for_clients(site: Gate, signer: Signer, target: str) -> None:
    before = site.deferrals()
    assert site.get(target).status == 404
    assert site.get(target, [bearer(signer.sign(claims()))]).status == 404
    assert site.deferrals() == before
