"""Text to IP networks, strictly: one spelling, no bits outside the mask, IPv4-mapped addresses as IPv4."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

from luagen.model import Network

# Lists have hundreds of thousands of entries, nearly all of them of one of these forms.
_OCTET = r"(0|[1-9][0-9]{0,2})"
_IPV4 = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?:/(0|[1-9][0-9]?))?")
_MAYBE = re.compile(r"[0-9A-Fa-f:.]+(?:%.*)?")  # what every address fits
# What nobody writes who means no address: four numbers with dots, fewer with a length, and groups with colons
# unless all are short, as in times of day, hardware addresses and fingerprints.
_MEANT = re.compile(
    r"[0-9]+(?:\.[0-9]+){3}(?:[/%].*)?"
    r"|[0-9]+(?:\.[0-9]+)+/[0-9]+"
    r"|(?=[^/%]*(?:::|[0-9A-Fa-f]{3})|.*/[0-9]+$)(?:[0-9A-Fa-f.]*:){2,}[0-9A-Fa-f.]*(?:[/%].*)?"
)
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2


class NetworkError(Exception):
    """The text is no network; `help` is the correction, if there is an obvious one."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


def network(text: str) -> Network:
    """The network, of full length for a single address. Raises NetworkError.

    An IPv4-mapped network becomes the IPv4 network: that is what the runtime makes of such clients.
    """
    usual = _IPV4.fullmatch(text)
    if usual is not None:
        octets = [int(octet) for octet in usual.groups()[:4]]
        length = int(usual[5] or 32)
        value = int.from_bytes(octets) if max(octets) < 256 else None
        if value is not None and length <= 32 and value & (0xFFFF_FFFF >> length) == 0:
            return IPv4Network((value, length))
    return _any_network(text)


def _any_network(text: str) -> Network:
    if "%" in text:
        raise NetworkError("a network has no zone", "leave out the `%` and what follows it")
    address, slash, length = text.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise NetworkError("the length of a network is a number of bits", "such as `10.0.0.0/8`")
    try:
        found = ip_network(text)
    except ValueError:
        try:
            corrected = ip_interface(text).network
        except ValueError:
            message = "this is neither an IP address nor a network"
            raise NetworkError(message, "such as `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`") from None
        raise NetworkError(
            f"the address has bits outside the first {length}",
            f"write `{corrected}` for the network, or `{address}` for the address",
        ) from None
    if isinstance(found, IPv6Network) and found.prefixlen >= 96 and found.subnet_of(_MAPPED):
        return IPv4Network((int(found.network_address) & 0xFFFF_FFFF, found.prefixlen - 96))
    return found


def looks_like_network(text: str) -> bool:
    """Whether `text` was meant as an address or network, right or wrong in detail."""
    if _MEANT.fullmatch(text) is not None:
        return True
    address = text.partition("/")[0]
    if _MAYBE.fullmatch(address) is None:
        return False
    try:
        ip_interface(address)
    except ValueError:
        return False
    return True
