"""server.error-handler runs an application for requests that failed, some of which no rule has ever seen.

lighttpd refuses what is malformed by itself, and modules before mod_magnet refuse what they like; then it
starts the request over with the handler's path, while an application behind it routes on the URL as sent.
"""

from __future__ import annotations

import pytest

from tests.conftest import Gates
from tests.system.gate import MODULES, Gate
from tests.system.wire import send

pytestmark = pytest.mark.system

POLICY = """
default = "pass"

[[rule]]
name    = "no admin"
when    = 'request.path.startswith("/admin/")'
respond = { status = 403 }
"""
#: mod_access as Debian has it, before everything that conf-enabled names
ACCESS_FIRST = 'server.modules = ( "mod_access" )\nurl.access-deny = ( "~" )\n' + MODULES
HANDLER = "/public/echo.php"

MALFORMED = [
    b"GET /admin/x HTTP/1.1\r\nHost: a b\r\n",
    b"GET /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n",
    b"BREW /admin/x HTTP/1.1\r\nHost: a\r\n",
    b"GET /admin/x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\nTransfer-Encoding: x\r\n",
    b"GET /admin/%00 HTTP/1.1\r\nHost: a\r\n",
    b"GET /admin/x~ HTTP/1.1\r\nHost: a\r\n",
]


def site_with(gate: Gates, handler: str) -> Gate:
    options = f'{handler} = "{HANDLER}"\n'
    return gate(POLICY, modules=ACCESS_FIRST, options=options)


@pytest.mark.parametrize("handler", ["server.error-handler", "server.error-handler-404"])
@pytest.mark.parametrize("request_", MALFORMED)
def test_none_runs_for_what_no_rule_has_seen(gate: Gates, handler: str, request_: bytes) -> None:
    site = site_with(gate, handler)
    for _ in range(2):
        response = send(site.port, request_ + b"Connection: close\r\n\r\n")
        assert 400 <= response.status <= 501
        assert "php" not in response.text
        assert "/admin/" not in response.text


@pytest.mark.parametrize("handler", ["server.error-handler", "server.error-handler-404"])
def test_it_runs_for_what_the_rules_let_through(gate: Gates, handler: str) -> None:
    site = site_with(gate, handler)
    assert site.get("/admin/missing").status == 403

    first = site.get("/public/missing")  # shows that there is a handler, and gets lightgate's own page
    assert (first.status, "php" in first.text) == (404, False)
    second = site.get("/public/missing")
    assert second.json()["target"] == "/public/missing"
    assert site.get("/admin/missing").status == 403
