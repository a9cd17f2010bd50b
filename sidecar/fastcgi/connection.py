"""The authorizer's side of one FastCGI connection, without I/O: bytes in, one event out.

A connection carries one request, as lighttpd uses it (FCGI_KEEP_CONN is not honoured: the application may
close, section 5.1 leaves the rest to it). The request is complete with the empty PARAMS record. STDIN is
never waited for: up to 1.4.76 lighttpd does not end it for requests with a body.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from sidecar.fastcgi.records import (
    BEGIN_REQUEST_BODY,
    HEADER,
    HEADER_LEN,
    MAX_CONTENT_LEN,
    VERSION_1,
    ProtocolError,
    ProtocolStatus,
    Role,
    Type,
    begin_request,
    end_request,
    record,
)

MAX_PARAMS_BYTES = 128 * 1024  # lighttpd sends at most one record of 64 KiB
MAX_RESPONSE_BYTES = 60_000  # lighttpd takes header blocks of up to 65,535 bytes; one record, one write


# What lighttpd sends around the parameters: it numbers every request 1, and neither pads nor splits them.
_LIGHTTPD_BEGINS = begin_request(1, Role.AUTHORIZER) + bytes([VERSION_1, Type.PARAMS, 0, 1])
_LIGHTTPD_ENDS = record(Type.PARAMS, 1, b"") + record(Type.STDIN, 1, b"")


class State(Enum):
    """IDLE -BEGIN_REQUEST→ PARAMS -empty PARAMS→ COMPLETE; a refusal ends in CLOSED. No other way."""

    IDLE = auto()
    PARAMS = auto()
    COMPLETE = auto()
    CLOSED = auto()


class RequestReceived(NamedTuple):
    """A whole request. `ended`: nothing more will come, the empty STDIN record is here."""

    request_id: int
    params: bytes
    ended: bool

    def __repr__(self) -> str:  # the credential must not get into an exception's text
        return f"RequestReceived(request_id={self.request_id}, ended={self.ended})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The peer asks for what an authorizer does not do: send `answer` and close."""

    answer: bytes
    why: str


class Connection:
    """Feed `receive_data` until it returns an event."""

    def __init__(self) -> None:
        self._state = State.IDLE
        self._request_id = 0
        self._buffer = bytearray()
        self._needed = HEADER_LEN  # bytes of buffer without which nothing can be done
        self._params: list[bytes] = []
        self._params_bytes = 0

    def receive_data(self, data: bytes) -> RequestReceived | Refusal | None:
        """The event that `data` completes, None when more is needed. Raises ProtocolError; then just close.

        What follows the event is not looked at, except for the end of STDIN.
        """
        if self._state is State.IDLE and not self._buffer and (whole := _whole(data)) is not None:
            self._state = State.COMPLETE
            return whole
        if self._state in (State.COMPLETE, State.CLOSED):
            raise ProtocolError("data after the request")
        if self._buffer or len(data) < self._needed:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return None
            data = bytes(self._buffer)
        position, available = 0, len(data)
        event: RequestReceived | Refusal | None = None
        self._needed = HEADER_LEN
        while event is None and available - position >= HEADER_LEN:
            version, kind, request_id, content_length, padding = HEADER.unpack_from(data, position)
            if version != VERSION_1:
                raise ProtocolError("not FastCGI 1.0")
            content_start = position + HEADER_LEN
            content_end = content_start + content_length
            # Judged by its header, so that a record which is refused anyway is never waited for.
            self._check(kind, request_id, content_length)
            if content_end + padding > available:
                self._needed = content_end + padding - position
                break
            position = content_end + padding
            event = self._record(kind, request_id, data[content_start:content_end])
            if self._is_complete():
                params = self._params[0] if len(self._params) == 1 else b"".join(self._params)
                ended = _ends(data, position, request_id)
                event = RequestReceived(request_id=request_id, params=params, ended=ended)
        self._buffer = bytearray(data[position:]) if event is None else bytearray()
        return event

    def _is_complete(self) -> bool:
        return self._state is State.COMPLETE

    def _check(self, kind: int, request_id: int, content_length: int) -> None:
        if kind == Type.PARAMS and self._params_bytes + content_length > MAX_PARAMS_BYTES:
            raise ProtocolError("parameters are too long")
        if kind == Type.BEGIN_REQUEST and content_length != BEGIN_REQUEST_BODY.size:
            raise ProtocolError("malformed BEGIN_REQUEST")
        if self._state is State.IDLE and kind != Type.BEGIN_REQUEST and request_id != 0:
            raise ProtocolError("record before BEGIN_REQUEST")

    def _record(self, kind: int, request_id: int, content: bytes) -> Refusal | None:
        if request_id == 0:
            # Section 4.2: a management record of a type that we do not know. lighttpd sends none.
            self._state = State.CLOSED
            answer = record(Type.UNKNOWN_TYPE, 0, bytes([kind, 0, 0, 0, 0, 0, 0, 0]))
            return Refusal(answer, "management record")
        match kind, self._state:
            case Type.BEGIN_REQUEST, State.IDLE:
                return self._begin(request_id, content)
            case Type.BEGIN_REQUEST, _:
                # Section 5.5: we do not multiplex, so an answer can never reach another request.
                self._state = State.CLOSED
                return Refusal(_denial(request_id, ProtocolStatus.CANT_MPX_CONN), "second request")
            case Type.PARAMS, State.PARAMS if request_id == self._request_id:
                self._add_params(content)
                return None
            case Type.ABORT_REQUEST, _:
                raise ProtocolError("request aborted")
            case _:
                raise ProtocolError("unexpected record")

    def _begin(self, request_id: int, content: bytes) -> Refusal | None:
        role, _flags = BEGIN_REQUEST_BODY.unpack(content)
        self._request_id = request_id
        if role != Role.AUTHORIZER:
            # A typo in lighttpd's `mode` makes a responder of us.
            self._state = State.CLOSED
            return Refusal(_denial(request_id, ProtocolStatus.UNKNOWN_ROLE), "role is not authorizer")
        self._state = State.PARAMS
        return None

    def _add_params(self, content: bytes) -> None:
        if content:
            self._params.append(content)
            self._params_bytes += len(content)
        else:
            self._state = State.COMPLETE


