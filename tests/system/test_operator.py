"""The pages for whoever runs the server: health proves the whole way, status shows what Lua holds."""

from __future__ import annotations

import pytest

from tests.conftest import Gates
from tests.system.policies import local_policy
from tests.system.processes import poll
from tests.system.tokens import Signer, claims
from tests.system.wire import bearer

pytestmark = pytest.mark.system

HEALTH = "/.lightgate/health"
STATUS = "/.lightgate/status"
OPEN = 'default = "pass"\n'


@pytest.mark.parametrize("auth", [True, False])
def test_health_goes_all_the_way(gate: Gates, auth: bool) -> None:
    signer = Signer()
    keys = {"keys.json": signer.jwks()}
    site = gate(local_policy('jwks_file = "keys.json"') if auth else OPEN, files=keys)
    response = site.get(HEALTH)
    assert (response.status, response.body) == (204, b"")
    assert response.field("Lightgate-Release") == site.release_id
    assert response.field("Lightgate-Answer") is None
    assert response.field("Cache-Control") == "no-store"

    assert site.sidecar is not None
    site.sidecar.kill()
    assert site.get(HEALTH).status == 503
    site.start_sidecar()
    poll("health comes back", lambda: site.get(HEALTH).status == 204, deadline_s=3)


def test_health_is_of_the_release_in_force(gate: Gates) -> None:
    site = gate(OPEN)
    release = site.deploy(
        OPEN + '[[rule]]\nname = "x"\nwhen = \'request.path == "/x"\'\nrespond = { status = 404 }\n'
    )
    poll("the new release is in force", lambda: site.get(HEALTH).field("Lightgate-Release") == release, 5)
    assert site.get(HEALTH).status == 204


def test_a_rule_cannot_hide_or_change_them(gate: Gates) -> None:
    site = gate('default = "deny"\n[[rule]]\nname = "all"\nrespond = { status = 410 }\n')
    assert site.get(HEALTH).status == 204
    assert site.get(STATUS).status == 200
    assert site.get("/public/page.txt").status == 410


def test_status_shows_what_lua_holds(gate: Gates) -> None:
    signer = Signer()
    site = gate(local_policy('jwks_file = "keys.json"'), files={"keys.json": signer.jwks()})
    field = bearer(signer.sign(claims()))
    for _ in range(3):
        assert site.get("/members/page.txt", [field]).status == 200
    response = site.get(STATUS)
    assert response.status == 200
    assert response.field("Content-Type") == "application/json"
    document = response.json()
    assert document["release"] == site.release_id
    assert document["lighttpd"].startswith("1.4.")
    assert document["lua"].startswith("Lua 5.")
    assert document["verdicts"] | {"flushes": 0} == {"entries": 1, "hits": 2, "misses": 1, "flushes": 0}


def test_behind_a_front_they_are_for_its_clients_no_more_than_without(gate: Gates) -> None:
    options = """
        server.modules += ( "mod_extforward" )
        extforward.forwarder = ( "127.0.0.1" => "trust" )
    """
    site = gate(OPEN, options=options)
    assert site.get(HEALTH, [("X-Forwarded-For", "192.0.2.7")]).status == 404
    assert site.get(STATUS, [("X-Forwarded-For", "192.0.2.7")]).status == 404
