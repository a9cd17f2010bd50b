from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.jose.compact import base64url_decode, claims_of, parse
from sidecar.reasons import Reason, Refused
from tests.sidecar.tokens import claims, private_key, segment, token

KEY = private_key("RSA")
HEADER = {"alg": "RS256", "kid": "one"}


def jws(
    header: bytes | object = HEADER, payload: bytes | object = b"{}", signature: bytes = b"s" * 64
) -> bytes:
    return segment(header) + b"." + segment(payload) + b"." + segment(signature)


def test_takes_a_token_apart() -> None:
    text = token(claims(), KEY)
    parsed = parse(text)
    assert (parsed.header.alg, parsed.header.kid) == ("RS256", "one")
    assert claims_of(parsed) == claims()
    assert parsed.signing_input + b"." + segment(parsed.signature) == text


def test_an_unused_header_member_is_no_key_and_no_address__KEY_02_KEY_04() -> None:
    parsed = parse(
        jws({**HEADER, "jwk": {"kty": "oct"}, "jku": "https://evil.example", "x5c": ["AAAA"], "x5t": "x"})
    )
    assert (parsed.header.alg, parsed.header.kid) == ("RS256", "one")


REFUSED = {
    "no dots": (b"opaque", Reason.MALFORMED_TOKEN),
    "one dot": (b"a.b", Reason.MALFORMED_TOKEN),
    "five segments: JWE [ALG-17 PARSE-10 PARSE-11 PARSE-13]": (b"a.b.c.d.e", Reason.MALFORMED_TOKEN),
    "JSON serialisation [ALG-16]": (
        json.dumps({"payload": "e30", "signatures": [{"protected": "e30", "signature": "e30"}]}).encode(),
        Reason.MALFORMED_TOKEN,
    ),
    "JSON serialisation with two dots [ALG-16]": (
        b'{"a":".","b":".","signatures":[]}',
        Reason.MALFORMED_TOKEN,
    ),
    "empty": (b"", Reason.MALFORMED_TOKEN),
    "only dots": (b"..", Reason.MALFORMED_TOKEN),
    "a million dots [PARSE-07]": (b"." * 1_000_000, Reason.TOKEN_TOO_LONG),
    "10 MB [PARSE-07]": (b"a" * 10_000_000, Reason.TOKEN_TOO_LONG),
    "8,193 bytes [PARSE-07]": (b"a" * 8_193, Reason.TOKEN_TOO_LONG),
    "long header segment [PARSE-07]": (jws({**HEADER, "x": "y" * 800}), Reason.MALFORMED_TOKEN),
    "empty signature [ALG-01 ALG-13]": (
        segment({"alg": "none"}) + b"." + segment({}) + b".",
        Reason.MALFORMED_TOKEN,
    ),
    "padding [PARSE-04]": (segment(HEADER) + b"=." + segment({}) + b".AAAA", Reason.MALFORMED_TOKEN),
    "newline in a segment [PARSE-04]": (segment(HEADER) + b".e\n30.AAAA", Reason.MALFORMED_TOKEN),
    "white space [PARSE-04]": (segment(HEADER) + b".e 30.AAAA", Reason.MALFORMED_TOKEN),
    "NUL [PARSE-04]": (segment(HEADER) + b".e30\0.AAAA", Reason.MALFORMED_TOKEN),
    "plus and slash [PARSE-04]": (segment(HEADER) + b".e30.+/+/", Reason.MALFORMED_TOKEN),
    "surplus bits in the signature [ALG-14]": (segment(HEADER) + b".e30.AB", Reason.MALFORMED_TOKEN),
    "surplus bits in the payload [ALG-14]": (segment(HEADER) + b".e31.AAAA", Reason.MALFORMED_TOKEN),
    "impossible length": (segment(HEADER) + b".e30.AAAAA", Reason.MALFORMED_TOKEN),
    "crit [PARSE-01]": (jws({**HEADER, "crit": ["exp"], "exp": 1}), Reason.CRITICAL_HEADER),
    "crit of an unknown [PARSE-01]": (jws({**HEADER, "crit": ["x"]}), Reason.CRITICAL_HEADER),
    "crit empty [PARSE-01]": (jws({**HEADER, "crit": []}), Reason.CRITICAL_HEADER),
    "crit not a list [PARSE-01]": (jws({**HEADER, "crit": "exp"}), Reason.CRITICAL_HEADER),
    "crit null [PARSE-01]": (jws({**HEADER, "crit": None}), Reason.CRITICAL_HEADER),
    "b64 [PARSE-02]": (jws({**HEADER, "b64": False}), Reason.CRITICAL_HEADER),
    "b64 with crit [PARSE-02]": (jws({**HEADER, "b64": False, "crit": ["b64"]}), Reason.CRITICAL_HEADER),
    "b64 true [PARSE-02]": (jws({**HEADER, "b64": True}), Reason.CRITICAL_HEADER),
    "no alg": (jws({"kid": "one"}), Reason.MALFORMED_TOKEN),
    "alg null [ALG-02]": (jws({"alg": None}), Reason.MALFORMED_TOKEN),
    "alg a list [ALG-02]": (jws({"alg": ["RS256"]}), Reason.MALFORMED_TOKEN),
    "kid a number [KEY-01]": (jws({**HEADER, "kid": 7}), Reason.MALFORMED_KID),
    "kid null [KEY-01]": (jws({**HEADER, "kid": None}), Reason.MALFORMED_KID),
    "kid of 257 bytes [KEY-01]": (jws({**HEADER, "kid": "k" * 257}), Reason.MALFORMED_KID),
    "header an array [PARSE-05]": (jws([]), Reason.MALFORMED_TOKEN),
    "header null [PARSE-05]": (jws(None), Reason.MALFORMED_TOKEN),
    "header with alg twice": (jws(b'{"alg":"RS256","alg":"none"}'), Reason.MALFORMED_TOKEN),
    "deep header [PARSE-08]": (
        jws(b'{"alg":"RS256","x":' + b"[" * 60 + b"]" * 60 + b"}"),
        Reason.MALFORMED_TOKEN,
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(text: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        parse(text)
    assert caught.value.reason is reason


PAYLOADS = {
    "array": b"[]",
    "string": b'"str"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "empty": b"",
    "text": b"foo",
    "deep": b'{"x":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
    "sub twice": b'{"sub":"alice","sub":"root"}',
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_claims_are_one_strict_object__PARSE_05_PARSE_08(payload: bytes) -> None:
    parsed = parse(jws(HEADER, payload))
    with pytest.raises(Refused) as caught:
        claims_of(parsed)
    assert caught.value.reason is Reason.MALFORMED_TOKEN


def test_a_refusal_holds_nothing_of_the_token__PARSE_14() -> None:
    with pytest.raises(Refused) as caught:
        parse(jws({**HEADER, "kid": ["very-secret-kid"]}))
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_size_is_judged_before_any_work__PARSE_07() -> None:
    text = b"a." * 50_000_000
    started = time.perf_counter()
    with pytest.raises(Refused):
        parse(text)
    assert time.perf_counter() - started < 0.1


@given(st.binary(max_size=60))
def test_base64url_has_one_spelling__ALG_14(data: bytes) -> None:
    assert base64url_decode(segment(data)) == data


@given(st.text("ABab09-_=+/ \n.", max_size=12))
def test_base64url_accepts_only_what_encodes_back(text: str) -> None:
    try:
        data = base64url_decode(text.encode())
    except Refused:
        return
    assert segment(data) == text.encode()


@pytest.mark.parametrize(("length", "accepted"), [(1, 0), (2, 4), (3, 16), (4, 64), (5, 0), (6, 4), (7, 16)])
def test_the_last_character_has_no_surplus_bits__ALG_14(length: int, accepted: int) -> None:
    found = set()
    for last in range(256):
        text = b"AbC-_9"[: length - 1] + bytes([last])
        try:
            assert segment(base64url_decode(text)) == text
        except Refused:
            continue
        found.add(last)
    assert len(found) == accepted


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_parsed_or_refused(text: bytes) -> None:
    try:
        claims_of(parse(text))
    except Refused:
        return
