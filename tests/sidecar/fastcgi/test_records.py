from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.fastcgi import records
from sidecar.fastcgi.records import ProtocolError, Type, pair, record, select

NAMES = st.binary(max_size=300)


@given(st.lists(st.tuples(NAMES, NAMES), max_size=8))
def test_pairs_are_read_back(pairs: list[tuple[bytes, bytes]]) -> None:
    expected: dict[bytes, bytes] = {}
    for name, value in pairs:
        expected[name] = expected[name] + b", " + value if name in expected else value
    assert select(b"".join(pair(*one) for one in pairs), {name for name, _ in pairs}) == expected


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(stream: bytes) -> None:
    try:
        select(stream, {b"A"})
    except ProtocolError as error:
        assert str(error) == "pair is cut"


def test_every_cut_of_a_stream_is_refused() -> None:
    stream = pair(b"A", b"1") + pair(b"N" * 130, b"v" * 200)
    whole = {len(pair(b"A", b"1")), len(stream), 0}
    for end in range(len(stream)):
        if end not in whole:
            with pytest.raises(ProtocolError):
                select(stream[:end], {b"A"})


def test_only_wanted_names_are_kept() -> None:
    assert select(pair(b"A", b"1") + pair(b"B", b"2"), {b"B"}) == {b"B": b"2"}


def test_four_byte_lengths_follow_the_specification() -> None:
    assert pair(b"A", b"v" * 128)[:5] == b"\x01\x80\x00\x00\x80"
    assert pair(b"A", b"v" * 127)[:2] == b"\x01\x7f"


def test_a_record_has_the_specified_header() -> None:
    assert record(Type.STDOUT, 0x0102, b"abc") == b"\x01\x06\x01\x02\x00\x03\x00\x00abc"


def test_a_record_cannot_be_too_long() -> None:
    with pytest.raises(ValueError, match="too long"):
        record(Type.STDOUT, 1, bytes(65_536))


def test_end_request_carries_the_protocol_status() -> None:
    assert records.end_request(1, records.ProtocolStatus.CANT_MPX_CONN)[8:] == b"\0\0\0\0\x01\0\0\0"
