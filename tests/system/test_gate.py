"""A caller's way through the gate: who gets in, who does not, and what the origin and the client are told."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.identity_provider import IdentityProvider, Kind
from tests.system.policies import local_policy, provider_policy
from tests.system.processes import poll
from tests.system.tokens import Signer, claims, hs256, segment
from tests.system.wire import Connection, bearer, curl

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def site(module_gate: Gates, identity_provider: IdentityProvider) -> Gate:
    secret = identity_provider.credentials["lightgate-basic"]
    return module_gate(provider_policy(identity_provider.issuer), credentials={"introspection": secret})


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture(scope="module")
def local_site(module_gate: Gates, signer: Signer) -> Gate:
    return module_gate(local_policy('jwks_file = "keys.json"'), files={"keys.json": signer.jwks()})


# --- who gets in ---


def test_public_page_needs_nothing(site: Gate) -> None:
    response = site.get("/public/page.txt")
    assert (response.status, response.text) == (200, "the public page\n")
    assert response.field("X-Content-Type-Options") == "nosniff"
    assert response.field("WWW-Authenticate") is None


def test_no_token_is_challenged(site: Gate) -> None:
    before = site.deferrals()
    response = site.get("/members/page.txt")
    assert response.status == 401
    assert response.field("WWW-Authenticate") == 'Bearer realm="corp"'  # RFC 6750 section 3: no error code
    assert response.field("Cache-Control") == "no-store"
    assert "members page" not in response.text
    assert site.deferrals() == before


@pytest.mark.parametrize("kind", ["rs256", "es256", "eddsa", "opaque"])
def test_token_of_every_kind_gets_in(site: Gate, identity_provider: IdentityProvider, kind: Kind) -> None:
    token = identity_provider.token(kind, sub="alice")
    before = site.deferrals()
    response = site.get("/members/page.txt", [bearer(token)])
    assert (response.status, response.text) == (200, "the members page\n")
    assert site.deferrals() == before + 1


@pytest.mark.parametrize("client", ["lightgate-basic", "lightgate-post", "lightgate-key"])
def test_introspection_client_authentication(
    gate: Gates, identity_provider: IdentityProvider, client: str
) -> None:
    site = gate(
        provider_policy(identity_provider.issuer, client=client),
        credentials={"introspection": identity_provider.credentials[client]},
    )
    assert site.get("/members/page.txt", [bearer(identity_provider.token("opaque"))]).status == 200
    assert site.get("/members/page.txt", [bearer("x" * 43)]).status == 401


def test_revoked_opaque_token_is_refused(site: Gate, identity_provider: IdentityProvider) -> None:
    token = identity_provider.token("opaque")
    identity_provider.revoke(token)
    response = site.get("/members/page.txt", [bearer(token)])
    assert response.status == 401
    assert 'error="invalid_token"' in (response.field("WWW-Authenticate") or "")


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c", "h2"])
def test_protocols(site: Gate, identity_provider: IdentityProvider, protocol: str) -> None:
    url = site.url("/members/page.txt", tls=protocol == "h2")
    assert curl(url, protocol=protocol).status == 401  # type: ignore[arg-type]
    token = bearer(identity_provider.token())
    for _ in range(2):  # deferred, then from memory
        response = curl(url, protocol=protocol, fields=[token])  # type: ignore[arg-type]
        assert (response.status, response.body) == (200, b"the members page\n")


def test_role_is_required(site: Gate, identity_provider: IdentityProvider) -> None:
    response = site.get("/members/admin/page.txt", [bearer(identity_provider.token(roles=["dev"]))])
    assert response.status == 403
    challenge = response.field("WWW-Authenticate") or ""
    assert challenge.startswith('Bearer realm="corp", error="insufficient_scope", ')
    assert challenge.endswith(', scope="admin"')
    assert "admin page" not in response.text
    response = site.get("/members/admin/page.txt", [bearer(identity_provider.token(roles=["dev", "admin"]))])
    assert (response.status, response.text) == (200, "the members admin page\n")


# --- what the origin is told ---


@pytest.mark.parametrize("kind", ["rs256", "opaque"])
def test_php_learns_who_it_is(site: Gate, identity_provider: IdentityProvider, kind: Kind) -> None:
    token = identity_provider.token(kind, sub="alice", roles=["dev", "ops"], email="alice@example.org")
    for _ in range(2):  # deferred, then from memory
        parameters = site.get("/members/echo.php", [bearer(token)]).json()["parameters"]
        told = {
            name: parameters.get(name)
            for name in ("REMOTE_USER", "HTTP_X_USER", "HTTP_X_ROLES", "HTTP_X_EMAIL")
        }
        assert told == {
            "REMOTE_USER": "alice",
            "HTTP_X_USER": "alice",
            "HTTP_X_ROLES": "dev,ops",
            "HTTP_X_EMAIL": "alice@example.org",
        }
        assert parameters["LIGHTGATE_ROLES"] == "dev,ops"
        assert "HTTP_AUTHORIZATION" not in parameters
        own = {name for name in parameters if name.startswith("LIGHTGATE_")}
        assert own <= {"LIGHTGATE_ROLES", "LIGHTGATE_IDENTITY", "LIGHTGATE_RESPONSE"}


@pytest.mark.parametrize("kind", ["rs256", "opaque"])
def test_proxied_application_learns_who_it_is(
    site: Gate, identity_provider: IdentityProvider, kind: Kind
) -> None:
    token = identity_provider.token(kind, sub="alice", roles=["dev", "ops"])
    for _ in range(2):
        said = site.get("/members/app/orders?id=7", [bearer(token)]).json()
        assert said["target"] == "/members/app/orders?id=7"
        fields = [(name.lower(), value) for name, value in said["headers"]]
        assert [value for name, value in fields if name == "x-user"] == ["alice"]
        assert [value for name, value in fields if name == "x-roles"] == ["dev,ops"]
        assert not [value for name, value in fields if name in ("authorization", "x-email")]


def test_subject_survives_every_encoding(site: Gate, identity_provider: IdentityProvider) -> None:
    subject = 'x&y=z;%41+ü "quoted"|release=1'
    token = identity_provider.token("rs256", sub=subject)
    for _ in range(2):
        assert site.get("/members/echo.php", [bearer(token)]).json()["parameters"]["REMOTE_USER"] == subject


def test_public_path_with_a_token_knows_the_caller(site: Gate, identity_provider: IdentityProvider) -> None:
    token = identity_provider.token(sub="alice")
    assert site.get("/public/echo.php", [bearer(token)]).json()["parameters"]["REMOTE_USER"] == "alice"
    assert "REMOTE_USER" not in site.get("/public/echo.php").json()["parameters"]


def test_callers_on_one_connection_do_not_mix(site: Gate, identity_provider: IdentityProvider) -> None:
    alice, bob = (identity_provider.token(sub=name, roles=[name]) for name in ("alice", "bob"))
    sequence = [alice, None, bob, alice, None, bob, bob]
    with Connection(site.port) as connection:
        for token in sequence:
            fields = [bearer(token)] if token else []
            response = connection.request("GET", "/members/echo.php", fields)
            if token is None:
                assert response.status == 401
                continue
            parameters = response.json()["parameters"]
            name = "alice" if token == alice else "bob"
            assert (parameters["REMOTE_USER"], parameters["LIGHTGATE_ROLES"]) == (name, name)


# --- how a refusal looks ---


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("credential", [None, "forged"])
def test_refusal_comes_as_the_client_reads_it(
    local_site: Gate, signer: Signer, credential: str | None, accept: str | None, content_type: str
) -> None:
    fields = [("Accept", accept)] if accept else []
    if credential:  # well-formed, wrong key: the sidecar says no
        fields.append(bearer(Signer().sign(claims())))
    response = local_site.get("/members/page.txt", fields)
    assert response.status == 401
    assert response.field("Content-Type") == content_type
    assert response.field("Lightgate-Answer") is None
    if content_type == "application/json":
        assert response.json()["status"] == 401
        assert response.json().get("error") == ("invalid_token" if credential else None)
    else:
        assert response.text.startswith("<!doctype html>")


REFUSED_IN_LUA: dict[str, Callable[[Signer], tuple[str, int]]] = {
    "expired": lambda signer: (signer.sign(claims(ttl_s=-1)), 401),
    "long expired": lambda signer: (signer.sign(claims(ttl_s=-86_400)), 401),
    "alg none": lambda _: (f"{segment({'alg': 'none'})}.{segment(claims())}.", 401),
    "alg none with a signature": lambda _: (
        f"{segment({'alg': 'none'})}.{segment(claims())}.{'A' * 342}",
        401,
    ),
    "alg nOnE": lambda _: (f"{segment({'alg': 'nOnE'})}.{segment(claims())}.AAAA", 401),
    "alg HS256 where RS256 is meant": lambda _: (
        f"{segment({'alg': 'HS256'})}.{segment(claims())}.{'A' * 43}",
        401,
    ),
    "alg missing": lambda _: (f"{segment({'typ': 'JWT'})}.{segment(claims())}.AAAA", 401),
    "crit": lambda signer: (signer.sign(claims(), crit=["exp"]), 401),
    "two segments": lambda signer: (signer.sign(claims()).rpartition(".")[0], 401),
    "four segments": lambda signer: (signer.sign(claims()) + ".AAAA", 401),
    "five segments": lambda _: (".".join(["AAAA"] * 5), 401),
    "no dots": lambda _: ("A" * 40, 401),
    "empty signature": lambda signer: (signer.sign(claims()).rpartition(".")[0] + ".", 401),
    "header is not JSON": lambda _: (f"{segment(b'{')}.{segment(claims())}.AAAA", 401),
    "header is an array": lambda _: (f"{segment([])}.{segment(claims())}.AAAA", 401),
    "padded header": lambda signer: (signer.sign(claims()).replace(".", "=.", 1), 401),
    "not base64url": lambda _: ("a+b/.AAAA.AAAA", 401),
    "space inside": lambda signer: (signer.sign(claims()).replace(".", " .", 1), 400),
    "quoted": lambda signer: (f'"{signer.sign(claims())}"', 400),
    "two in one field": lambda signer: (f"{signer.sign(claims())}, Bearer {signer.sign(claims())}", 400),
}


@pytest.mark.parametrize("name", REFUSED_IN_LUA)
def test_hopeless_tokens_are_refused_without_a_deferral(local_site: Gate, signer: Signer, name: str) -> None:
    token, status = REFUSED_IN_LUA[name](signer)
    before = local_site.deferrals()
    response = local_site.get("/members/page.txt", [bearer(token)])
    assert response.status == status
    code = "invalid_request" if status == 400 else "invalid_token"  # RFC 6750 section 3.1
    assert f'error="{code}"' in (response.field("WWW-Authenticate") or "")
    assert local_site.deferrals() == before


def test_oversized_token_is_refused_without_a_deferral(gate: Gates, signer: Signer) -> None:
    site = gate(
        local_policy('jwks_file = "keys.json"'),
        files={"keys.json": signer.jwks()},
        options="server.max-request-field-size = 65535",
    )
    token = signer.sign(claims(filler="x" * 9000))
    response = site.get("/members/page.txt", [bearer(token)])
    assert response.status == 401
    assert site.deferrals() == 0


def test_two_credentials_are_refused(local_site: Gate, signer: Signer) -> None:
    before = local_site.deferrals()
    good = signer.sign(claims())
    for fields in (
        [bearer(good), bearer(good)],
        [bearer(good), ("Authorization", "Basic YTpi")],
        [("Authorization", "Basic YTpi"), bearer(good)],
    ):
        response = local_site.get("/members/page.txt", fields)
        assert response.status == 400
        assert 'error="invalid_request"' in (response.field("WWW-Authenticate") or "")
    assert local_site.deferrals() == before


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_scheme_is_case_insensitive(local_site: Gate, signer: Signer, scheme: str) -> None:
    field = ("Authorization", f"{scheme} {signer.sign(claims())}")
    assert local_site.get("/members/page.txt", [field]).status == 200


def test_forged_signature_is_refused(local_site: Gate, signer: Signer) -> None:
    head, _, signature = signer.sign(claims()).rpartition(".")
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for token in (Signer().sign(claims()), f"{head}.{flipped}", f"{head}.{signature[:-4]}"):
        response = local_site.get("/members/page.txt", [bearer(token)])
        assert response.status == 401
        assert 'error="invalid_token"' in (response.field("WWW-Authenticate") or "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://login.example.org/"},
        {"aud": "other"},
        {"nbf": 4_000_000_000},
        {"cnf": {"jkt": "x"}},
        {"events": {}},
        {"sub": ""},
        {"sub": "alice\r\nX-Admin: 1"},
        {"exp": "4000000000"},
        {"exp": 4_000_000_000},  # beyond max_lifetime
    ],
    ids=str,
)
def test_wrong_claims_are_refused(local_site: Gate, signer: Signer, wrong: dict[str, object]) -> None:
    assert local_site.get("/members/page.txt", [bearer(signer.sign({**claims(), **wrong}))]).status == 401


# --- what is remembered ---


def test_remembered_caller_does_not_reach_the_sidecar(local_site: Gate, signer: Signer) -> None:
    token = bearer(signer.sign(claims(sub="carol")))
    before = local_site.deferrals()
    for _ in range(20):
        assert local_site.get("/members/page.txt", [token]).status == 200
    assert local_site.deferrals() == before + 1


def test_remembered_signature_opens_nothing_else(local_site: Gate, signer: Signer) -> None:
    """Lua finds verdicts by the end of a token; the rest must be compared too."""
    token = signer.sign(claims(sub="erin"))
    assert local_site.get("/members/page.txt", [bearer(token)]).status == 200
    header, _, signature = token.split(".")
    other = f"{header}.{segment(claims(sub='erin', realm_access={'roles': ['admin']}))}.{signature}"
    assert local_site.get("/members/page.txt", [bearer(other)]).status == 401
    assert local_site.get("/members/page.txt", [bearer(token)]).status == 200


def test_nothing_is_remembered_past_the_end_of_the_token(local_site: Gate, signer: Signer) -> None:
    payload = claims(ttl_s=3)
    token = bearer(signer.sign(payload))
    admitted_at = []

    def refused() -> bool:
        asked_at = time.time()
        response = local_site.get("/members/page.txt", [token])
        if response.status == 200:
            admitted_at.append(asked_at)
        return response.status == 401

    poll("the token is refused", refused, deadline_s=8)
    assert admitted_at
    assert max(admitted_at) < payload["exp"]


def test_token_of_this_very_second_is_accepted(gate: Gates) -> None:
    """Lua must not judge `iat` by the clock of lighttpd's event loop, which may be a second late."""
    secret = "a shared secret that is long enough for it"
    site = gate(local_policy('secret = "partner"'), credentials={"partner": secret})
    asked_until = time.monotonic() + 2.5
    serial = 0

    def all_asked() -> bool:
        nonlocal serial
        serial += 1
        token = hs256(secret.encode(), claims(jti=str(serial)))
        assert site.get("/members/page.txt", [bearer(token)]).status == 200
        return time.monotonic() > asked_until

    poll("tokens of every part of a second", all_asked, deadline_s=5)


