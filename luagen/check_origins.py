"""`[origin.NAME]` and `[country]` tables: where applications and countries of clients are."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from luagen import names, urls
from luagen.diagnostics import Bag, Code, did_you_mean, quoted
from luagen.document import Array, Entry, Table, Text, Value, kind
from luagen.model import Country, Network, Origin
from luagen.networks import NetworkError, network
from luagen.schema import TABLES
from luagen.scope import Scope
from luagen.table_reader import TableReader

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_MAX_SOCKET_BYTES = 105  # lighttpd refuses to start with a longer one


# --- origins ----------------------------------------------------------------------------------------


def check(table: Table, bag: Bag) -> tuple[Origin, ...]:
    """The origins in source order; mistakes are reported."""
    found = [_origin(entry, bag) for entry in table.entries.values()]
    return tuple(origin for origin in found if origin is not None)


def _origin(entry: Entry, bag: Bag) -> Origin | None:
    if _NAME.fullmatch(entry.key) is None:
        message = f"{quoted(entry.key)} cannot be the name of an origin"
        help_text = "it has small letters, digits, `-` and `_`, begins with a letter and has at most 32"
        bag.error(Code.INVALID_NAME, message, entry.span, help=help_text)
    if not isinstance(entry.value, Table):
        message = f"{quoted(entry.key)} takes a table, not {kind(entry.value)}"
        bag.error(Code.WRONG_TYPE, message, entry.value.span, help=f"write `[origin.{entry.key[:32]}]`")
        return None
    read = TableReader(entry.value, TABLES["origin"], f"`[origin.{entry.key[:32]}]`", bag)
    url, socket = read.text("url"), read.text("socket")
    if (read.entry("url") is None) == (read.entry("socket") is None):
        both = read.entry("url") is not None
        message = "an origin has either `url` or `socket`" if both else "an origin needs `url` or `socket`"
        code = Code.CONFLICTING_KEYS if both else Code.MISSING_KEY
        bag.error(code, message, entry.value.span, help='such as `url = "http://127.0.0.1:3000"`')
        return None
    if url is not None:
        place = _host_and_port(url, bag)
        if place is not None:
            return Origin(name=entry.key, host=place[0], port=place[1], socket=None, span=entry.value.span)
    if socket is not None and _is_socket(socket, bag):
        return Origin(name=entry.key, host=None, port=None, socket=socket.value, span=entry.value.span)
    return None


def _host_and_port(url: Text, bag: Bag) -> tuple[str, int] | None:
    problem = None
    help_text = "such as `http://127.0.0.1:3000`"
    try:
        parts = urlsplit(url.value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        problem = urls.not_a_url(url.value)
    else:
        if parts.scheme == "https":
            problem = "lighttpd speaks plain HTTP to applications"
            help_text = "put a proxy that speaks TLS beside it, or use `http` to a host that you trust"
        elif parts.scheme != "http":
            problem = "the scheme is `http`"
        elif "@" in parts.netloc:
            problem = "a URL holds no user name or password"
        elif (
            parts.path not in ("", "/")
            or parts.query
            or parts.fragment
            or "?" in url.value
            or "#" in url.value
        ):
            problem = "an origin is an application as a whole, without a path"
            help_text = "`rewrite` puts another path before the application's"
        elif not _is_host(host):
            problem = "this is not a host"
        elif port == 0:
            problem = "no application has port 0"
    if problem is None:
        return host, port or 80
    bag.error(Code.INVALID_URL, f"{quoted(url.value)}: {problem}", url.span, help=help_text)
    return None


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return _HOST_NAME.fullmatch(host) is not None
    return "%" not in host  # a zone (RFC 4007) means nothing to lighttpd


def _is_socket(text: Text, bag: Bag) -> bool:
    path = text.value
    if not path.startswith("/"):
        problem = "the path of a socket begins with `/`"
    elif not path.isprintable() or any(char in path for char in "\"'\\"):
        problem = "the path of a socket has no quotes, backslashes or control characters"
    elif len(path.encode()) > _MAX_SOCKET_BYTES:
        problem = f"the path of a socket has at most {_MAX_SOCKET_BYTES} bytes"
    else:
        return True
    bag.error(Code.INVALID_VALUE, f"{quoted(path)}: {problem}", text.span)
    return False


# --- the country of a client ------------------------------------------------------------------------


def check_country(table: Table, scope: Scope, bag: Bag) -> Country | None:
    """Where `request.country` comes from, or None when mistakes were reported."""
    read = TableReader(table, TABLES["country"], "`[country]`", bag)
    errors = bag.error_count
    variable, header = read.text("variable"), read.text("header")
    trusted = _trusted(read, scope)
    if (read.entry("variable") is None) == (read.entry("header") is None):
        both = read.entry("variable") is not None
        message = "`[country]` has either `variable` or `header`" if both else "`[country]` needs a source"
        help_text = '`variable = "GEOIP_COUNTRY_CODE"` of mod_maxminddb, or the `header` of trusted fronts'
        bag.error(Code.CONFLICTING_KEYS if both else Code.MISSING_KEY, message, table.span, help=help_text)
    if variable is not None and not names.is_variable(variable.value):
        message = f"{quoted(variable.value)} cannot be the name of a variable"
        bag.error(Code.INVALID_NAME, message, variable.span)
    if header is not None and not names.is_token(header.value):
        message = f"{quoted(header.value)} cannot be the name of a header field"
        bag.error(Code.INVALID_NAME, message, header.span)
    entry = read.entry("trusted")
    if header is not None and entry is None:
        message = "whose `header` counts is not said: any client could send it"
        help_text = "`trusted` has the addresses of the fronts that set it"
        bag.error(Code.MISSING_KEY, message, header.span, help=help_text)
    if variable is not None and entry is not None:
        bag.error(Code.CONFLICTING_KEYS, "`trusted` has no meaning without `header`", entry.span)
    if bag.error_count > errors:
        return None
    return Country(
        variable=None if variable is None else variable.value,
        header=None if header is None else header.value.lower(),
        trusted=trusted,
    )


def _trusted(read: TableReader, scope: Scope) -> tuple[Network, ...]:
    """Networks as an array, or those of a declared list by its name."""
    entry = read.entry("trusted")
    if entry is None:
        return ()
    match entry.value:
        case Text() as text:
            declared = scope.lists.get(text.value)
            if text.value not in scope.lists:
                message = f"there is no list {quoted(text.value)}"
                help_text = (
                    did_you_mean(text.value, scope.lists) or 'networks stand in an array: `["10.0.0.0/8"]`'
                )
                read.error(Code.UNKNOWN_NAME, message, text.span, help=help_text)
            elif declared is not None and not declared.networks:
                read.error(Code.TYPE_MISMATCH, f"the list {quoted(text.value)} has no networks", text.span)
            scope.used.add(text.value)
            return () if declared is None else declared.networks
        case Array(values=values) if values:
            found = [_network(read, value) for value in values]
            return tuple(dict.fromkeys(one for one in found if one is not None))
        case Array():
            read.error(Code.INVALID_VALUE, "`trusted` needs at least one network", entry.value.span)
        case other:
            read.wrong_type("trusted", "the name of a list or an array of networks", other)
    return ()


def _network(read: TableReader, value: Value) -> Network | None:
    if not isinstance(value, Text):
        read.wrong_type("trusted", "networks", value)
        return None
    try:
        return network(value.value)
    except NetworkError as error:
        message = f"{quoted(value.value)}: {error.message}"
        read.error(Code.INVALID_NETWORK, message, value.span, help=error.help)
        return None
