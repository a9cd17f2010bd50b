"""Claims as rules ask for them: `gate.claim`, whoever found out who is calling."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from luagen.lua.host import Host, Outcome, Request
from tests.lua.passes import ALICE, BEARER, allow
from tests.lua.scripts import SETTINGS, request_script
from tests.lua.test_tokens import HS, NOW, SECRET, claims, token

READ = (b"/beta", b"/groups", b"/level", b"/org/plan", b"/trial")
CLAIMS = (
    b"&claim=%2Fbeta%20b1&claim=%2Fgroups%20l&element=a&element=b%26c&claim=%2Flevel%20i5"
    b"&claim=%2Forg%2Fplan%20spro&claim=%2Ftrial%20b0"
)
READING = SETTINGS.replace(
    b"issuers = {", b"claims = { " + b", ".join(b'"%s"' % pointer for pointer in READ) + b" },\n  issuers = {"
)
# Every claim asked for as every type, and as one that there is not.
SHOW_CLAIMS = b"""
function(q)
  local shown = {}
  for _, pointer in ipairs({ "/beta", "/groups", "/level", "/org/plan", "/trial", "/absent" }) do
    for _, kind in ipairs({ "string", "integer", "boolean", "strings", "table" }) do
      local value = gate.claim(q, 1, pointer, kind)
      if q.stop then return q.stop end
      if value ~= nil then
        local text = type(value) == "table" and "[" .. table.concat(value, "|") .. "]" or tostring(value)
        shown[#shown + 1] = pointer .. " " .. kind .. " " .. text
      end
    end
  end
  gate.set_request_header(q, "X-Claims", "claims: " .. table.concat(shown, ", "))
  return nil
end"""
SHOWN = (
    b"claims: /beta boolean true, /groups strings [a|b&c], /level integer 5, /org/plan string pro, "
    b"/trial boolean false"
)
NONE_SHOWN = b"claims: "


def run(host: Host, request: Request, settings: bytes = READING) -> Outcome:
    host.open(request)
    return host.run(request_script(SHOW_CLAIMS, settings=settings))


def answered(host: Host, identity: bytes, request: Request) -> Outcome:
    asked = run(host, request)
    assert asked.deferred
    host.answer(request, allow(asked, identity=identity))
    return host.run(request_script(SHOW_CLAIMS, settings=READING))


def test_claims_that_the_sidecar_hands_over(host: Host) -> None:
    request = Request(headers=(BEARER,))
    outcome = answered(host, ALICE + CLAIMS, request)
    assert outcome.status == 0
    assert outcome.request_headers == {b"X-Claims": SHOWN}
    assert outcome.env[b"LIGHTGATE_IDENTITY"] == ALICE + CLAIMS
    remembered = run(host, request)
    assert remembered.env[b"LIGHTGATE_WHERE"] == b"cache"
    assert remembered.request_headers == {b"X-Claims": SHOWN}


def test_a_caller_without_claims_has_none(host: Host) -> None:
    assert answered(host, ALICE, Request(headers=(BEARER,))).request_headers == {b"X-Claims": NONE_SHOWN}


def test_nobody_claims_nothing(host: Host) -> None:
    outcome = run(host, Request(headers=((b"X-Claims", b"/beta boolean true"),)))
    assert outcome.status == 0
    assert outcome.request_headers == {b"X-Claims": NONE_SHOWN}


def test_a_credential_that_is_refused_ends_the_request(host: Host) -> None:
    outcome = run(host, Request(headers=((b"Authorization", b"Bearer a, Bearer b"),)))
    assert (outcome.status, outcome.request_headers.get(b"X-Claims")) == (400, None)


@pytest.mark.parametrize("pairs", [b"&claim=%2Flevel%20i5.0", b"&element=a", CLAIMS + CLAIMS])
def test_a_broken_answer_is_a_503(host: Host, pairs: bytes) -> None:
    assert answered(host, ALICE + pairs, Request(headers=(BEARER,))).status == 503


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "partner-hs256").write_bytes(SECRET)
    return tmp_path


def shared_secret(secrets: Path) -> bytes:
    """Settings of an issuer whose tokens Lua verifies."""
    return (
        READING.replace(b"/nowhere", str(secrets).encode())
        .replace(b"algorithms = { RS256 = true }", b'algorithms = { HS256 = true }, secret = "partner-hs256"')
        .replace(b"https://corp", b"https://partner")
    )


def bearing(text: bytes) -> Request:
    return Request(headers=((b"Authorization", b"Bearer " + text),))


def test_claims_that_lua_has_verified(host: Host, secrets: Path) -> None:
    said = {"org": {"plan": "pro"}, "level": 5.0, "beta": True, "trial": False, "groups": ["a", "b&c"]}
    text = token(HS, claims(**said, roles=["admin"], unread="x"), SECRET)
    outcome = run(host, bearing(text), shared_secret(secrets))
    assert outcome.request_headers == {b"X-Claims": SHOWN}
    assert outcome.env[b"LIGHTGATE_IDENTITY"] == ALICE + CLAIMS


def test_a_policy_that_reads_no_claims_gets_none(host: Host, secrets: Path) -> None:
    text = token(HS, claims(level=5, roles=["admin"]), SECRET)
    outcome = run(host, bearing(text), shared_secret(secrets).replace(b"claims = {", b"others = {"))
    assert outcome.request_headers == {b"X-Claims": NONE_SHOWN}
    assert outcome.env[b"LIGHTGATE_IDENTITY"] == ALICE


def test_what_lua_has_verified_has_the_sidecars_bound(host: Host, secrets: Path) -> None:
    for elements, status in ((65, 0), (66, 401)):  # of 80 bytes each, written in 249
        groups = ["\u00e9" * 40] * elements
        payload = json.dumps(claims(groups=groups), ensure_ascii=False).encode()
        outcome = run(host, bearing(token(HS, payload, SECRET)), shared_secret(secrets))
        assert outcome.status == status
    assert b"the token's claims are not acceptable here" in outcome.response_headers[b"WWW-Authenticate"]


def test_so_has_the_whole_identity(host: Host, secrets: Path) -> None:
    settings = shared_secret(secrets).replace(b'"/groups"', b'"/roles"')
    roles = ["\u00e9" * 39 + chr(0x100 + i) for i in range(65)]  # written twice: as roles and as a claim
    for subject, status in (("alice", 0), ("\u00e9" * 127, 401)):
        payload = json.dumps(claims(sub=subject, roles=roles), ensure_ascii=False).encode()
        outcome = run(host, bearing(token(HS, payload, SECRET)), settings)
        assert outcome.status == status
    assert b"the token's claims are not acceptable here" in outcome.response_headers[b"WWW-Authenticate"]


def test_the_rules_of_a_new_release_see_them(host: Host) -> None:
    request = Request(headers=(BEARER,))
    asked = run(host, request)
    host.answer(request, allow(asked, identity=ALICE + CLAIMS))
    outcome = host.run(request_script(SHOW_CLAIMS, settings=READING).replace(b'"r1"', b'"r2"'))
    assert outcome.request_headers == {b"X-Claims": SHOWN}
    assert outcome.env[b"LIGHTGATE_IDENTITY"] == (ALICE + CLAIMS).replace(b"r1", b"r2")


def test_identities_count_in_the_bound_of_what_is_remembered(host: Host) -> None:
    """An opaque token is short, and what it stands for may have 32 KiB."""
    verdicts = host.load_runtime("verdicts")["verdicts"][b"new"](
        host.fake[b"lighty"], b"/epoch", lambda: None
    )
    now = verdicts[b"now"]()
    caller = host.table({b"text": b"x" * 32_768})
    for i in range(2_000):
        verdicts[b"remember"](b"token %d" % i, caller, NOW + 600, now)
    entries = verdicts[b"figures"]()[b"entries"]
    assert 256 <= entries <= 2 * (8 * 1024 * 1024 // 32_768 + 1)
