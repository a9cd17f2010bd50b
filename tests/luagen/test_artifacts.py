from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from luagen import model, names, resources
from luagen.actions import Redirect, SetEnv, SetRequestHeaders, SetResponseHeaders
from luagen.artifacts import UnsafePathError, draft
from luagen.deployment import Deployment
from luagen.lua.host import LUA_VERSIONS, Host, Request
from luagen.reads import stripped_fields
from luagen.release import build_release
from tests.luagen.policies import (
    AUTH,
    HOST,
    IDENTITY,
    PATH,
    ROLES,
    SPAN,
    SUB,
    and_,
    contains,
    field,
    header,
    join,
    named,
    policy,
    require,
    respond,
    rule,
    starts,
    template,
    text,
    truth,
)

ID = "0123456789abcdef0123"
PARTNER = replace(
    AUTH,
    name="partner",
    issuer="https://partner.example.org",
    tokens=model.Tokens.BOTH,
    algorithms=("HS256",),
    keys=model.SharedSecret(credential="partner-hs256"),
    introspection=model.Introspection(
        endpoint=None,
        client_id="gate",
        client_authentication=model.ClientAuthentication.CLIENT_SECRET_BASIC,
        credential="partner-client",
        timeout_s=3,
        cache_s=60,
        negative_cache_s=10,
    ),
    forward_token=True,
)


def set_headers(**values: model.Expression) -> SetRequestHeaders:
    return SetRequestHeaders(values=named(**values))


@pytest.mark.parametrize(
    ("rules", "stripped"),
    [
        ([], set()),
        ([rule(respond())], set()),
        ([rule(set_headers(X_User=SUB, x_Roles=text("a")))], {"x-user", "x-roles"}),
        ([rule(set_headers(User_Agent=text("a"), Accept=header("x")))], set()),
        ([rule(set_headers(User_Agent=template(text("a"), SUB)))], {"user-agent"}),
        ([rule(set_headers(Accept=text("a"), X_A=text("b")), truth(IDENTITY))], {"accept", "x-a"}),
        ([rule(set_headers(Cookie=text("a")), contains(text("dev"), ROLES))], {"cookie"}),
        ([rule(set_headers(Authorization=SUB))], set()),
        ([rule(SetResponseHeaders(values=named(X_R=SUB)))], set()),
    ],
)
def test_fields_that_only_the_policy_may_set(rules: list[model.Rule], stripped: set[str]) -> None:
    assert stripped_fields(policy(*rules)) == stripped


@pytest.mark.parametrize(
    ("name", "normal"), [("X-User", "x-user"), ("x_USER", "x-user"), ("a.b!c9", "a-b-c9"), ("Ã\x84", "--")]
)
def test_normalised_names(name: str, normal: str) -> None:
    assert names.normal_form(name) == normal


@pytest.mark.parametrize(
    ("rules", "members"),
    [
        ([rule(respond(), truth(IDENTITY))], []),
        ([rule(respond(body=SUB))], []),
        ([rule(respond(headers=named(X_A=field("identity.email"))))], ["email"]),
        ([rule(require("corp", that=contains(text("x"), ROLES)))], ["role"]),
        ([rule(SetEnv(values=named(A=join(","))))], ["role"]),
        (
            [rule(Redirect(to=template(text("/"), field("identity.email")), status=302), truth(ROLES))],
            ["email", "role"],
        ),
    ],
)
def test_identity_members(rules: list[model.Rule], members: list[str]) -> None:
    files = draft(policy(*rules), Deployment()).files(ID)
    assert json.loads(files["sidecar.json"])["identity_members"] == members


def test_claims() -> None:
    reads = [
        model.Claim(span=SPAN, type=model.Type.STRING, pointer=pointer)
        for pointer in ("/org/plan", "/a~1b", "/org/plan")
    ]
    read = policy(*(rule(respond(body=claim)) for claim in reads))
    files = draft(read, Deployment()).files(ID)
    assert json.loads(files["sidecar.json"])["claims"] == ["/a~1b", "/org/plan"]
    assert b'\n  claims = { "/a~1b", "/org/plan" },\n' in files["request.lua"]
    assert fingerprint(read) != fingerprint(policy())


