from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.strict_json import JsonError, parse_object

ACCEPTED = {
    "empty": (b"{}", {}),
    "white space": (b' {\n"a" : 1 } ', {"a": 1}),
    "15 digits": (b'{"a":999999999999999}', {"a": 999_999_999_999_999}),
    "15 digits and a sign": (b'{"a":-999999999999999}', {"a": -999_999_999_999_999}),
    "fraction": (b'{"a":1760000000.9}', {"a": 1_760_000_000.9}),
    "exponent": (b'{"a":1e10}', {"a": 1e10}),
    "10 levels": (b'{"a":' + b"[" * 9 + b"]" * 9 + b"}", {"a": [[[[[[[[[]]]]]]]]]}),
    "many shallow arrays": (b'{"a":[' + b"[]," * 50 + b"[]]}", {"a": [[]] * 51}),
    "brackets in a string": (b'{"a":"' + b"[" * 50 + b'"}', {"a": "[" * 50}),
    "surrogate pair": (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    "escaped NUL": (b'{"a":"\\u0000"}', {"a": "\0"}),
}
REFUSED = {
    "empty text": (b"", "not JSON"),
    "array": (b"[]", "not a JSON object"),
    "string": (b'"str"', "not a JSON object"),
    "number": (b"1", "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "true": (b"true", "not a JSON object"),
    "member twice": (b'{"a":1,"a":1}', "member given twice"),
    "member twice, one escaped": (b'{"a":1,"\\u0061":1}', "member given twice"),
    "member twice, deeper": (b'{"b":{"a":1,"a":2}}', "member given twice"),
    "16 digits": (b'{"a":1000000000000000}', "number of too many digits"),
    "16 digits in a fraction": (b'{"a":1.000000000000001}', "number of too many digits"),
    "beyond a double": (b'{"a":1e999}', "number out of range"),
    "NaN": (b'{"a":NaN}', "not a JSON number"),
    "Infinity": (b'{"a":-Infinity}', "not a JSON number"),
    "11 levels": (b'{"a":' + b"[" * 10 + b"]" * 10 + b"}", "nested too deep"),
    "100,000 levels": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
    "not UTF-8": (b'{"a":"\xff"}', "not UTF-8"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', "not JSON"),
    "lone surrogate": (b'{"a":"\\ud800"}', "lone surrogate"),
    "lone surrogate in a name": (b'{"\\udfff":1}', "lone surrogate"),
    "control character": (b'{"a":"\n"}', "not JSON"),
    "trailing text": (b"{} {}", "not JSON"),
    "other white space before": (b'\x0c{"a":1}', "not JSON"),
    "other white space behind": ('{"a":1}\u00a0'.encode(), "not JSON"),
    "trailing comma": (b'{"a":1,}', "not JSON"),
    "leading zero": (b'{"a":01}', "not JSON"),
    "single quotes": (b"{'a':1}", "not JSON"),
}


@pytest.mark.parametrize(("data", "expected"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepts(data: bytes, expected: object) -> None:
    assert parse_object(data) == expected


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses__PARSE_05_PARSE_08(data: bytes, why: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse_object(data)
    assert str(caught.value) == why


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_object(data)
    except JsonError:
        return
