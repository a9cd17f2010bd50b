"""Token buckets under every Lua: their clock, their memory, and what a request is counted for."""

from __future__ import annotations

import pytest

from luagen.lua.host import LUA_VERSIONS, Clock, Host, Outcome, Request
from tests.lua.passes import BEARER, allow, deferred, second_pass
from tests.lua.scripts import request_script

RULE = b"""
function(q)
  if not gate.made then
    gate.made = gate.limiter({ amount = %d, period_ms = %d, burst = %d, status = 429, policy = ";q=1;w=1" })
  end
  return gate.limit(q, 1, gate.made, %s)
end"""


def limit(amount: int = 1, period_s: int = 1, burst: int = 1, key: bytes = b"nil") -> bytes:
    return RULE % (amount, period_s * 1000, burst, key)


class Site:
    def __init__(self, host: Host, rules: bytes, name: bytes = b"a rule") -> None:
        self.host = host
        self.script = request_script(rules, (name, b"two"))

    def ask(self, request: Request = Request()) -> Outcome:  # noqa: B008 - immutable
        self.host.open(request)
        return self.host.run(self.script)

    def statuses(self, *requests: Request) -> list[int]:
        return [self.ask(request).status for request in requests]


class FineHost(Host):
    """A host whose clock has nanoseconds, moved by hand."""

    def __init__(self, version: str) -> None:
        super().__init__(version, Clock())
        self.nanoseconds = 0
        self.fake[b"lighty"][b"c"][b"hrtime"] = lambda: (
            self.clock.now + self.nanoseconds // 10**9,
            self.nanoseconds % 10**9,
        )


@pytest.fixture(params=LUA_VERSIONS)
def fine(request: pytest.FixtureRequest) -> FineHost:
    return FineHost(request.param)


def test_tokens_flow_in_by_the_millisecond(fine: FineHost) -> None:
    site = Site(fine, limit(amount=3, burst=2))
    assert site.statuses(Request(), Request(), Request()) == [0, 0, 429]
    fine.nanoseconds = 333_999_999  # 333 ms bring 999 of the 1000 parts that a token has
    assert site.ask().status == 429
    fine.nanoseconds = 334_000_000
    assert site.statuses(Request(), Request()) == [0, 429]
    fine.nanoseconds = 666_000_000  # 1998 parts, of which 1000 are gone
    assert site.ask().status == 429
    fine.nanoseconds = 667_000_000
    assert site.ask().status == 0


def test_a_bucket_has_no_more_than_its_burst(fine: FineHost) -> None:
    site = Site(fine, limit(amount=1_000_000, period_s=86400, burst=1_000_000))
    assert site.ask().status == 0
    fine.clock.now += 10**10  # so many parts of a token that integers of Lua would wrap
    assert site.ask().status == 0
    [level] = fine.lua.globals()[b"lightgate"][b"made"][b"by_rule"][1][b"levels"].values()
    assert level == 86_400_000 * 999_999


def test_nor_after_a_pause_that_fills_it(fine: FineHost) -> None:
    site = Site(fine, limit(burst=3))
    assert site.ask().status == 0
    fine.nanoseconds = 2_900_000_000  # shorter than an empty bucket takes
    assert site.statuses(*[Request()] * 4) == [0, 0, 0, 429]


def test_a_clock_that_goes_back_gives_nothing(fine: FineHost) -> None:
    site = Site(fine, limit())
    assert site.statuses(Request(), Request()) == [0, 429]
    fine.clock.now -= 1000
    assert site.ask().status == 429
    fine.clock.now += 1
    assert site.statuses(Request(), Request()) == [0, 429]


