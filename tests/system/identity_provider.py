"""The identity provider (tests/identity_provider/server.mjs) and what tests ask of it."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from ssl import SSLContext
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode
from urllib.request import Request, urlopen

from tests.system.processes import REPOSITORY, Process

Kind = Literal["rs256", "es256", "eddsa", "opaque"]

DIRECTORY = REPOSITORY / "tests" / "identity_provider"
AUDIENCE: Mapping[Kind, str] = {
    "rs256": "https://shop.example/rs256",
    "es256": "https://shop.example/es256",
    "eddsa": "https://shop.example/eddsa",
    "opaque": "https://shop.example/opaque",
}
REQUEST_TIMEOUT_S = 20
INSTALL_TIMEOUT_S = 300


def install() -> None:
    """Installs the provider's pinned packages when they are not there."""
    if not (DIRECTORY / "node_modules" / "oidc-provider").is_dir():
        subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"],
            cwd=DIRECTORY,
            check=True,
            timeout=INSTALL_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


class Provider:
    """A provider that runs: `issuer` is its name in tokens, `url` where this process reaches it."""

    def __init__(self, issuer: str, url: str, trust: SSLContext | None = None) -> None:
        self.issuer = issuer
        self._url = url
        self._trust = trust
        #: client name to its secret, or to its PEM private key
        self.credentials: dict[str, str] = self._control("GET", "clients")

    def token(
        self,
        kind: Kind = "rs256",
        *,
        sub: str = "alice",
        roles: Sequence[str] = (),
        email: str | None = None,
        ttl_s: int = 300,
        **claims: object,
    ) -> str:
        """A fresh access token; `claims` go into it as they are, `email` with `email_verified: true`."""
        claims = {"sub": sub, "realm_access": {"roles": list(roles)}, **claims}
        if email is not None:
            claims = {"email": email, "email_verified": True, **claims}
        fields = {
            "grant_type": "client_credentials",
            "resource": AUDIENCE[kind],
            "ttl": str(ttl_s),
            "claims": json.dumps(claims),
        }
        answer: dict[str, Any] = json.loads(self._post("/token", fields, client="shop-app"))
        token: str = answer["access_token"]
        return token

    def revoke(self, token: str) -> None:
        """RFC 7009."""
        self._post("/token/revocation", {"token": token}, client="shop-app")

    def rotate(self, *, keep: bool = False) -> None:
        """New signing keys; the old ones stay in the key set only with `keep`."""
        self._control("POST", "rotate", {"keep": keep})

    def delay_introspection(self, seconds: float) -> None:
        self._control("POST", "delay", {"introspection_ms": int(seconds * 1000)})

    def hold(self, path: str, status: int | None) -> None:
        """Answers requests whose path contains `path` with `status` and nothing else; None ends it."""
        self._control("POST", "hold", {"path": path, "status": status})

    def requests(self) -> dict[str, int]:
        """How often `jwks`, `introspection` and `discovery` were asked for since the start."""
        counts: dict[str, int] = self._control("GET", "requests")
        return counts

    def _post(self, path: str, fields: Mapping[str, str], *, client: str) -> bytes:
        # RFC 6749 section 2.3.1: identifier and secret are form-encoded inside Basic
        pair = f"{quote_plus(client)}:{quote_plus(self.credentials[client])}"
        request = Request(
            self._url + path,
            data=urlencode(fields).encode(),
            headers={"Authorization": "Basic " + b64encode(pair.encode()).decode()},
        )
        with urlopen(request, timeout=REQUEST_TIMEOUT_S, context=self._trust) as response:
            body: bytes = response.read()
            return body

    def _control(self, method: str, name: str, body: object = None) -> Any:
        request = Request(
            f"{self._url}/control/{name}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        with urlopen(request, timeout=REQUEST_TIMEOUT_S, context=self._trust) as response:
            return json.load(response)


class IdentityProvider(Provider):
    """A provider in a process of its own on a free loopback port."""

    def __init__(self, log: Path) -> None:
        install()
        self.process = Process(["node", "server.mjs", "0"], log=log, cwd=DIRECTORY)
        self.port = self.process.printed_port()
        url = f"http://127.0.0.1:{self.port}"
        super().__init__(url, url)

    def stop(self) -> None:
        self.process.stop()