def _whole(data: bytes) -> RequestReceived | None:
    """The request in `data` when it is all there in lighttpd's own form, which spares the walk over records.

    None says nothing: the walk is what decides.
    """
    if not (data.startswith(_LIGHTTPD_BEGINS) and data.endswith(_LIGHTTPD_ENDS)):
        return None
    params_start = len(_LIGHTTPD_BEGINS) + 4  # the rest of the header: length, padding, reserved
    params_end = len(data) - len(_LIGHTTPD_ENDS)
    params_bytes = params_end - params_start
    if not 1 <= params_bytes <= MAX_CONTENT_LEN:
        return None
    if data[params_start - 4 : params_start] != params_bytes.to_bytes(2) + b"\0\0":
        return None
    return RequestReceived(request_id=1, params=data[params_start:params_end], ended=True)


@lru_cache(maxsize=16)  # lighttpd has but one number
def _ending(request_id: int) -> bytes:
    return record(Type.STDOUT, request_id, b"") + end_request(request_id)


def respond(request_id: int, response: bytes) -> bytes:
    """STDOUT, empty STDOUT, END_REQUEST for a CGI response, to be sent with one write.

    One piece, because lighttpd from 1.4.83 on crashes when it times out between a complete header and the end
    of the request. Raises ValueError: more than 60,000 bytes.
    """
    if len(response) > MAX_RESPONSE_BYTES:
        raise ValueError("response is too long")
    return record(Type.STDOUT, request_id, response) + _ending(request_id)


def _denial(request_id: int, status: ProtocolStatus) -> bytes:
    """A protocol status with a response before it: without one lighttpd takes the end for an allow."""
    return _stdout(request_id, b"Status: 503\r\n\r\n") + end_request(request_id, status)


def _stdout(request_id: int, content: bytes) -> bytes:
    return record(Type.STDOUT, request_id, content) + record(Type.STDOUT, request_id, b"")


def _ends(data: bytes, position: int, request_id: int) -> bool:
    """Whether what follows the request is the empty STDIN record and nothing else."""
    if len(data) - position < HEADER_LEN:
        return False
    _version, kind, stdin_id, content_length, padding = HEADER.unpack_from(data, position)
    is_end = (kind, stdin_id, content_length) == (Type.STDIN, request_id, 0)
    return is_end and len(data) - position == HEADER_LEN + padding


assert MAX_RESPONSE_BYTES <= MAX_CONTENT_LEN  # noqa: S101 - one record holds a response
