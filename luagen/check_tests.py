"""`[[test]]` tables to `model.PolicyTest`: requests with what is expected of the policy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from luagen import names
from luagen.diagnostics import Bag, Code, did_you_mean, quoted
from luagen.document import Array, Boolean, Entry, Integer, Table, Text, Value, kind
from luagen.model import PolicyTest, SampleCaller, SampleRequest
from luagen.schema import TABLES
from luagen.source import Span
from luagen.table_reader import TableReader

DEFAULT_NOW = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())  # a Thursday
_VERSIONS = ("1.0", "1.1", "2")
_MAX_CONTENT = 2**31
_MAX_URL = 8192  # bytes; lighttpd's default limit of a request's head


class PolicyTestChecker:
    """Checks tests one by one.

    `rules`: names of all rules, None when not all are known; `origins`, `auths`: of the tables.
    """

    def __init__(
        self, rules: tuple[str, ...] | None, origins: Iterable[str], auths: tuple[str, ...], bag: Bag
    ) -> None:
        self._rules = None if rules is None else (*rules, "default", "lightgate")
        self._origins = tuple(origins)
        self._auths = auths
        self._bag = bag
        self._names: dict[str, Span] = {}

    def check(self, value: Value) -> PolicyTest | None:
        """The test, or None when mistakes were reported."""
        if not isinstance(value, Table):
            message = f"a test is a table, not {kind(value)}"
            self._bag.error(Code.WRONG_TYPE, message, value.span, help="each test begins with `[[test]]`")
            return None
        errors = self._bag.error_count
        read = TableReader(value, TABLES["test"], "a test", self._bag)
        name = read.text("name")
        if name is not None and self._names.setdefault(name.value, name.span) is not name.span:
            line = self._names[name.value].line
            message = f"there is another test {quoted(name.value)}, in line {line}"
            self._bag.error(Code.DUPLICATE_NAME, message, name.span)
        request = self._request(read)
        found = self._test(read, name.value if name else "", request, value.span)
        return found if found is not None and self._bag.error_count == errors else None

    # --- the request -----------------------------------------------------------------------------

    def _request(self, test: TableReader) -> SampleRequest | None:
        table = test.inner("request")
        if table is None:
            return None
        read = TableReader(table, TABLES["test request"], "`request`", self._bag)
        url = self._url(read)
        ip = read.text("ip")
        if ip is not None and not _is_address(ip.value):
            self._bag.error(Code.INVALID_NETWORK, f"{quoted(ip.value)} is not an IP address", ip.span)
        country = read.text("country")
        version = read.text("http_version")
        if version is not None and version.value not in _VERSIONS:
            message = f"{quoted(version.value)} is no version that lighttpd speaks"
            self._bag.error(Code.INVALID_VALUE, message, version.span, help='`"1.0"`, `"1.1"` or `"2"`')
        method = read.text("method")
        if method is not None and not names.is_token(method.value):
            self._bag.error(Code.INVALID_VALUE, f"{quoted(method.value)} is not a method", method.span)
        return SampleRequest(
            method="GET" if method is None else method.value,
            url=url or "",
            http_version="1.1" if version is None else version.value,
            headers=self._texts(read, "headers"),
            ip="192.0.2.1" if ip is None else ip.value,
            country="" if country is None else country.value,
            content_length=read.integer("content_length", -1, _MAX_CONTENT, 0),
            now=self._now(read),
            variables=self._texts(read, "variables"),
            caller=self._caller(read),
            origin_status=read.integer("origin_status", 200, 599, 200),
        )

    def _url(self, read: TableReader) -> str | None:
        text = read.text("url")
        if text is None:
            return None
        url = text.value
        if url.startswith("/") and not url.startswith("//"):
            url = f"https://localhost{url}"
        try:
            parts = urlsplit(url)
            is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good or not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
            help_text = "such as `https://shop.example.org/x?y=1`, or a path"
            self._bag.error(Code.INVALID_URL, f"{quoted(text.value)} is not a URL", text.span, help=help_text)
            return None
        if len(url) > _MAX_URL or parts.fragment or "@" in parts.netloc:
            message = "a request has no fragment, no user name and at most 8192 characters in its URL"
            self._bag.error(Code.INVALID_URL, message, text.span)
            return None
        return url if parts.path else url.replace(parts.netloc, f"{parts.netloc}/", 1)

    def _now(self, read: TableReader) -> int:
        text = read.text("now")
        if text is None:
            return DEFAULT_NOW
        try:
            found = datetime.fromisoformat(text.value)
        except ValueError:
            found = None
        if found is not None and found.tzinfo is not None and found.year >= 1970:
            return int(found.timestamp())
        message = f"{quoted(text.value)} is no point in time"
        self._bag.error(Code.INVALID_VALUE, message, text.span, help="such as `2026-01-01T12:00:00Z`")
        return DEFAULT_NOW

    def _caller(self, request: TableReader) -> SampleCaller | None:
        table = request.inner("identity")
        if table is None:
            return None
        read = TableReader(table, TABLES["test identity"], "`identity`", self._bag)
        provider = read.text("provider")
        if provider is not None and provider.value not in self._auths:
            message = f"there is no table `[auth.{provider.value[:40]}]`"
            help_text = did_you_mean(provider.value, self._auths)
            self._bag.error(Code.UNKNOWN_NAME, message, provider.span, help=help_text)
        if provider is None and read.entry("provider") is None and len(self._auths) != 1:
            message = "whose token it is must be said" if self._auths else "there is no `[auth]` table"
            help_text = "`provider` is the name of an `[auth]` table"
            self._bag.error(Code.MISSING_KEY, message, table.span, help=help_text)
        roles = () if read.entry("roles") is None else read.strings("roles") or ()
        email = read.text("email")
        claims = read.inner("claims")
        return SampleCaller(
            provider=(self._auths or ("",))[0] if provider is None else provider.value,
            sub=read.string("sub") or "",
            email="" if email is None else email.value,
            roles=tuple(text.value for text in roles),
            claims={} if claims is None else self._object(claims),
        )

    def _object(self, table: Table) -> dict[str, object]:
        return {entry.key: self._json(entry.value) for entry in table.entries.values()}

    def _json(self, value: Value) -> object:
        match value:
            case Text(value=found) | Integer(value=found) | Boolean(value=found):
                return found
            case Array(values=values):
                return [self._json(one) for one in values]
            case Table():
                return self._object(value)
            case _:
                message = f"a claim of a test is not {kind(value)}"
                help_text = "strings, integers, booleans, arrays and tables can be claims"
                self._bag.error(Code.WRONG_TYPE, message, value.span, help=help_text)
                return None

    # --- what is expected ------------------------------------------------------------------------

    def _test(
        self, test: TableReader, name: str, request: SampleRequest | None, span: Span
    ) -> PolicyTest | None:
        table = test.inner("expect")
        if table is None:
            return None
        read = TableReader(table, TABLES["test expect"], "`expect`", self._bag)
        if not table.entries:
            message = "a test that expects nothing cannot fail"
            self._bag.error(Code.MISSING_KEY, message, table.span, help="such as `status = 401`")
        rule, origin = read.text("rule"), read.text("origin")
        if self._rules is not None:
            self._known(rule, self._rules, "rule")
        self._known(origin, self._origins, "origin")
        body, path, query = read.text("body"), read.text("path"), read.text("query")
        status = read.entry("status")
        if request is None:
            return None
        return PolicyTest(
            name=name,
            request=request,
            passes=None if read.entry("passes") is None else read.boolean("passes", False),
            status=None if status is None else read.integer("status", 200, 599, 200),
            rule=None if rule is None else rule.value,
            headers=self._texts(read, "headers"),
            body=None if body is None else body.value,
            path=None if path is None else path.value,
            query=None if query is None else query.value,
            origin=None if origin is None else origin.value,
            request_headers=self._texts(read, "request_headers"),
            env=self._texts(read, "env"),
            span=span,
        )

    def _known(self, text: Text | None, known: tuple[str, ...], what: str) -> None:
        if text is not None and text.value not in known:
            message = f"there is no {what} {quoted(text.value)}"
            help_text = did_you_mean(text.value, known)
            self._bag.error(Code.UNKNOWN_NAME, message, text.span, help=help_text)

    def _texts(self, read: TableReader, key: str) -> tuple[tuple[str, str], ...]:
        """A table of strings in its order."""
        table = read.inner(key)
        if table is None:
            return ()
        for entry in table.entries.values():
            if not isinstance(entry.value, Text):
                read.wrong_type(entry.key, "a string", entry.value)
        return tuple(
            (entry.key, entry.value.value)
            for entry in table.entries.values()
            if isinstance(entry.value, Text)
        )


def values(entry: Entry | None, bag: Bag) -> list[Value]:
    """The tests as they stand under the key `test`."""
    if entry is None:
        return []
    if isinstance(entry.value, Array):
        return entry.value.values
    message = f"`test` takes an array of tables, not {kind(entry.value)}"
    bag.error(Code.WRONG_TYPE, message, entry.value.span, help="each test begins with `[[test]]`")
    return []


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
