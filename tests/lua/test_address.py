from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lua.host import LUA_VERSIONS, Host

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
