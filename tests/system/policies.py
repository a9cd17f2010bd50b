"""Policies that several system tests share; each is a complete lightgate.toml."""

from __future__ import annotations

from tests.system.identity_provider import AUDIENCE
from tests.system.tokens import AUDIENCE as LOCAL_AUDIENCE
from tests.system.tokens import ISSUER as LOCAL_ISSUER

RULES = """
[[rule]]
name = "members sign in"
when = 'request.path.startswith("/members/")'
require = { auth = "corp" }

[[rule]]
name = "administrators only"
when = 'request.path.startswith("/members/admin/")'
require = { auth = "corp", that = '"admin" in identity.roles', scope = "admin" }

[[rule]]
name = "tell the application who it is"
when = 'identity'
set_request_headers = { "X-User" = "{identity.sub}", "X-Roles" = '{",".join(identity.roles)}' }

[[rule]]
name = "tell the application how to reach them"
when = 'identity'
set_request_headers = { "X-Email" = "{identity.email}" }

[[rule]]
name = "tell the page who it is"
when = 'identity'
set_env = { LIGHTGATE_ROLES = '{",".join(identity.roles)}' }

[[rule]]
name = "security headers"
set_response_headers = { "X-Content-Type-Options" = "nosniff" }
"""


def provider_policy(
    issuer: str, *, tokens: str = "both", client: str = "lightgate-basic", cache_s: int = 60
) -> str:
    """A members' area whose callers the identity provider vouches for. Credential: `introspection`."""
    audience = ", ".join(f'"{value}"' for value in AUDIENCE.values())
    method = {
        "lightgate-basic": "client_secret_basic",
        "lightgate-post": "client_secret_post",
        "lightgate-key": "private_key_jwt",
    }[client]
    introspection = f"""
[auth.corp.introspection]
client_id = "{client}"
client_authentication = "{method}"
credential = "introspection"
timeout = 2
cache = {cache_s}
negative_cache = 0
"""
    return f"""
default = "pass"

[auth.corp]
issuer = "{issuer}"
audience = [{audience}]
tokens = "{tokens}"
roles = "realm_access.roles"
leeway = 0
{"" if tokens == "jwt" else introspection}
{RULES}"""


def local_policy(keys: str) -> str:
    """A members' area whose tokens the tests sign themselves. `keys`: line(s) of the [auth] table."""
    return f"""
default = "pass"

[auth.corp]
issuer = "{LOCAL_ISSUER}"
audience = ["{LOCAL_AUDIENCE}"]
roles = "realm_access.roles"
leeway = 0
{keys}
{RULES}"""
