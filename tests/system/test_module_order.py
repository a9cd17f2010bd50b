"""Wrong module orders that lighttpd accepts silently end in a refusal, not in protected content.

The order is what makes the gate safe. These tests show what the response guard catches when somebody gets it
wrong: it cannot undo what an application did, but its answer does not go out.
"""

from __future__ import annotations

import pytest

from tests.conftest import Gates
from tests.system.policies import local_policy
from tests.system.tokens import Signer, claims
from tests.system.wire import bearer

pytestmark = pytest.mark.system

INCLUDE = 'include "$release/lightgate.conf"\n'
REST = 'server.modules += ( "mod_indexfile", "mod_openssl", "mod_staticfile" )\n'
CATCH_ALL = 'proxy.server += ( "/" => ( "all" => ( "host" => "127.0.0.1", "port" => $application_port ) ) )'

ORDERS = {
    "fastcgi, magnet": (
        'server.modules += ( "mod_fastcgi" )\n' + INCLUDE + 'server.modules += ( "mod_proxy" )\n' + REST,
        "",
    ),
    "magnet, proxy, fastcgi": (
        'server.modules += ( "mod_magnet", "mod_proxy" )\n' + INCLUDE + REST,
        "",
    ),
    "magnet, proxy for everything, fastcgi": (
        'server.modules += ( "mod_magnet", "mod_proxy" )\n' + INCLUDE + REST,
        CATCH_ALL,
    ),
    "proxy, magnet, fastcgi": ('server.modules += ( "mod_proxy" )\n' + INCLUDE + REST, ""),
    "proxy for everything, magnet, fastcgi": (
        'server.modules += ( "mod_proxy" )\n' + INCLUDE + REST,
        CATCH_ALL,
    ),
}

TARGETS = ["/members/page.txt", "/members/echo.php", "/members/app/x"]


@pytest.mark.parametrize("order", ORDERS)
def test_wrong_order_never_serves_protected_content(gate: Gates, order: str) -> None:
    modules, options = ORDERS[order]
    site = gate(
        local_policy('jwks_file = "keys.json"'),
        files={"keys.json": Signer().jwks()},
        modules=modules,
        options=options,
    )
    forged = bearer(Signer().sign(claims()))
    for target in TARGETS:
        for fields in ([], [forged]):
            response = site.get(target, fields)
            assert response.status >= 400, (target, fields)
            assert "members page" not in response.text
            assert '"origin"' not in response.text


def test_right_order_with_a_catch_all_application(gate: Gates) -> None:
    signer = Signer()
    site = gate(
        local_policy('jwks_file = "keys.json"'),
        files={"keys.json": signer.jwks()},
        modules=INCLUDE + 'server.modules += ( "mod_proxy" )\n' + REST,
        options=CATCH_ALL,
    )
    assert site.get("/members/anything").status == 401
    assert site.get("/members/anything", [bearer(Signer().sign(claims()))]).status == 401
    said = site.get("/members/anything", [bearer(signer.sign(claims()))]).json()
    assert (said["origin"], said["target"]) == ("application", "/members/anything")
