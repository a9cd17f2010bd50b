from __future__ import annotations

import ipaddress
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luagen.lua import packing
from luagen.lua.host import LUA_VERSIONS, Host

MALFORMED = [
    b"", b"1", b"1.2.3", b"1.2.3.4.5", b"256.1.1.1", b"1.2.3.4 ", b"a.b.c.d",
    b":", b":::", b"1::2::3", b"12345::", b"g::", b"1.2.3.4::", b"::1.2.3", b"::1.2.3.456",
    b"1:2:3:4:5:6:7", b"1:2:3:4:5:6:7:8:9", b"1:2:3:4:5:6:7::8",
]  # fmt: skip


def address(host: Host) -> Any:
    return host.load_runtime("address")["address"]


@pytest.mark.parametrize("text", MALFORMED)
def test_refuses(host: Host, text: bytes) -> None:
    assert address(host)[b"parse"](text) is None


def unmapped(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped
    return found


ADDRESSES = [
    "192.0.2.7", "0.0.0.0", "255.255.255.255", "::", "::1", "1::", "2001:db8::1:0:0:1", "FE80::A",
    "::ffff:192.0.2.7", "::ffff:c000:207", "64:ff9b::192.0.2.1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:192.0.2.1",
]  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES)
def test_parses(host: Host, text: str) -> None:
    assert address(host)[b"parse"](text.encode()) == unmapped(text).packed


def test_drops_the_zone(host: Host) -> None:
    assert address(host)[b"parse"](b"fe80::1%eth0") == ipaddress.ip_address("fe80::1").packed


networks = st.ip_addresses().flatmap(
    lambda a: st.integers(0, a.max_prefixlen).map(
        lambda bits: ipaddress.ip_network(f"{a}/{bits}", strict=False)
    )
)


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_agrees_with_python(version: str) -> None:
    host = Host(version)
    module = address(host)

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(networks, max_size=6), st.ip_addresses(), st.data())
    def agree(nets: list[Any], caller: Any, data: st.DataObject) -> None:
        if nets and data.draw(st.booleans()):  # an address inside one of them
            net = data.draw(st.sampled_from(nets))
            caller = net[data.draw(st.integers(0, net.num_addresses - 1))]
        nets = [n for n in nets if not (n.version == 6 and n.network_address.ipv4_mapped)]
        if caller.version == 6 and caller.ipv4_mapped:
            return
        found = module[b"networks"](host.table([str(n).encode() for n in nets]))
        assert module[b"contains"](found, module[b"parse"](str(caller).encode())) == any(
            caller in n for n in nets if n.version == caller.version
        )

    agree()


def test_mapped_networks_and_no_address(host: Host) -> None:
    module = address(host)
    found = module[b"networks"](host.table([b"::ffff:10.0.0.0/104"]))
    assert module[b"contains"](found, module[b"parse"](b"10.9.9.9"))
    assert not module[b"contains"](found, module[b"parse"](b"11.0.0.1"))
    assert not module[b"contains"](module[b"networks"](host.table([b"0.0.0.0/0", b"::/0"])), b"")


# --- many networks ----------------------------------------------------------------------------------


def packed(host: Host, nets: list[Any]) -> Any:
    """The set that a script makes of many networks, from the code that the compiler writes for them."""
    return loaded(host, packing.networks(nets).text.encode())


def loaded(host: Host, written: bytes) -> Any:
    maker = address(host)[b"packed"]
    return host._chunk(b"return (...)(" + written + b")", b"@set")(maker)


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_packed_networks_agree_with_python(version: str) -> None:
    host = Host(version)
    module = address(host)

    @settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(networks, min_size=1, max_size=20), st.ip_addresses(), st.data())
    def agree(nets: list[Any], caller: Any, data: st.DataObject) -> None:
        if data.draw(st.booleans()):  # an address inside one of them
            net = data.draw(st.sampled_from(nets))
            caller = net[data.draw(st.integers(0, net.num_addresses - 1))]
        caller = unmapped(str(caller))
        nets = [net for net in nets if not (net.version == 6 and caller.version == 4 and net.prefixlen < 96)]
        nets = nets or [ipaddress.ip_network("192.0.2.0/24")]
        found = packed(host, nets)
        mapped = [
            ipaddress.ip_network((int(net.network_address) & 0xFFFFFFFF, net.prefixlen - 96))
            if net.version == 6 and net.prefixlen >= 96 and net.network_address.ipv4_mapped
            else net
            for net in nets
        ]
        expected = any(caller in net for net in mapped if net.version == caller.version)
        assert module[b"contains"](found, caller.packed) == expected

    agree()


@pytest.mark.parametrize("version", ["lua51", "lua54", "luajit21"])
def test_everything_and_single_addresses(version: str) -> None:
    host = Host(version)
    everything = packed(host, [ipaddress.ip_network("0.0.0.0/0")])
    contains = address(host)[b"contains"]
    assert contains(everything, b"\1\2\3\4")
    assert not contains(everything, b"\0" * 16)
    single = packed(host, [ipaddress.ip_network("2001:db8::1"), ipaddress.ip_network("192.0.2.255")])
    assert contains(single, ipaddress.ip_address("2001:db8::1").packed)
    assert contains(single, b"\xc0\0\2\xff")
    assert not contains(single, b"\xc0\0\2\xfe")


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_a_hundred_thousand_networks(version: str) -> None:
    """Loaded in less than a second, in less than 100 MiB, and looked up as fast as ten."""
    host = Host(version)
    contains = address(host)[b"contains"]
    nets = [ipaddress.ip_network((0x0A000000 + 512 * number, 24)) for number in range(90_000)]
    nets += [ipaddress.ip_network(((0x20010DB8 << 96) + (number << 81), 48)) for number in range(10_000)]
    count = host._chunk(b"return (collectgarbage('count'))", b"@count")
    collect = host._chunk(b"collectgarbage() collectgarbage()", b"@collect")
    written = packing.networks(nets).text.encode()
    collect()
    before, begun = count(), time.process_time()
    many = loaded(host, written)
    seconds = time.process_time() - begun
    collect()
    assert count() - before < 100 * 1024
    assert seconds < 1
    for net in (nets[0], nets[89_999], nets[-1]):
        assert contains(many, net.network_address.packed)
    assert not contains(many, b"\x0a\0\1\0")
    few = packed(host, [*nets[:9], nets[-1]])
    loop = host._chunk(
        b"local contains, set, bytes = ... for _ = 1, 20000 do contains(set, bytes) end", b"@loop"
    )

    def cost(networks: Any) -> float:
        rounds = []
        for _ in range(5):
            begun = time.process_time()
            loop(contains, networks, b"\x0b\1\1\1")
            rounds.append(time.process_time() - begun)
        return min(rounds)

    assert cost(many) < 3 * cost(few)
