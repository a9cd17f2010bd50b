"""Fields of a request that only the runtime computes: the clock, the protocol, the body, the country."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from luagen.builtins import percent
from luagen.lua.host import LUA_VERSIONS, Clock, Host, Request

Reader = Callable[[bytes], Any]


def reader(host: Host, request: Request, country: bytes = b"nil", patch: int = 85) -> Reader:
    """A function from Lua expressions over `gate` and `q` to their values, for one request."""
    modules = host.load_runtime("address", "texts", "automaton", "country", "fields")
    gate, q = host.table({}), host.table({})
    lighty = host.fake[b"lighty"]
    modules["fields"][b"attach"](gate, lighty, q)
    attach = host._chunk(
        b"local country, gate, lighty, q, patch, source = ...\n"
        b"local function unavailable(_, why) gate.why = why return 503 end\n"
        b"if source then country.attach(gate, lighty, q, source, patch, unavailable) end",
        b"@attach",
    )
    attach(modules["country"], gate, lighty, q, patch, host._chunk(b"return " + country, b"@source")())
    host.open(request)
    return lambda expression: host._chunk(b"local gate, q = ... return " + expression, b"@e")(gate, q)


def set_attribute(host: Host, name: bytes, value: bytes) -> None:
    host._chunk(b"local lighty, name, value = ... lighty.r.req_attr[name] = value", b"@set")(
        host.fake[b"lighty"], name, value
    )


@pytest.mark.parametrize(
    ("protocol", "version"),
    [(b"HTTP/1.0", b"1.0"), (b"HTTP/1.1", b"1.1"), (b"HTTP/2.0", b"2"), (b"HTTP/3.0", b"3"), (b"", b"")],
)
def test_http_version(host: Host, protocol: bytes, version: bytes) -> None:
    assert reader(host, Request(protocol=protocol))(b"gate.http_version(q)") == version


def test_content_length(host: Host) -> None:
    assert reader(host, Request())(b"gate.content_length(q)") == 0
    read = reader(host, Request(body=b"abc"))
    assert read(b"gate.content_length(q)") == 3
    assert read(b"q.content_length") == 3
    assert reader(host, Request(body_length=-1))(b"gate.content_length(q)") == -1
    # so that arithmetic with it stays exact
    assert reader(host, Request(body_length=2**62))(b"gate.content_length(q)") == 2**43


MOMENTS = [
    "1970-01-01T00:00:00", "1970-01-01T23:59:59", "1999-12-31T23:59:59", "2000-02-29T12:00:00",
    "2000-03-01T00:00:00", "2023-02-28T01:02:03", "2024-02-29T23:00:00", "2024-12-31T00:59:00",
    "2026-11-24T15:58:00", "2038-01-19T03:14:08", "2100-02-28T08:00:00", "2100-03-01T08:00:00",
    "2400-02-29T00:00:00", "9999-12-31T23:59:59",
]  # fmt: skip


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_calendar_and_clock(version: str) -> None:
    clock = Clock()
    host = Host(version, clock)
    moments = [datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in MOMENTS]
    moments += [datetime.fromtimestamp(day * 86400 + day % 86400, UTC) for day in range(0, 40_000, 97)]
    for moment in moments:
        clock.now = int(moment.timestamp())
        read = reader(host, Request())
        assert read(b"gate.now(q)") == clock.now
        found = [
            read(b"gate.%s(q)" % name)
            for name in (b"year", b"month", b"day", b"weekday", b"hour", b"minute", b"minute_of_day")
        ]
        assert found == [
            moment.year, moment.month, moment.day, moment.weekday(), moment.hour, moment.minute,
            moment.hour * 60 + moment.minute,
        ]  # fmt: skip


def test_the_clock_is_read_once_a_pass(host: Host, clock: Clock) -> None:
    read = reader(host, Request())
    begun = read(b"gate.now(q)")
    clock.now += 86_400 * 40
    assert read(b"q.now or gate.now(q)") == begun
    assert read(b"gate.month(q)") == datetime.fromtimestamp(begun, UTC).month
    assert read(b"q.year") == datetime.fromtimestamp(begun, UTC).year  # one computation for all three


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (None, []),
        (b"x=1&y=2&x=&x&X=3&x=a%20b+c", [b"1", b"", b"", b"a b c"]),
        (b"%78=1", [b"1"]),
        (b"xx=1&=x", []),
    ],
)
def test_all_arguments_of_a_name(host: Host, query: bytes | None, values: list[bytes]) -> None:
    read = reader(host, Request(query=query))
    assert list(read(b'gate.all_args(q, "x")').values()) == values
    assert list(read(b'gate.all_args(q, "y")').values()) != values or not values
    assert read(b'gate.all_args(q, "x") == gate.all_args(q, "x")')  # read once


def test_variables_of_modules(host: Host) -> None:
    read = reader(host, Request())
    assert read(b'gate.variable(q, "SSL_PROTOCOL")') == b""
    host.fake[b"set_env"](b"SSL_PROTOCOL", b"TLSv1.3")
    assert read(b'gate.variable(q, "SSL_PROTOCOL")') == b"TLSv1.3"


@pytest.mark.parametrize("key", [b"", b"alice", b"192.0.2.7", b"\0\xff", b"x" * 10_000])
def test_percent(host: Host, key: bytes) -> None:
    read = reader(host, Request(path=key))
    assert read(b'gate.percent((q.path or "") .. gate.raw_path(q))') == percent(key)


# --- country ----------------------------------------------------------------------------------------

BY_VARIABLE = b'{ variable = "GEO" }'
BY_HEADER = b'{ header = "cf-ipcountry", trusted = { "10.0.0.0/8", "2001:db8::/32" } }'
GERMANY = Request(remote=b"10.1.2.3", headers=((b"CF-IPCountry", b"DE"),))


@pytest.mark.parametrize("patch", [69, 70, 85])
def test_country_by_variable(host: Host, patch: int) -> None:
    read = reader(host, Request(), BY_VARIABLE, patch)
    assert read(b"gate.country(q)") == b""
    host.fake[b"set_env"](b"GEO", b"DE")
    assert read(b"gate.country(q)") == b"DE"
    assert read(b"q.country") == b"DE"
    assert read(b"q.stop") is None


def test_one_country_a_connection_is_no_country_behind_a_front(host: Host) -> None:
    for patch, stop in ((69, 503), (70, None)):
        read = reader(host, Request(), BY_VARIABLE, patch)
        host.fake[b"set_env"](b"GEO", b"DE")
        set_attribute(host, b"request.remote-port", b"0")
        assert read(b"gate.country(q)") == (b"" if stop else b"DE")
        assert read(b"q.stop") == stop
        assert (b"1.4.69" in (read(b"gate.why") or b"")) == bool(stop)


def test_what_barred_the_way_first_stays(host: Host) -> None:
    read = reader(host, Request(), BY_VARIABLE, 69)
    set_attribute(host, b"request.remote-port", b"0")
    assert read(b"(function() q.stop = 400 gate.country(q) return q.stop end)()") == 400


def test_country_by_header_of_a_trusted_peer(host: Host) -> None:
    assert reader(host, GERMANY, BY_HEADER)(b"gate.country(q)") == b"DE"


@pytest.mark.parametrize("remote", [b"11.1.2.3", b"2001:db9::1", b"", b"/run/some.sock"])
def test_country_by_header_of_anybody_else_is_unknown(host: Host, remote: bytes) -> None:
    request = Request(remote=remote, headers=GERMANY.headers)
    assert reader(host, request, BY_HEADER)(b"gate.country(q)") == b""


def test_country_by_header_through_a_front_that_lighttpd_trusts(host: Host) -> None:
    read = reader(host, Request(remote=b"203.0.113.9", headers=GERMANY.headers), BY_HEADER)
    set_attribute(host, b"request.remote-port", b"0")  # mod_extforward has put the client's address there
    assert read(b"gate.country(q)") == b"DE"