def test_epoch_makes_it_forget_within_two_seconds(local_site: Gate, signer: Signer) -> None:
    token = bearer(signer.sign(claims(sub="dave")))
    assert local_site.get("/members/page.txt", [token]).status == 200
    before = local_site.deferrals()
    os.utime(local_site.deployment.epoch_file)

    def asked_again() -> bool:
        assert local_site.get("/members/page.txt", [token]).status == 200
        return local_site.deferrals() > before

    poll("the sidecar is asked again", asked_again, deadline_s=2)


# --- other parts of lighttpd ---


def test_rewrites_and_error_handlers_know_the_caller(gate: Gates, signer: Signer) -> None:
    site = gate(
        local_policy('jwks_file = "keys.json"'),
        files={"keys.json": signer.jwks()},
        options="""
url.rewrite-if-not-file = (
    "^/members/virtual/(.*)" => "/members/echo.php?from=$1",
    "^/public/virtual/(.*)"  => "/members/admin/page.txt"
)
server.error-handler-404 = "/members/echo.php"
""",
    )
    alice = bearer(signer.sign(claims(sub="alice")))
    assert site.get("/public/missing").status == 404  # shows that there is a handler: test_error_handlers.py
    for _ in range(2):
        response = site.get("/members/virtual/x", [alice])
        assert response.json()["parameters"]["REMOTE_USER"] == "alice"
        assert response.json()["parameters"]["QUERY_STRING"] == "from=x"
        assert site.get("/members/missing", [alice]).json()["parameters"]["REMOTE_USER"] == "alice"
    # the rules of the path that is served apply, not only those of the path that was asked for
    assert site.get("/members/virtual/x").status == 401
    for target in ("/public/virtual/x", "/public/missing"):
        response = site.get(target)
        assert response.status in (401, 404)
        assert "admin page" not in response.text
        assert '"origin"' not in response.text
    assert site.get("/public/virtual/x", [alice]).status == 403


