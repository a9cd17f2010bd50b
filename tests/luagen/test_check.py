"""The checked policy, value by value, and what a file system can do to it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from luagen import check_rules, model, text_file
from luagen.actions import (
    Redirect,
    SetRequestHeaders,
)
from luagen.check import check_file, check_text
from luagen.diagnostics import Code, Severity
from luagen.model import (
    And,
    Auth,
    Contains,
    Default,
    DiscoveredKeys,
    Introspection,
    JwksDocument,
    JwksUrl,
    NamedValue,
    PemKey,
    SharedSecret,
    StringSet,
    Tokens,
    Type,
)
from luagen.source import Source, Span

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples/quickstart/lightgate.toml"
ANYWHERE = Span(Source("", ""), 0, 0)  # spans do not count in comparisons


def text(value: str) -> model.Literal:
    return model.Literal(span=ANYWHERE, type=Type.STRING, value=value)


def field(name: str, type: Type = Type.STRING) -> model.Field:
    return model.Field(span=ANYWHERE, type=type, name=name)


def contains(item: model.Expression, container: model.Expression) -> Contains:
    return Contains(span=ANYWHERE, type=Type.BOOLEAN, item=item, container=container)


def starts(path: str) -> model.Affix:
    return model.Affix(
        span=ANYWHERE, type=Type.BOOLEAN, receiver=field("request.path"), affixes=(text(path),), at_end=False
    )


def both(*operands: model.Expression) -> And:
    return And(span=ANYWHERE, type=Type.BOOLEAN, operands=operands)


def rule(name: str, when: model.Expression, action: model.Action) -> model.Rule:
    return model.Rule(name=name, when=when, action=action, span=ANYWHERE)


def named(name: str, value: model.Expression) -> NamedValue:
    return NamedValue(name=name, value=value, span=ANYWHERE)


def test_quickstart() -> None:
    policy, diagnostics = check_file(QUICKSTART)
    assert diagnostics == ()
    assert policy is not None
    assert policy.file == "lightgate.toml"
    assert policy.sha256 == hashlib.sha256(QUICKSTART.read_bytes()).hexdigest()
    assert policy.default is Default.PASS
    assert policy.auths == (
        Auth(
            name="corp",
            issuer="https://login.example.org/realms/corp",
            audience=("shop",),
            tokens=Tokens.JWT,
            algorithms=(
                *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
                *("ES256", "ES384", "ES512", "EdDSA"),
            ),
            keys=DiscoveredKeys(),
            introspection=None,
            refused_keys=(),
            rfc9068=False,
            roles=("realm_access", "roles"),
            leeway_s=30,
            max_lifetime_s=86_400,
            forward_token=False,
            span=ANYWHERE,
        ),
    )
    members = model.Or(
        span=ANYWHERE,
        type=Type.BOOLEAN,
        operands=(
            model.Compare(
                span=ANYWHERE,
                type=Type.BOOLEAN,
                operator=model.Comparison.EQ,
                left=field("request.path"),
                right=text("/members"),
            ),
            starts("/members/"),
        ),
    )
    known = model.Truth(span=ANYWHERE, type=Type.BOOLEAN, operand=field("identity", Type.IDENTITY))
    roles = model.Join(
        span=ANYWHERE, type=Type.STRING, separator=",", roles=field("identity.roles", Type.ROLES)
    )
    by_name = {rule.name: rule for rule in policy.rules}
    assert by_name["the old address moved"] == rule(
        "the old address moved",
        contains(
            field("request.path"),
            StringSet(span=ANYWHERE, type=Type.STRING_SET, values=("/members", "/account")),
        ),
        Redirect(to=text("/members/"), status=308),
    )
    assert by_name["tell the application who it is"] == rule(
        "tell the application who it is",
        both(members, known),
        SetRequestHeaders(values=(named("X-User", field("identity.sub")), named("X-Roles", roles))),
    )
    assert policy.tests[0].name == "strangers stay out"


# --- [auth] ----------------------------------------------------------------------------------------------

BASE = 'issuer = "https://login.example.org"\naudience = ["shop", "api"]\n'
JWKS = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}\n'
PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PUBLIC KEY-----\n"
)


def auth_of(lines: str, directory: Path = ROOT) -> Auth:
    policy_text = (
        f'default = "deny"\n[auth.corp]\n{lines}\n[[rule]]\nname = "x"\nrequire = {{ auth = "corp" }}\n'
    )
    policy, diagnostics = check_text(policy_text, "test.toml", directory)
    assert policy is not None, diagnostics
    assert diagnostics == ()
    return policy.auths[0]


def test_refused_keys() -> None:
    assert auth_of(BASE + 'refused_keys = ["2024-01", "x"]').refused_keys == ("2024-01", "x")
    assert auth_of(BASE).refused_keys == ()


def test_auth_with_a_shared_secret() -> None:
    auth = auth_of(BASE + 'secret = "partner-hs256"\nforward_token = true\nrfc9068 = true\nleeway = 0')
    assert auth.keys == SharedSecret(credential="partner-hs256")
    assert auth.algorithms == ("HS256",)
    assert (auth.audience, auth.roles) == (("shop", "api"), ("roles",))
    assert (auth.forward_token, auth.rfc9068, auth.leeway_s) == (True, True, 0)


def test_auth_with_a_key_url_and_algorithms() -> None:
    lines = 'jwks_url = "http://127.0.0.1:8080/keys?p=x"\nalgorithms = ["ES256", "EdDSA"]'
    auth = auth_of(BASE + lines)
    assert auth.keys == JwksUrl(url="http://127.0.0.1:8080/keys?p=x")
    assert auth.algorithms == ("ES256", "EdDSA")


@pytest.mark.parametrize(
    "issuer", ["http://localhost:1", "http://[::1]:8/x", "https://a.example/", "http://127.9.9.9"]
)
def test_issuer_is_kept_as_written(issuer: str) -> None:
    assert auth_of(f'issuer = "{issuer}"\naudience = "shop"').issuer == issuer


def test_auth_with_key_files(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(JWKS)
    (tmp_path / "key.pem").write_text(f"# the key of 2026\n{PEM}\n")
    assert auth_of(BASE + 'jwks_file = "keys.json"', tmp_path).keys == JwksDocument(text=JWKS)
    assert auth_of(BASE + 'pem_file = "key.pem"', tmp_path).keys == PemKey(text=PEM)


def test_auth_with_introspection() -> None:
    table = '[auth.corp.introspection]\nclient_id = "gate"\ncredential = "gate-secret"'
    opaque = auth_of(f'{BASE}tokens = "opaque"\n{table}')
    expected = Introspection(
        endpoint=None,
        client_id="gate",
        client_authentication=model.ClientAuthentication.CLIENT_SECRET_BASIC,
        credential="gate-secret",
        timeout_s=3,
        cache_s=60,
        negative_cache_s=10,
    )
    assert (opaque.tokens, opaque.keys, opaque.algorithms) == (Tokens.OPAQUE, None, ())
    assert opaque.introspection == expected
    both_kinds = auth_of(f'{BASE}tokens = "both"\n{table}\nendpoint = "https://login.example.org/i?x=1"')
    assert (both_kinds.tokens, both_kinds.keys) == (Tokens.BOTH, DiscoveredKeys())
    assert both_kinds.introspection is not None
    assert both_kinds.introspection.endpoint == "https://login.example.org/i?x=1"


# --- redirects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/x{request.query}",
        "/x/{request.host}",
        "{request.path}",
        "{request.raw_path}?{request.query}",
        "{request.path}{request.query}",
        "https://example.org",
        "https://example.org:8443/x{request.query}",
        "http://[::1]:80/",
        "https://example.org{request.path}?{request.query}",
        "https://{request.host}",
        "https://{request.host}/{request.query}",
        "https://{request.host}{request.raw_path}",
    ],
)
def test_closed_redirects(target: str) -> None:
    policy_text = (
        f'default = "pass"\n[[rule]]\nname = "x"\nwhen = "request.query"\nredirect = {{ to = "{target}" }}\n'
    )
    policy, diagnostics = check_text(policy_text, "test.toml", ROOT)
    assert policy is not None, diagnostics
    assert isinstance(policy.rules[0].action, Redirect)


# --- files -----------------------------------------------------------------------------------------------


def codes(path: Path) -> list[Code]:
    policy, diagnostics = check_file(path)
    assert policy is None
    return [diagnostic.code for diagnostic in diagnostics]


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert codes(tmp_path / "absent.toml") == [Code.UNREADABLE_FILE]
    assert codes(tmp_path) == [Code.UNREADABLE_FILE]
    assert codes(tmp_path / "x\0y") == [Code.UNREADABLE_FILE]
    assert codes(tmp_path / ("x" * 300)) == [Code.UNREADABLE_FILE]
    monkeypatch.setattr(text_file, "MAX_BYTES", 10)
    large = tmp_path / "large.toml"
    large.write_text('default = "pass"\n')
    assert codes(large) == [Code.LIMIT_EXCEEDED]


def test_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(b'default = "pass"\n# caf\xe9\n')
    policy, (diagnostic,) = check_file(path)
    assert policy is None
    assert (diagnostic.code, diagnostic.message) == (Code.INVALID_ENCODING, "the byte 0xe9 is not UTF-8")
    assert diagnostic.span is not None
    assert (diagnostic.span.line, diagnostic.span.column) == (2, 6)


def test_surrogates_in_text() -> None:
    policy, (diagnostic,) = check_text('default = "\ud800"\n', "test.toml", ROOT)
    assert (policy, diagnostic.code) == (None, Code.INVALID_ENCODING)


def test_line_ends_of_other_systems(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(QUICKSTART.read_bytes().replace(b"\n", b"\r\n"))
    policy, diagnostics = check_file(path)
    original, _ = check_file(QUICKSTART)
    assert policy is not None and original is not None
    assert (policy.auths, policy.rules, diagnostics) == (original.auths, original.rules, ())


def test_too_many_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_rules, "MAX_RULES", 10)
    rules = "".join(
        f'[[rule]]\nname = "{number}"\nwhen = "request.query"\nset_env = {{ A = "1" }}\n'
        for number in range(11)
    )
    policy, diagnostics = check_text(f'default = "pass"\n{rules}', "test.toml", ROOT)
    assert policy is None
    assert [(found.code, found.message) for found in diagnostics] == [
        (Code.LIMIT_EXCEEDED, "the policy has more than 10 rules")
    ]


def test_warnings_leave_the_policy() -> None:
    policy, diagnostics = check_text(
        'default = "pass"\n[[rule]]\nname = "x"\nwhen = "True"\nrespond = { status = 404 }\n',
        "test.toml",
        ROOT,
    )
    assert policy is not None
    assert [found.severity for found in diagnostics] == [Severity.WARNING]


@pytest.mark.parametrize(("default", "codes"), [("pass", [Code.PATH_INFO_BYPASS]), ("deny", [])])
def test_longer_names_of_a_path_are_no_bypass_where_they_are_denied(default: str, codes: list[Code]) -> None:
    text = f"""
        default = "{default}"
        [[rule]]
        name = "front page"
        when = 'request.path == "/index.html"'
        require = {{ that = 'request.method == "GET"' }}
    """
    _, diagnostics = check_text(text, "lightgate.toml", ROOT)
    assert [diagnostic.code for diagnostic in diagnostics] == codes
