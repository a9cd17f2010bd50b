"""A host whose gate is in force with the suite's policy: three issuers, a members' area, origins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from itertools import count
from typing import Any

from tests.docker.host import Host
from tests.docker.load import Shot
from tests.docker.services import ISSUER
from tests.system.identity_provider import Provider
from tests.system.policies import provider_policy
from tests.system.processes import poll
from tests.system.tokens import AUDIENCE as LOCAL_AUDIENCE
from tests.system.tokens import ISSUER as LOCAL_ISSUER
from tests.system.tokens import Signer, claims, hs256
from tests.system.wire import Response, bearer

POLICY_FILE = "/etc/lightgate/lightgate.toml"
KEYS_FILE = "/etc/lightgate/local-keys.json"
PARTNER_ISSUER = "https://partner.example"
PARTNER_SECRET = "correct horse battery staple, and then some more of it"

ISSUERS = f"""
[auth.partner]
issuer = "{PARTNER_ISSUER}"
audience = ["{LOCAL_AUDIENCE}"]
secret = "partner"
roles = "realm_access.roles"
leeway = 0

[auth.local]
issuer = "{LOCAL_ISSUER}"
audience = ["{LOCAL_AUDIENCE}"]
jwks_file = "local-keys.json"
roles = "realm_access.roles"
leeway = 0

[[rule]]"""

MARK = "X-Content-Type-Options"  # a response field whose value tells which policy decided


def policy(mark: str = "nosniff") -> str:
    """The suite's policy; every response carries `mark` in MARK."""
    base = provider_policy(ISSUER).replace('auth = "corp"', 'auth = ["corp", "partner", "local"]')
    return base.replace("[[rule]]", ISSUERS.lstrip(), 1).replace('"nosniff"', f'"{mark}"')


@dataclass(frozen=True, slots=True)
class Gated:
    """The host, and whoever can vouch for a caller."""

    host: Host
    provider: Provider
    signer: Signer
    serial: Iterator[int]

    def fresh(self, sub: str = "alice", roles: tuple[str, ...] = (), **others: Any) -> str:
        """A good token of the local issuer that nobody has seen."""
        return self.signer.sign(
            claims(sub=sub, realm_access={"roles": list(roles)}, jti=str(next(self.serial)), **others)
        )

    def partner(self, sub: str = "alice", secret: str = PARTNER_SECRET, **others: Any) -> str:
        """An HS256 token of the partner's that nobody has seen."""
        payload = claims(iss=PARTNER_ISSUER, sub=sub, jti=str(next(self.serial)), **others)
        return hs256(secret.encode(), payload)

    def members(self, token: str | None, target: str = "/members/page.txt") -> Response:
        return self.host.get(target, [] if token is None else [bearer(token)])

    def gets_in(self, token: str) -> bool:
        """False too while lighttpd restarts and nobody answers."""
        try:
            return self.members(token).status == 200
        except (OSError, HTTPException):
            return False

    def deferrals(self) -> int:
        """How many requests the sidecar has answered since it started."""
        metrics = self.host.run(
            "curl", "-sS", "--unix-socket", "/run/lightgate/http.sock", "http://localhost/metrics"
        ).out
        lines = (line for line in metrics.splitlines() if line.startswith("lightgate_decisions_total"))
        return int(sum(float(line.split()[-1]) for line in lines))

    def wait_until(self, mark: str) -> None:
        """Returns when the policy with this mark decides, on both sides."""

        def decides() -> bool:
            response = self.members(self.fresh())
            assert response.status in (200, 503), response
            return response.status == 200 and response.field(MARK) == mark

        poll(f"the policy {mark!r} decides", decides)

    # --- shots for loads, see load.py ---

    def fresh_shots(self, number: int) -> list[Shot]:
        """Good tokens, each seen once: every one is verified by the sidecar."""
        return [Shot("fresh", "/members/page.txt", self.fresh()) for _ in range(number)]

    def known_shots(self) -> Iterator[Shot]:
        """One caller whom lighttpd remembers from now on, without end."""
        token = self.fresh(sub="known")
        assert self.members(token).status == 200
        while True:
            yield Shot("known", "/members/page.txt", token)

    def forged_shots(self) -> Iterator[Shot]:
        """Tokens with a good kid and somebody else's signature, without end."""
        stranger = Signer()
        forged = [stranger.sign(claims(jti=f"forged-{number}")) for number in range(50)]
        for number in count():
            yield Shot("forged", "/members/page.txt", forged[number % len(forged)])

    def public_shots(self) -> Iterator[Shot]:
        while True:
            yield Shot("public", "/public/page.txt")


def gate_in_force(host: Host, provider: Provider) -> Gated:
    """Does what an operator does after `make install`: credentials, policy, deploy."""
    signer = Signer()
    host.write(KEYS_FILE, signer.jwks())
    host.write(POLICY_FILE, policy())
    host.lightgate("credential", "set", "partner", stdin=PARTNER_SECRET.encode())
    secret = provider.credentials["lightgate-basic"]
    host.lightgate("credential", "set", "introspection", stdin=secret.encode())
    host.lightgate("deploy", "--comment", "the suite's policy")
    gated = Gated(host, provider, signer, count())
    gated.wait_until("nosniff")
    return gated
