"""`[site."HOST"]` tables to `model.Site`: rules of their own for some hosts."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv6Address

from luagen.check_rules import RuleChecker
from luagen.diagnostics import Bag, Code, quoted
from luagen.document import Entry, Table, kind
from luagen.model import Default, Site
from luagen.schema import TABLES
from luagen.source import Span
from luagen.table_reader import TableReader

EVERY_HOST = "*"
_MAX_HOST = 253  # RFC 1035 section 2.3.4
# What lighttpd lets through as a host besides addresses: letters, digits and `-` in labels (RFC 952).
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_PORT = re.compile(r":[0-9]+\Z")


def check(table: Table, checker: RuleChecker, default: Default, bag: Bag) -> tuple[Site, ...]:
    """The sites in source order; mistakes are reported. `default`: of a site that has none."""
    hosts: dict[str, Span] = {}
    found = [_site(entry, hosts, checker, default, bag) for entry in table.entries.values()]
    return tuple(site for site in found if site is not None)


def host_mistake(host: str) -> tuple[str, str] | None:
    """Why `host` is no host as requests name them, and what to write instead; `*.` may stand before it."""
    if host.startswith("[") and host.endswith("]"):
        return _ipv6_mistake(host[1:-1])
    if _HOST.fullmatch(host) and len(host) <= _MAX_HOST:
        return None
    lower = host.lower()
    if lower != host and _HOST.fullmatch(lower):
        return "has capital letters, and hosts are compared in lower case", f"write {quoted(lower)}"
    if _PORT.search(host) and not host.startswith("["):
        return "has a port", "a host stands without one; `request.port` tells ports apart"
    if not host.isascii():
        return "is not ASCII, and requests name such hosts in Punycode", "write it as `xn--…`"
    if host.endswith(".") and _HOST.fullmatch(lower[:-1]):
        return "ends with a dot, which lighttpd removes", f"write {quoted(lower[:-1])}"
    return "is not a host", "such as `shop.example.org`, `*.example.org` or `*`"


def _ipv6_mistake(address: str) -> tuple[str, str] | None:
    try:
        packed = IPv6Address(address).packed
    except ValueError:
        return "is not a host", "an address stands in brackets: `[2001:db8::1]`"
    # As lighttpd spells it, whatever the client has written.
    canonical = socket.inet_ntop(socket.AF_INET6, packed)
    if address == canonical:
        return None
    return "is spelt otherwise by lighttpd, and would never fit", f"write `[{canonical}]`"


def _site(
    entry: Entry, hosts: dict[str, Span], checker: RuleChecker, default: Default, bag: Bag
) -> Site | None:
    table = entry.value
    if not isinstance(table, Table):
        message = f"{quoted(entry.key)} takes a table, not {kind(table)}"
        help_text = 'a site begins with `[site."shop.example.org"]`'
        bag.error(Code.WRONG_TYPE, message, table.span, help=help_text)
        return None
    if _is_unquoted(table):
        message = f"{quoted(entry.key)} is only a part of a host"
        bag.error(Code.INVALID_NAME, message, entry.span, help='quote it: `[site."shop.example.org"]`')
        return None
    read = TableReader(table, TABLES["site"], f"the site {quoted(entry.key)}", bag)
    names = [(entry.key, entry.span)]
    names += [(text.value, text.span) for text in read.strings("hosts") or ()]
    good = [name for name, span in names if _is_new_host(name, span, hosts, bag)]
    own = read.word("default", Default)
    return Site(
        name=entry.key,
        hosts=tuple(good),
        default=own or default,
        rules=checker.rules(read.entry("rule")),
        span=table.span,
    )


def _is_unquoted(table: Table) -> bool:
    """Whether this is what TOML makes of `[site.shop.example.org]`."""
    known = {key.name for key in TABLES["site"]}
    return len(table.entries) == 1 and all(
        key not in known and isinstance(inner.value, Table) for key, inner in table.entries.items()
    )


def _is_new_host(name: str, span: Span, hosts: dict[str, Span], bag: Bag) -> bool:
    mistake = None if name == EVERY_HOST else host_mistake(name)
    if mistake is not None:
        what, help_text = mistake
        bag.error(Code.INVALID_NAME, f"{quoted(name)} {what}", span, help=help_text)
        return False
    earlier = hosts.setdefault(name, span)
    if earlier is span:
        return True
    message = f"the host {quoted(name)} has a site already, in line {earlier.line}"
    bag.error(Code.DUPLICATE_NAME, message, span, help="a host has one site")
    return False