@pytest.mark.parametrize(
    ("country", "setting"),
    [
        (model.Country(variable="GEO", header=None, trusted=()), 'variable = "GEO",'),
        (
            model.Country(variable=None, header="cf-ipcountry", trusted=(ip_network("10.0.0.0/8"),)),
            'header = "cf-ipcountry",\n    trusted = { "10.0.0.0/8" },',
        ),
    ],
)
def test_country(country: model.Country, setting: str) -> None:
    script = draft(replace(policy(), country=country), Deployment()).files(ID)["request.lua"].decode()
    assert f"\n  country = {{\n    {setting}\n  }},\n" in script


@pytest.mark.parametrize(
    ("read", "country", "asked"),
    [
        ("request.tls.protocol", None, True),
        ("request.country", model.Country(variable="GEO", header=None, trusted=()), True),
        ("request.country", model.Country(variable=None, header="x-country", trusted=()), False),
        ("request.path", model.Country(variable="GEO", header=None, trusted=()), False),
    ],
)
def test_other_modules_are_asked_only_when_a_rule_reads_what_they_know(
    read: str, country: model.Country | None, asked: bool
) -> None:
    policy_ = replace(policy(rule(respond(body=field(read)))), country=country)
    script = draft(policy_, Deployment()).files(ID)["request.lua"]
    assert (b"req_" + b"env" in script) is asked


def fingerprint(of: model.Policy) -> str:
    script = draft(of, Deployment()).files(ID)["request.lua"].decode()
    [found] = re.findall(r'^  fingerprint = "([0-9a-f]{20})",$', script, re.MULTILINE)
    assert isinstance(found, str)
    return found


def test_the_fingerprint_is_of_all_that_decides_who_a_caller_is() -> None:
    """And of nothing else: releases with the same one take each other's identities."""
    reads_sub = rule(Redirect(to=template(text("/"), SUB), status=302), truth(IDENTITY))
    reads_email = rule(Redirect(to=template(text("/"), field("identity.email")), status=302), truth(IDENTITY))
    same = [policy(), policy(reads_sub), policy(rule(respond(404))), replace(policy(), sha256="0" * 64)]
    other = [
        policy(reads_email),
        policy(auths=()),
        policy(auths=(AUTH, PARTNER)),
        *(
            policy(auths=(replace(AUTH, **change),))
            for change in (
                {"name": "x"},
                {"issuer": "https://x.example"},
                {"audience": ("x",)},
                {"algorithms": ("ES256",)},
                {"keys": model.JwksUrl(url="https://x.example")},
                {"refused_keys": ("x",)},
                {"rfc9068": True},
                {"roles": ("x",)},
                {"leeway_s": 1},
                {"max_lifetime_s": 61},
            )
        ),
    ]
    assert len({fingerprint(one) for one in same}) == 1
    found = [fingerprint(one) for one in (same[0], *other)]
    assert len(set(found)) == len(found)


