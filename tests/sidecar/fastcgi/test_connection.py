from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.fastcgi.connection import (
    MAX_PARAMS_BYTES,
    MAX_RESPONSE_BYTES,
    Connection,
    Refusal,
    RequestReceived,
    respond,
)
from sidecar.fastcgi.records import ProtocolError, Role, Type, begin_request, pair, record
from tests.sidecar.fastcgi_client import params, parse, records, request

VALUES = {"REQUEST_METHOD": "GET", "LIGHTGATE_NONCE": "1.2", "HTTP_AUTHORIZATION": "Bearer " + "x" * 700}
WHOLE = request(VALUES)
PARAMS = b"".join(pair(name.encode(), value.encode()) for name, value in VALUES.items())
COMPLETE_AT = len(WHOLE) - 8  # the empty STDIN record is not waited for


def test_a_whole_request_in_one_piece() -> None:
    assert Connection().receive_data(WHOLE) == RequestReceived(request_id=1, params=PARAMS, ended=True)


def test_a_request_is_complete_with_the_empty_params_record__FCGI_07() -> None:
    """Up to 1.4.76 lighttpd never ends STDIN for requests with a body."""
    event = Connection().receive_data(WHOLE[:COMPLETE_AT])
    assert event == RequestReceived(request_id=1, params=PARAMS, ended=False)


def test_a_body_behind_the_parameters_is_not_looked_at__FCGI_07() -> None:
    event = Connection().receive_data(WHOLE[:COMPLETE_AT] + record(Type.STDIN, 1, b"x" * 9_000))
    assert event == RequestReceived(request_id=1, params=PARAMS, ended=False)


def test_byte_by_byte() -> None:
    codec = Connection()
    for position in range(COMPLETE_AT - 1):
        assert codec.receive_data(WHOLE[position : position + 1]) is None
    event = codec.receive_data(WHOLE[COMPLETE_AT - 1 : COMPLETE_AT])
    assert event == RequestReceived(request_id=1, params=PARAMS, ended=False)


@given(st.lists(st.integers(min_value=1, max_value=COMPLETE_AT - 1), max_size=6))
def test_any_split_gives_the_same_event(cuts: list[int]) -> None:
    codec, events = Connection(), []
    edges = [0, *sorted(set(cuts)), COMPLETE_AT]
    for start, end in itertools.pairwise(edges):
        events.append(codec.receive_data(WHOLE[start:end]))
    assert events[:-1] == [None] * (len(events) - 1)
    assert events[-1] == RequestReceived(request_id=1, params=PARAMS, ended=False)


def test_the_parameters_do_not_get_into_an_exception() -> None:
    assert repr(Connection().receive_data(WHOLE)) == "RequestReceived(request_id=1, ended=True)"


def event_or_mistake(*pieces: bytes) -> object:
    """The last event, or why there is none."""
    codec = Connection()
    try:
        *_, last = [codec.receive_data(piece) for piece in pieces]
    except ProtocolError as error:
        return str(error)
    return last


@pytest.mark.parametrize("position", [*range(24), *range(len(WHOLE) - 16, len(WHOLE))])
def test_a_request_in_one_piece_is_judged_like_one_in_two(position: int) -> None:
    """One piece has a way of its own; every header byte that differs must lead to the same event."""
    for value in range(256):
        changed = WHOLE[:position] + bytes([value]) + WHOLE[position + 1 :]
        in_two = event_or_mistake(changed[:1], changed[1:])
        assert event_or_mistake(changed) == in_two, value


@pytest.mark.parametrize("size", [65_535, 65_536, 100_000])
def test_long_parameters_in_one_piece(size: int) -> None:
    values = {"A": "x" * (size - 6)}
    assert len(params(values)) == size
    event = Connection().receive_data(request(values))
    assert event == RequestReceived(request_id=1, params=params(values), ended=True)


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_garbage_is_refused_or_waited_for(pieces: list[bytes]) -> None:
    codec = Connection()
    try:
        for piece in pieces:
            if codec.receive_data(piece) is not None:
                return
    except ProtocolError:
        return


