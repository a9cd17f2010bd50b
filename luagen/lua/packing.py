"""Large sets as one string constant each, to be unpacked when a script is loaded.

A function of LuaJIT has at most 65,536 constants, and every Lua loads one long string faster than many
short ones.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable

from luagen.lua import literals
from luagen.lua.literals import LuaCode
from luagen.model import Network

SEPARATOR = b"\xff"  # occurs in no UTF-8 text

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2


def strings(values: Collection[bytes]) -> LuaCode:
    """At least one UTF-8 text, for `texts.unpacked`."""
    return literals.string(SEPARATOR.join(values))


def networks(values: Iterable[Network]) -> LuaCode:
    """Networks for `address.packed`: per address length in bytes and prefix length in bits, the leading
    bytes of the networks one after another. What another network covers is left out."""
    fours: list[ipaddress.IPv4Network] = []
    sixes: list[ipaddress.IPv6Network] = []
    for network in values:
        if isinstance(network, ipaddress.IPv4Network):
            fours.append(network)
        elif network.subnet_of(_MAPPED):
            # an address of this form is one of IPv4 to the runtime
            address = int(network.network_address) & 0xFFFFFFFF
            fours.append(ipaddress.IPv4Network((address, network.prefixlen - _MAPPED.prefixlen)))
        else:
            sixes.append(network)
    collapsed: list[Network] = [*ipaddress.collapse_addresses(fours), *ipaddress.collapse_addresses(sixes)]
    leading: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)
    for network in collapsed:
        bits, packed = network.prefixlen, network.network_address.packed
        leading[len(packed), bits].append(packed[: (bits + 7) // 8])
    rows = [
        literals.sequence([literals.integer(width), literals.integer(bits), literals.string(b"".join(texts))])
        for (width, bits), texts in sorted(leading.items())
    ]
    return literals.sequence(rows, indent="  ")