def test_sidecar() -> None:
    files = draft(policy(auths=(AUTH, PARTNER)), Deployment(deadline_s=6)).files(ID)
    document = json.loads(files["sidecar.json"])
    assert files["sidecar.json"] == (json.dumps(document, sort_keys=True, indent=2) + "\n").encode()
    assert document == {
        "format": 1,
        "release": ID,
        "authorizer_socket": "/run/lightgate/authorizer.sock",
        "http_socket": "/run/lightgate/http.sock",
        "epoch_file": "/run/lightgate/epoch",
        "secrets_directory": "/run/lightgate/secrets",
        "keys_directory": "/run/lightgate/keys",
        "deadline_s": 6,
        "identity_members": [],
        "claims": [],
        "issuers": [
            {
                "name": "corp",
                "issuer": "https://login.example.org/realms/corp",
                "audience": ["shop", "app"],
                "tokens": "jwt",
                "algorithms": ["RS256", "ES256"],
                "keys": {"from": "discovery"},
                "introspection": None,
                "refused_keys": [],
                "rfc9068": False,
                "roles": ["realm_access", "roles"],
                "leeway_s": 30,
                "max_lifetime_s": 86400,
            },
            {
                "name": "partner",
                "issuer": "https://partner.example.org",
                "audience": ["shop", "app"],
                "tokens": "both",
                "algorithms": ["HS256"],
                "keys": {"from": "secret", "credential": "partner-hs256"},
                "introspection": {
                    "endpoint": None,
                    "client_id": "gate",
                    "client_authentication": "client_secret_basic",
                    "credential": "partner-client",
                    "timeout_s": 3,
                    "cache_s": 60,
                    "negative_cache_s": 10,
                },
                "refused_keys": [],
                "rfc9068": False,
                "roles": ["realm_access", "roles"],
                "leeway_s": 30,
                "max_lifetime_s": 86400,
            },
        ],
    }


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        (None, None),
        (model.DiscoveredKeys(), {"from": "discovery"}),
        (model.JwksUrl(url="https://x/keys"), {"from": "jwks_url", "url": "https://x/keys"}),
        (model.JwksDocument(text='{"keys": []}'), {"from": "jwks", "jwks": {"keys": []}}),
        (model.PemKey(text="-----BEGIN"), {"from": "pem", "pem": "-----BEGIN"}),
        (model.SharedSecret(credential="c"), {"from": "secret", "credential": "c"}),
    ],
)
def test_key_sources(source: model.KeySource | None, keys: dict[str, object] | None) -> None:
    files = draft(policy(auths=(replace(AUTH, keys=source),)), Deployment()).files(ID)
    assert json.loads(files["sidecar.json"])["issuers"][0]["keys"] == keys


def test_manifest() -> None:
    files = draft(policy(), Deployment(log_decisions=True)).files(ID)
    document = json.loads(files["manifest.json"])
    assert document["files"] == [
        {"name": name, "sha256": hashlib.sha256(files[name]).hexdigest()}
        for name in ("lightgate.conf", "request.lua", "response.lua", "sidecar.json")
    ]
    assert document["deployment"]["log_decisions"] is True
    assert {key: document[key] for key in ("format", "release", "lightgate", "policy", "runtime_abi")} == {
        "format": 1,
        "release": ID,
        "lightgate": resources.version(),
        "policy": {"file": "test.toml", "sha256": "ab" * 32},
        "runtime_abi": 1,
    }
    assert list(files) == ["lightgate.conf", "manifest.json", "request.lua", "response.lua", "sidecar.json"]


def test_conf() -> None:
    deployment = Deployment(
        release_directory="/srv/gate/",
        authorizer_socket="/run/a b.sock",
        connect_timeout_s=1,
        write_timeout_s=2,
        read_timeout_s=4,
        deadline_s=3,
    )
    lines = draft(policy(), deployment).files(ID)["lightgate.conf"].decode().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        'server.modules += ( "mod_magnet", "mod_fastcgi" )',
        'magnet.attract-raw-url-to += ( "/srv/gate/request.lua" )',
        'magnet.attract-response-start-to += ( "/srv/gate/response.lua" )',
        'fastcgi.server += ( "/.lightgate/authorize" => ( "lightgate" => (',
        '    "socket"          => "/run/a b.sock",',
        '    "mode"            => "authorizer",',
        '    "check-local"     => "disable",',
        '    "connect-timeout" => 1,',
        '    "write-timeout"   => 2,',
        '    "read-timeout"    => 4,',
        '    "disable-time"    => 0',
        ") ) )",
    ]