def test_a_refusal_says_when_to_come_again(host: Host) -> None:
    site = Site(host, limit(amount=1, period_s=90), name='say \\"ä\\" \\\\ b'.encode())
    site.ask()
    refused = site.ask()
    assert (refused.status, refused.env[b"LIGHTGATE_DECISION"]) == (429, b"refuse")
    assert refused.response_headers == {
        b"Retry-After": b"90",
        b"RateLimit-Policy": b'"say \\"--\\" \\\\ b";q=1;w=1',
        b"RateLimit": b'"say \\"--\\" \\\\ b";r=0;t=90',
        b"Cache-Control": b"no-store",
        b"Content-Type": b"application/json",
    }


def test_clients_are_told_apart_by_address(host: Host) -> None:
    addresses = (
        b"192.0.2.1",
        b"192.0.2.2",
        b"192.0.2.1",
        b"2001:db8::1",
        b"2001:db8::2",
        b"2001:db8:0:1::1",
        b"",
    )
    requests = [Request(remote=address) for address in addresses]
    assert Site(host, limit()).statuses(*requests) == [0, 0, 429, 0, 429, 0, 0]


@pytest.mark.parametrize("version", ["lua51", "lua54"])
def test_memory_is_bounded(version: str) -> None:
    host = Host(version)
    site = Site(host, limit(period_s=86400, key=b'gate.header(q, "x-key")'))

    def ask(number: int) -> int:
        status = site.ask(Request(headers=((b"X-Key", b"%d" % number * 20),))).status
        return int(status)

    assert ask(0) == 0
    for number in range(1, 9_999):
        ask(number)
    assert (ask(0), ask(9_999), ask(0)) == (429, 0, 429)  # full: the next one opens a generation
    ask(10_000)
    assert ask(0) == 429  # found in the old generation, and kept in the new one
    for number in range(10_001, 19_999):
        ask(number)
    made = host.lua.globals()[b"lightgate"][b"made"][b"by_rule"][1]
    for generation in (b"levels", b"times", b"old_levels", b"old_times"):
        keys = list(made[generation].keys())
        assert len(keys) <= 10_000
        assert max(map(len, keys)) <= 64
    ask(20_000)
    assert ask(1) == 0  # forgotten


def test_a_request_is_counted_once_in_all_its_passes(host: Host) -> None:
    site = Site(host, limit(burst=2))
    assert site.ask().status == 0
    for _ in range(3):  # lighttpd restarts it: the environment stays
        host.answer(Request(), {})
        assert host.run(site.script).status == 0
    assert site.statuses(Request(), Request()) == [0, 429]


def test_what_another_release_counted_counts_for_nothing(host: Host) -> None:
    site = Site(host, limit())
    assert site.ask().status == 0
    host.open(Request())
    host.set_variable(b"LIGHTGATE_COUNTED", b"r0  1 ")
    assert host.run(site.script).status == 429


def test_clients_cannot_say_that_they_were_counted(host: Host) -> None:
    site = Site(host, limit())
    forged = Request(headers=((b"LIGHTGATE_COUNTED", b"r1  1 "), (b"Lightgate-Counted", b"r1  1 ")))
    assert site.statuses(forged, forged) == [0, 429]


def test_a_deferred_request_is_counted_once(host: Host) -> None:
    rules = (
        limit(burst=2) + b", function(q) gate.identity(q, 2) if q.stop then return q.stop end return nil end"
    )
    request = Request(headers=(BEARER,))
    outcome = deferred(host, request, rules)
    assert second_pass(host, request, rules, allow(outcome)).status == 0
    assert Site(host, rules).statuses(request, request) == [0, 429]  # from memory


def test_rules_with_the_same_settings_count_apart(host: Host) -> None:
    second = limit().replace(b"gate.limit(q, 1,", b"gate.limit(q, 2,")
    by_path = b"function(q) if q.path == '/b' then return nil end return (%s)(q) end"
    rules = by_path % limit() + b", " + second
    site = Site(host, rules)
    assert site.statuses(Request(path=b"/b"), Request(path=b"/a")) == [0, 429]
    refused = site.ask(Request(path=b"/a"))
    assert refused.env[b"LIGHTGATE_RULE"] == b"a rule"
