from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luagen.lua.host import LUA_VERSIONS, Host


def to_python(module: Any, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "items"):
        if module[b"is_array"](value):
            return [to_python(module, value[i + 1]) for i in range(int(value[0]))]
        if module[b"is_object"](value):
            return {name.decode(): to_python(module, item) for name, item in value.items()}
        return None  # the one table that is neither is json.null
    return value


def parse(module: Any, text: bytes) -> Any:
    found = module[b"parse"](text)
    if isinstance(found, tuple) and found[0] is None:
        raise ValueError(found[1].decode())
    return to_python(module, found)


ACCEPTED = [
    b'{"a":1}',
    b' {"a" : [ ] , "b":{},"c":[1,[2,"x"],{"d":null}]}\r\n',
    b'"\\u00e9\\ud83d\\ude00\\n\\/"',
    b'"\x7f"',
    '"é€😀"'.encode(),
    b"-0.5e2",
    b"123456789012345",
    b"true",
    b"[false,null]",
    b"[[[[[[[[[[1]]]]]]]]]]",
]

REFUSED = [
    (b"", "bad number"),
    (b'{"a":1,"a":2}', "duplicate member"),
    (b'{"a":1,"\\u0061":2}', "duplicate member"),
    (b'{"a":1}x', "text after the value"),
    (b'{"a":1,}', "member name expected"),
    (b"[1,]", "bad number"),
    (b"{'a':1}", "member name expected"),
    (b'{"a" 1}', "colon expected"),
    (b'{"a":1 "b":2}', "comma expected"),
    (b"[1 2]", "comma expected"),
    (b'"\\ud800"', "lone surrogate"),
    (b'"\\udc00\\ud800"', "lone surrogate"),
    (b'"\\ud800\\u0041"', "lone surrogate"),
    (b'"\\x41"', "bad escape"),
    (b'"\\u00g1"', "bad escape"),
    (b'"a\nb"', "control character in string"),
    (b'"a\x00b"', "control character in string"),
    (b'"a', "unfinished string"),
    (b'"\xff"', "not UTF-8"),
    (b'"\xc0\xae"', "not UTF-8"),
    (b'"\xed\xa0\x80"', "not UTF-8"),
    (b'"\xf4\x90\x80\x80"', "not UTF-8"),
    (b'"\xe2\x82"', "not UTF-8"),
    (b"01", "bad number"),
    (b"1.", "bad number"),
    (b".5", "bad number"),
    (b"+1", "bad number"),
    (b"1e", "bad number"),
    (b"0x10", "text after the value"),
    (b"NaN", "bad number"),
    (b"Infinity", "bad number"),
    (b"1e999", "number out of range"),
    (b"1234567890123456", "too many digits"),
    (b"1.234567890123456", "too many digits"),
    (b"[" * 11 + b"]" * 11, "nested too deep"),
    (b'{"a":' * 100_000, "nested too deep"),
    (b"tru", "bad number"),
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepts(host: Host, text: bytes) -> None:
    module = host.load_runtime("json")["json"]
    assert parse(module, text) == json.loads(text)


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refuses(host: Host, text: bytes, reason: str) -> None:
    module = host.load_runtime("json")["json"]
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse(module, text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_agrees_with_python(version: str) -> None:
    module = Host(version).load_runtime("json")["json"]

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(json_values, st.booleans())
    def agree(value: Any, ascii_only: bool) -> None:
        text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        if depth(value) > 10:
            with pytest.raises(ValueError, match="nested too deep"):
                parse(module, text)
        else:
            assert parse(module, text) == value

    @settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=40) | st.text(alphabet='{}[]",:0123456789eE+-.\\u trufalsn\n').map(str.encode))
    def never_raises(text: bytes) -> None:
        found = module[b"parse"](text)
        if not (isinstance(found, tuple) and found[0] is None):
            json.loads(text)  # what is accepted is JSON

    agree()
    never_raises()
