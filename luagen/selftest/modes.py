"""The ways to answer an authorization request: two honest ones, and every one that is broken. Pure: an asked
question to steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from luagen.selftest import wire
from luagen.selftest.wire import end, record, response, stdout

EXPIRES: Final = b"Variable-LIGHTGATE_EXPIRES: 4102444800"  # 2100-01-01


@dataclass(frozen=True, slots=True)
class Question:
    """What lighttpd asked: the parameters of docs/internals.md, "Deferral"."""

    release: bytes
    nonce: bytes
    authorization: bytes


class Then(Enum):
    """What the authorizer does after its bytes."""

    CLOSE = "close"
    RESET = "reset"  # with what lighttpd has sent left unread
    HANG = "hang"  # keeps the connection and says no more


@dataclass(frozen=True, slots=True)
class Reply:
    content: bytes
    then: Then = Then.CLOSE
    after_s: float = 0.0  # silence before the first byte


class Listening(Enum):
    """The state of the authorizer's socket."""

    ANSWERING = "answering"
    MISSING = "missing"  # no file
    REFUSING = "refusing"  # a socket file that nobody listens on


@dataclass(frozen=True, slots=True)
class Mode:
    """One behaviour. `reply` gets the question to answer and, when `pairs`, a second one that is open at the
    same time."""

    name: str
    reply: Callable[[Question, Question], Reply]
    expected: str = "5xx"  # a status, or a class of statuses
    pairs: bool = False
    listening: Listening = Listening.ANSWERING


def answer(question: Question) -> bytes:
    return b"Variable-LIGHTGATE_ANSWER: " + question.release + b" " + question.nonce


def identity(question: Question, sub: bytes = b"alice") -> bytes:
    return b"Variable-LIGHTGATE_IDENTITY: release=" + question.release + b"&provider=selftest&sub=" + sub


def allow_lines(question: Question) -> tuple[bytes, ...]:
    """The header lines of an honest allow."""
    return (b"Status: 200", answer(question), identity(question), EXPIRES)


def refusal(question: Question) -> bytes:
    """An honest 401."""
    return response(
        b"Status: 401",
        b"Lightgate-Answer: " + question.release + b" " + question.nonce,
        b'WWW-Authenticate: Bearer realm="selftest"',
        b"Content-Type: text/plain",
        body=b"no\n",
    )


def _altered(nonce: bytes) -> bytes:
    """A nonce of the same length and alphabet that was never given out."""
    return nonce[:-1] + (b"0" if nonce[-1:] != b"0" else b"1")


def _other(question: Question, *, release: bytes | None = None, nonce: bytes | None = None) -> Question:
    return Question(release or question.release, nonce or question.nonce, question.authorization)


def _fixed(content: bytes, then: Then = Then.CLOSE) -> Callable[[Question, Question], Reply]:
    return lambda question, other: Reply(content, then)


def _lines(make: Callable[[Question], tuple[bytes, ...]]) -> Callable[[Question, Question], Reply]:
    """A complete, well-formed response with these header lines."""
    return lambda question, other: Reply(response(*make(question)))


def _headers(question: Question) -> bytes:
    return b"\r\n".join((*allow_lines(question), b"", b""))


def _status(status: bytes) -> Callable[[Question, Question], Reply]:
    return _lines(lambda q: (b"Status: " + status, *allow_lines(q)[1:]))


HONEST_ALLOW: Final = "honest allow"

MODES: Final[tuple[Mode, ...]] = (
    Mode(HONEST_ALLOW, _lines(allow_lines), expected="200"),
    Mode("honest 401", lambda q, other: Reply(refusal(q)), expected="401"),
    # ends without an answer: what lighttpd itself takes for "allowed"
    Mode("END_REQUEST only", _fixed(end())),
    Mode("no Status", _lines(lambda q: (b"X-Nothing: 1",))),
    Mode("empty header block", _fixed(response())),
    Mode("Location without Status", _lines(lambda q: (b"Location: /public",))),
    Mode("appStatus 1", _fixed(end(app_status=1))),
    Mode("OVERLOADED", _fixed(end(protocol_status=wire.OVERLOADED))),
    Mode("CANT_MPX_CONN", _fixed(end(protocol_status=wire.CANT_MPX_CONN))),
    Mode("stderr only", _fixed(record(wire.STDERR, b"selftest: on purpose\n") + end())),
    # an allow with something wrong in it
    Mode("200 without variables", _lines(lambda q: (b"Status: 200",))),
    Mode("wrong nonce", _lines(lambda q: allow_lines(_other(q, nonce=_altered(q.nonce))))),
    Mode("wrong release", _lines(lambda q: allow_lines(_other(q, release=b"0" * len(q.release))))),
    Mode("answer for another request", lambda q, other: Reply(response(*allow_lines(other))), pairs=True),
    Mode("ANSWER missing", _lines(lambda q: (b"Status: 200", identity(q), EXPIRES))),
    Mode("ANSWER twice", _lines(lambda q: (*allow_lines(q), answer(q)))),
    Mode("IDENTITY missing", _lines(lambda q: (b"Status: 200", answer(q), EXPIRES))),
    Mode("IDENTITY without sub", _lines(lambda q: (b"Status: 200", answer(q), identity(q, b""), EXPIRES))),
    Mode("IDENTITY malformed", _lines(lambda q: (b"Status: 200", answer(q), identity(q, b"%zz"), EXPIRES))),
    Mode("IDENTITY twice", _lines(lambda q: (*allow_lines(q), identity(q, b"mallory")))),
    Mode("EXPIRES missing", _lines(lambda q: allow_lines(q)[:3])),
    Mode(
        "EXPIRES not a number", _lines(lambda q: (*allow_lines(q)[:3], b"Variable-LIGHTGATE_EXPIRES: soon"))
    ),
    # a status that is none, or two
    Mode("Status 0", _status(b"0")),
    Mode("Status 99", _status(b"99")),
    Mode("Status 204", _status(b"204")),
    Mode("Status 600", _status(b"600")),
    Mode('Status "abc"', _status(b"abc")),
    Mode("two Status lines", _lines(lambda q: (*allow_lines(q), b"Status: 201"))),
    Mode("header without a colon", _lines(lambda q: (b"Status 200",))),
    Mode("header block too large", _lines(lambda q: (*allow_lines(q), b"X-Padding: " + b"x" * 70_000))),
    # a response to the client that nobody vouches for
    Mode("401 without Lightgate-Answer", _lines(lambda q: (b"Status: 401", b"Content-Type: text/plain"))),
    Mode(
        "401 with a wrong nonce",
        lambda q, other: Reply(refusal(_other(q, nonce=_altered(q.nonce)))),
    ),
    # ends in the middle
    Mode("200, then closed without END_REQUEST", lambda q, other: Reply(stdout(_headers(q)))),
    Mode("truncated headers", lambda q, other: Reply(stdout(_headers(q)[:-10]))),
    Mode("closed at once", _fixed(b"")),
    Mode("reset", _fixed(b"", Then.RESET)),
    Mode("not FastCGI", _fixed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    # no end at all: lighttpd's read-timeout has to end it
    Mode("garbage, then silence", _fixed(b"\xff" * 64, Then.HANG)),
    Mode("silence", _fixed(b"", Then.HANG)),
    Mode("too late", lambda q, other: Reply(response(*allow_lines(q)), after_s=5.0)),
    # nobody there
    Mode("socket missing", _fixed(b""), listening=Listening.MISSING),
    Mode("connection refused", _fixed(b""), listening=Listening.REFUSING),
)