def test_padding_is_skipped() -> None:
    padded = b"\x01\x04\x00\x01" + len(PARAMS).to_bytes(2) + b"\x05\x00" + PARAMS + b"\xff" * 5
    event = Connection().receive_data(begin_request(1, 2) + padded + record(Type.PARAMS, 1, b""))
    assert event == RequestReceived(request_id=1, params=PARAMS, ended=False)


def test_the_request_id_is_echoed__FCGI_10() -> None:
    event = Connection().receive_data(request(VALUES, request_id=0xABCD))
    assert isinstance(event, RequestReceived)
    assert parse(respond(event.request_id, b"Status: 401\r\n\r\n"), request_id=0xABCD).status == 401


def test_another_role_is_refused_and_can_never_look_like_success__FCGI_02() -> None:
    event = Connection().receive_data(request(VALUES, role=Role.RESPONDER))
    assert isinstance(event, Refusal)
    assert event.why == "role is not authorizer"
    assert records(event.answer) == [
        (Type.STDOUT, 1, b"Status: 503\r\n\r\n"),
        (Type.STDOUT, 1, b""),
        (Type.END_REQUEST, 1, b"\0\0\0\0\x03\0\0\0"),
    ]


def test_a_second_request_on_the_connection_is_refused__FCGI_10() -> None:
    event = Connection().receive_data(begin_request(1, 2) + begin_request(2, 2))
    assert isinstance(event, Refusal)
    assert event.why == "second request"
    assert records(event.answer) == [
        (Type.STDOUT, 2, b"Status: 503\r\n\r\n"),
        (Type.STDOUT, 2, b""),
        (Type.END_REQUEST, 2, b"\0\0\0\0\x01\0\0\0"),
    ]


def test_a_management_record_is_answered_as_unknown() -> None:
    event = Connection().receive_data(record(Type.GET_VALUES, 0, b""))
    assert event == Refusal(record(Type.UNKNOWN_TYPE, 0, b"\x09\0\0\0\0\0\0\0"), "management record")


REFUSED = {
    "another protocol": (b"GET / HTTP/1.1\r\n\r\n", "not FastCGI 1.0"),
    "version 2": (b"\x02" + WHOLE[1:], "not FastCGI 1.0"),
    "PARAMS first": (record(Type.PARAMS, 1, b""), "record before BEGIN_REQUEST"),
    "short BEGIN_REQUEST": (record(Type.BEGIN_REQUEST, 1, b"\0\x02"), "malformed BEGIN_REQUEST"),
    "PARAMS of another request": (
        begin_request(1, 2) + record(Type.PARAMS, 2, b""),
        "unexpected record",
    ),
    "STDIN before the parameters end": (
        begin_request(1, 2) + record(Type.STDIN, 1, b""),
        "unexpected record",
    ),
    "unknown type": (begin_request(1, 2) + b"\x01\x63\x00\x01\x00\x00\x00\x00", "unexpected record"),
    "abort": (begin_request(1, 2) + record(Type.ABORT_REQUEST, 1, b""), "request aborted"),
    "too many parameters": (
        begin_request(1, 2) + record(Type.PARAMS, 1, bytes(65_535)) * 2 + record(Type.PARAMS, 1, bytes(9)),
        "parameters are too long",
    ),
}


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses__FCGI_08(data: bytes, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        Connection().receive_data(data)
    assert str(caught.value) == why


def test_a_record_beyond_the_limit_is_refused_by_its_header__FCGI_08() -> None:
    codec = Connection()
    codec.receive_data(begin_request(1, 2))
    for _ in range(MAX_PARAMS_BYTES // 65_535):
        assert codec.receive_data(record(Type.PARAMS, 1, bytes(65_535))) is None
    with pytest.raises(ProtocolError):
        codec.receive_data(b"\x01\x04\x00\x01\xff\xff\x00\x00")


def test_nothing_is_taken_after_the_request() -> None:
    codec = Connection()
    codec.receive_data(WHOLE)
    with pytest.raises(ProtocolError):
        codec.receive_data(WHOLE)


def test_a_response_has_a_limit() -> None:
    assert len(respond(1, bytes(MAX_RESPONSE_BYTES))) == MAX_RESPONSE_BYTES + 8 + 8 + 16
    with pytest.raises(ValueError, match="too long"):
        respond(1, bytes(MAX_RESPONSE_BYTES + 1))