def test_basic_authentication_before_the_gate(gate: Gates, signer: Signer) -> None:
    site = gate(
        local_policy('jwks_file = "keys.json"'),
        files={"keys.json": signer.jwks(), "passwords": "carol:secret\n"},
        modules='server.modules += ( "mod_auth", "mod_authn_file" )\n'
        'include "$release/lightgate.conf"\n'
        'server.modules += ( "mod_proxy", "mod_openssl", "mod_staticfile" )',
        options="""
auth.backend = "plain"
auth.backend.plain.userfile = "$directory/policy/passwords"
$HTTP["url"] =~ "^/public/(admin/|echo)" {
    auth.require = ( "" => ( "method" => "basic", "realm" => "office", "require" => "valid-user" ) )
}
""",
    )
    basic = ("Authorization", "Basic Y2Fyb2w6c2VjcmV0")
    response = site.get("/public/admin/page.txt")
    assert response.status == 401
    assert re.match('Basic realm="office"', response.field("WWW-Authenticate") or "")
    assert site.get("/public/admin/page.txt", [basic]).status == 200
    assert site.get("/public/echo.php", [basic]).json()["parameters"]["REMOTE_USER"] == "carol"
    # a password is not an identity: the members' area wants a token
    assert site.get("/members/page.txt", [basic]).status == 401
    assert site.deferrals() == 0
