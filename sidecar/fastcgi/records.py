"""The wire of FastCGI 1.0: records and name-value pairs. Names are the specification's."""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from struct import Struct

VERSION_1 = 1
HEADER_LEN = 8
MAX_CONTENT_LEN = 65_535

# Section 3.3: version, type, requestId, contentLength, paddingLength, reserved.
HEADER = Struct("!BBHHBx")
# Section 5.1: role, flags, reserved.
BEGIN_REQUEST_BODY = Struct("!HB5x")
# Section 5.5: appStatus, protocolStatus, reserved.
END_REQUEST_BODY = Struct("!IB3x")


class Type(IntEnum):
    BEGIN_REQUEST = 1
    ABORT_REQUEST = 2
    END_REQUEST = 3
    PARAMS = 4
    STDIN = 5
    STDOUT = 6
    STDERR = 7
    DATA = 8
    GET_VALUES = 9
    GET_VALUES_RESULT = 10
    UNKNOWN_TYPE = 11


class Role(IntEnum):
    RESPONDER = 1
    AUTHORIZER = 2
    FILTER = 3


class ProtocolStatus(IntEnum):
    REQUEST_COMPLETE = 0
    CANT_MPX_CONN = 1
    OVERLOADED = 2
    UNKNOWN_ROLE = 3


class ProtocolError(Exception):
    """The peer does not speak FastCGI as it must. The message is a fixed text."""


def record(record_type: Type, request_id: int, content: bytes) -> bytes:
    """One record without padding. Raises ValueError: more than 65,535 bytes."""
    if len(content) > MAX_CONTENT_LEN:
        raise ValueError("record content is too long")
    return HEADER.pack(VERSION_1, record_type, request_id, len(content), 0) + content


def begin_request(request_id: int, role: int, flags: int = 0) -> bytes:
    return record(Type.BEGIN_REQUEST, request_id, BEGIN_REQUEST_BODY.pack(role, flags))


def end_request(request_id: int, status: ProtocolStatus = ProtocolStatus.REQUEST_COMPLETE) -> bytes:
    return record(Type.END_REQUEST, request_id, END_REQUEST_BODY.pack(0, status))


def pair(name: bytes, value: bytes) -> bytes:
    """One name-value pair (section 3.4)."""
    return _length(len(name)) + _length(len(value)) + name + value


def _length(value: int) -> bytes:
    return value.to_bytes(1) if value < 0x80 else (value | 0x8000_0000).to_bytes(4)


def _length_at(stream: bytes, position: int) -> tuple[int, int]:
    """A length, and the position after it. Raises IndexError when it is cut."""
    first = stream[position]
    if first < 0x80:
        return first, position + 1
    if position + 4 > len(stream):  # a slice would not say so
        raise IndexError
    return int.from_bytes(stream[position : position + 4]) & 0x7FFF_FFFF, position + 4


def select(stream: bytes, wanted: Collection[bytes]) -> dict[bytes, bytes]:
    """The pairs of a whole PARAMS stream whose names are `wanted`, in one pass (section 3.4).

    A name given twice has its values joined with ", ", as lighttpd joins repeated header fields: nothing can
    hide behind the other. Raises ProtocolError when the last pair is cut.
    """
    found: dict[bytes, bytes] = {}
    position, end = 0, len(stream)
    try:
        while position < end:
            name_length, value_length = stream[position], stream[position + 1]
            name_start = position + 2
            if name_length | value_length >= 0x80:  # nearly never: at least one length of four bytes
                name_length, position = _length_at(stream, position)
                value_length, name_start = _length_at(stream, position)
            value_start = name_start + name_length
            name = stream[name_start:value_start]
            position = value_start + value_length
            if name in wanted:
                value = stream[value_start:position]
                found[name] = found[name] + b", " + value if name in found else value
    except IndexError:
        raise ProtocolError("pair is cut") from None
    if position != end:
        raise ProtocolError("pair is cut")
    return found
