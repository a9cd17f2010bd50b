"""The gate on a whole host: who gets in, and what PHP and the proxied application are told."""

from __future__ import annotations

import pytest

from tests.docker.gated import PARTNER_SECRET, Gated
from tests.system.identity_provider import Kind
from tests.system.tokens import Signer, claims
from tests.system.wire import bearer


def test_public_page_needs_nothing(gated: Gated) -> None:
    response = gated.host.get("/public/page.txt")
    assert (response.status, response.text) == (200, "the public page\n")


@pytest.mark.parametrize("target", ["/members/page.txt", "/members/echo.php", "/members/app/x"])
def test_members_need_a_token(gated: Gated, target: str) -> None:
    assert gated.members(None, target).status == 401
    forged = gated.members(Signer().sign(claims()), target)
    assert forged.status == 401
    assert "members page" not in forged.text and '"origin"' not in forged.text


@pytest.mark.parametrize("kind", ["rs256", "es256", "eddsa", "opaque"])
def test_origins_see_who_it_is(gated: Gated, kind: Kind) -> None:
    token = gated.provider.token(kind, sub="alice", roles=["dev", "admin"])
    assert gated.members(token).text == "the members page\n"
    parameters = gated.members(token, "/members/echo.php").json()["parameters"]
    assert (parameters["REMOTE_USER"], parameters["HTTP_X_USER"]) == ("alice", "alice")
    assert parameters["HTTP_X_ROLES"] == "dev,admin"
    fields = dict(gated.members(token, "/members/app/x").json()["headers"])
    assert (fields["X-User"], fields["X-Roles"]) == ("alice", "dev,admin")
    assert "Authorization" not in fields


def test_roles_decide(gated: Gated) -> None:
    assert gated.members(gated.fresh(), "/members/admin/page.txt").status == 403
    assert gated.members(gated.fresh(roles=("admin",)), "/members/admin/page.txt").status == 200


def test_shared_secret_is_checked_inside_lighttpd(gated: Gated) -> None:
    before = gated.deferrals()
    parameters = gated.members(gated.partner(sub="bob"), "/members/echo.php").json()["parameters"]
    assert parameters["REMOTE_USER"] == "bob"
    assert gated.members(gated.partner(secret=PARTNER_SECRET[:-1] + "X")).status == 401
    assert gated.deferrals() == before


def test_health_is_for_the_host_itself(gated: Gated) -> None:
    inside = gated.host.get_inside("/.lightgate/health")
    release = gated.host.run("readlink", "/var/lib/lightgate/current").out.strip().rpartition("/")[2]
    assert (inside.status, inside.field("Lightgate-Release")) == (204, release)
    assert gated.host.get_inside("/.lightgate/status").json()["release"] == release
    for target in ("/.lightgate/health", "/.lightgate/status", "/.lightgate/authorize"):
        assert gated.host.get(target, [bearer(gated.fresh())]).status == 404


def test_secret_is_nowhere(gated: Gated) -> None:
    """Not in a release, a log, a command line or the journal."""
    assert gated.members(gated.partner()).status == 200
    found = gated.host.run(
        "grep", "-rlF", "-e", PARTNER_SECRET, "/var/lib/lightgate", "/var/log", "/etc/lighttpd", status=None
    )
    assert (found.status, found.out) == (1, "")
    assert PARTNER_SECRET not in gated.host.run("journalctl", "--no-pager", "-o", "verbose", "-n", "5000").out
    assert PARTNER_SECRET not in gated.host.run("ps", "axeww", "-o", "args").out