@pytest.mark.parametrize(
    ("deployment", "message"),
    [
        (Deployment(release_directory='/a"b'), "must not hold quotes"),
        (Deployment(release_directory="/a\nb"), "must not hold quotes or control characters"),
        (Deployment(release_directory="/a\\"), "must not hold quotes"),
        (Deployment(release_directory="current"), "must be absolute"),
        (Deployment(authorizer_socket="/a'b"), "must not hold quotes"),
        (Deployment(authorizer_socket="/" + "x" * 105), "longer than 105 bytes"),
        (Deployment(authorizer_socket="/" + "ü" * 53), "longer than 105 bytes"),
    ],
)
def test_unsafe_paths_are_refused(deployment: Deployment, message: str) -> None:
    with pytest.raises(UnsafePathError, match=message):
        draft(policy(), deployment).files(ID)


def test_longest_socket_path() -> None:
    draft(policy(), Deployment(authorizer_socket="/" + "x" * 104)).files(ID)


HOSTILE = '"]]=]\n--[[ \\" ${x} {{ y }} \x7f\u2028</script>'


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_hostile_texts_stay_texts(version: str) -> None:
    hostile = replace(
        policy(rule(respond(410, text(HOSTILE)), name=HOSTILE), auths=(replace(AUTH, issuer=HOSTILE),)),
        file=HOSTILE,
    )
    release = build_release(hostile, Deployment(log_decisions=True, epoch_file=HOSTILE))
    host = Host(version)
    host.open(Request())
    outcome = host.run(release.files["request.lua"])
    assert (outcome.status, outcome.body, outcome.env[b"LIGHTGATE_RULE"]) == (
        410,
        HOSTILE.encode(),
        HOSTILE.encode(),
    )
    assert host.run(release.files["response.lua"]).status == 0
    assert HOSTILE not in release.files["lightgate.conf"].decode()


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_scripts_build_their_gate_once(version: str) -> None:
    release = build_release(policy(rule(respond(410), starts(PATH, text("/a")))), Deployment())
    host = Host(version)
    gates = []
    for path in (b"/a", b"/b", b"/a"):
        host.open(Request(path=path))
        host.run(release.files["request.lua"])
        gates.append(host.lua.eval(b"tostring(lightgate)"))
    assert len(set(gates)) == 1
    other = build_release(
        policy(rule(respond(404), and_(starts(PATH, text("/a")), truth(HOST)))), Deployment()
    )
    host.open(Request(path=b"/a"))
    assert host.run(other.files["request.lua"]).status == 404
    assert host.lua.eval(b"tostring(lightgate)") not in gates


def test_scripts_do_not_make_lighttpd_collect_other_modules_environment() -> None:
    files = draft(policy(rule(respond())), Deployment()).files(ID)
    assert b"req_env" not in files["request.lua"] + files["response.lua"]


@pytest.mark.parametrize(
    ("of", "country"),
    [
        (field("request.tls.protocol"), None),
        (field("request.country"), model.Country(variable="GEOIP_COUNTRY_CODE", header=None, trusted=())),
    ],
)
def test_scripts_that_read_other_modules_environment_have_it_collected(
    of: model.Expression, country: model.Country | None
) -> None:
    read = replace(policy(rule(respond(body=of))), country=country)
    files = draft(read, Deployment()).files(ID)
    assert b"req_env" in files["request.lua"]
    assert b"req_env" not in files["response.lua"]
    by_header = model.Country(variable=None, header="cf-ipcountry", trusted=())
    if country is not None:
        files = draft(replace(read, country=by_header), Deployment()).files(ID)
        assert b"req_env" not in files["request.lua"]


_COMPILE = """
import sys
from pathlib import Path
from luagen import Deployment, compile_policy
release = compile_policy(Path(sys.argv[1]), Deployment()).release
sys.stdout.buffer.write(release.id.encode() + b"".join(release.files.values()))
"""


def test_same_bytes_in_every_process() -> None:
    root = Path(__file__).parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _COMPILE, "examples/quickstart/lightgate.toml"],
            cwd=root,
            env=os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for seed, locale, zone in (
            ("0", "C", "UTC"),
            ("1", "C.UTF-8", "Asia/Tokyo"),
            ("77", "tr_TR.UTF-8", "UTC"),
        )
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 10_000
