"""`sidecar.json` documents for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sidecar.config import Issuer, Settings, parse
from tests.sidecar.tokens import ISSUER, private_key, public_jwk


def issuer(**changes: Any) -> dict[str, Any]:
    """An issuer of RS256 and ES256 tokens with inline keys `one` (RSA) and `two` (P-256)."""
    return {
        "name": "corp",
        "issuer": ISSUER,
        "audience": ["shop"],
        "tokens": "jwt",
        "algorithms": ["RS256", "ES256"],
        "keys": {
            "from": "jwks",
            "jwks": {
                "keys": [
                    public_jwk(private_key("RSA"), kid="one"),
                    public_jwk(private_key("P-256"), kid="two"),
                ]
            },
        },
        "introspection": None,
        "refused_keys": [],
        "rfc9068": False,
        "roles": ["realm_access", "roles"],
        "leeway_s": 30,
        "max_lifetime_s": 86_400,
        **changes,
    }


def introspecting(endpoint: str | None = "http://127.0.0.1:1/introspect", **changes: Any) -> dict[str, Any]:
    """Members that make an issuer one of opaque tokens."""
    return {
        "tokens": "opaque",
        "algorithms": [],
        "keys": None,
        "introspection": {
            "endpoint": endpoint,
            "client_id": "gate",
            "client_authentication": "client_secret_basic",
            "credential": "corp-client",
            "timeout_s": 2,
            "cache_s": 60,
            "negative_cache_s": 10,
            **changes,
        },
    }


def document(
    *issuers: dict[str, Any], directory: Path = Path("/run/lightgate"), **changes: Any
) -> dict[str, Any]:
    """A whole document; every path is in `directory`."""
    return {
        "format": 1,
        "release": "r1",
        "authorizer_socket": str(directory / "a.sock"),
        "http_socket": str(directory / "h.sock"),
        "epoch_file": str(directory / "epoch"),
        "secrets_directory": str(directory / "secrets"),
        "keys_directory": str(directory / "keys"),
        "deadline_s": 3,
        "identity_members": ["email", "role"],
        "issuers": list(issuers) or [issuer()],
        **changes,
    }


def settings(*issuers: dict[str, Any], **changes: Any) -> Settings:
    return parse(json.dumps(document(*issuers, **changes)).encode())


def parsed_issuer(**changes: Any) -> Issuer:
    return settings(issuer(**changes)).issuers[0]
