"""`cors`: which other origins may use a site from scripts (Fetch standard, "CORS protocol")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir, names
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code, quoted
from luagen.document import Entry, Text
from luagen.lower_values import to_bytes
from luagen.model import Expression
from luagen.schema import Key
from luagen.source import Span
from luagen.table_reader import TableReader

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

ANY = "*"
SAFELISTED_METHODS = ("GET", "HEAD", "POST")  # need no preflight for themselves
DEFAULT_MAX_AGE_S = 600

_LABELS = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?"
_ORIGIN = re.compile(rf"[a-z][a-z0-9+.-]*://(?:\*\.)?(?:{_LABELS}|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?")
_DEFAULT_PORTS = re.compile(r"http://.*:80|https://.*:443")
_HOST = re.compile(rb"[a-z0-9.-]+")
_NO_NAMES = re.compile(rb"[^A-Za-z0-9!#$%&'*+.^_`|~, -]")  # what a list of tokens cannot hold

ALLOW_ORIGIN = "Access-Control-Allow-Origin"
ALLOW_CREDENTIALS = "Access-Control-Allow-Credentials"
EXPOSE_HEADERS = "Access-Control-Expose-Headers"
ALLOW_METHODS = "Access-Control-Allow-Methods"
ALLOW_HEADERS = "Access-Control-Allow-Headers"
MAX_AGE = "Access-Control-Max-Age"
FIELDS = (ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE_HEADERS, ALLOW_METHODS, ALLOW_HEADERS, MAX_AGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors(Action):
    """Answers preflights; for other requests, sets the fields that let a browser show the response to scripts
    of an allowed origin, in place of the application's."""

    key: ClassVar[str] = "cors"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "let scripts of other origins in"
    keys: ClassVar[tuple[Key, ...]] = (
        Key(
            "origins",
            "a string or an array of strings",
            "such as `https://app.example.org` or `https://*.example.org`; `*`: every origin",
            required=True,
        ),
        Key(
            "methods",
            "a string or an array of strings",
            "the methods; `*`: every method",
            "`GET`, `HEAD`, `POST`",
        ),
        Key(
            "headers",
            "a string or an array of strings",
            "request header fields beyond the safelisted ones; `*`: every field",
            "none",
        ),
        Key(
            "expose",
            "a string or an array of strings",
            "response header fields that scripts may read",
            "none",
        ),
        Key("credentials", "a boolean", "whether cookies and other credentials may come along", "`false`"),
        Key(
            "max_age", "seconds, 0 to 86400", "how long browsers remember a preflight", str(DEFAULT_MAX_AGE_S)
        ),
    )

    origins: tuple[str, ...]  # exact ones and `scheme://*.domain`; or `*` alone
    methods: tuple[str, ...] | None  # None: every one
    headers: tuple[str, ...] | None  # None: every one
    expose: tuple[str, ...]
    credentials: bool
    max_age_s: int

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`cors`", context.bag)
        credentials = read.boolean("credentials", False)
        max_age_s = read.integer("max_age", 0, 86400, DEFAULT_MAX_AGE_S)
        origins = read.strings("origins")
        if origins is None:
            return None
        fine = [_is_origin(text, credentials, len(origins), context) for text in origins]
        if not all(fine):
            return None
        methods, headers, expose = (_tokens(read, key) for key in ("methods", "headers", "expose"))
        if credentials and expose == (ANY,):
            message = "`*` stands for every field only without credentials"
            help_text = (
                "list the fields that scripts may read (Fetch standard, CORS protocol and credentials)"
            )
            read.error(Code.CONFLICTING_KEYS, message, _span(read, "expose"), help=help_text)
        return cls(
            origins=tuple(text.value for text in origins),
            methods=SAFELISTED_METHODS if methods is None else None if methods == (ANY,) else methods,
            headers=None if headers == (ANY,) else headers or (),
            expose=expose or (),
            credentials=credentials,
            max_age_s=max_age_s,
        )

    def expressions(self) -> tuple[Expression, ...]:
        return ()

    def lower(self) -> Iterator[ir.Instruction]:
        settings = ir.Record(
            (
                ("any", self.origins == (ANY,)),
                ("exact", ir.NameSet(tuple(to_bytes(one) for one in self.origins if "*" not in one))),
                ("patterns", tuple(to_bytes(part) for pair in self._patterns() for part in pair)),
                ("methods", _optional(self.methods)),
                ("headers", _optional(self.headers)),
                ("expose", to_bytes(", ".join(self.expose))),
                ("credentials", self.credentials),
                ("max_age", to_bytes(str(self.max_age_s))),
            )
        )
        yield ir.Invoke("cors", (ir.RULE, ir.Kept(settings)), ir.Outcome.MAY_END)

    def play(self, turn: Turn) -> None:
        origin = turn.request_header("Origin")
        method = turn.request_header("Access-Control-Request-Method")
        allowed = bool(origin) and self._allows(origin)
        echoed = b"*" if self.origins == (ANY,) else origin
        if origin and method and turn.request.method == b"OPTIONS":
            self._preflight(turn, echoed if allowed else None, method)
        for name in FIELDS:
            turn.remove_response_header(name)
        if self.origins != (ANY,):
            turn.add_response_token("Vary", b"Origin")
        if allowed:
            turn.set_response_header(ALLOW_ORIGIN, echoed)
            if self.credentials:
                turn.set_response_header(ALLOW_CREDENTIALS, b"true")
            if self.expose:
                turn.set_response_header(EXPOSE_HEADERS, ", ".join(self.expose).encode())

    def _preflight(self, turn: Turn, echoed: bytes | None, method: bytes) -> None:
        vary = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        headers = [("Vary", vary)]
        if echoed is not None:
            asked = turn.request_header("Access-Control-Request-Headers")
            headers += [
                (ALLOW_ORIGIN, echoed),
                (ALLOW_CREDENTIALS, b"true" if self.credentials else b""),
                (ALLOW_METHODS, _listed(self.methods, method)),
                (ALLOW_HEADERS, _listed(self.headers, asked)),
                (MAX_AGE, str(self.max_age_s).encode()),
            ]
        turn.end(204, headers=headers)

    def _allows(self, origin: bytes) -> bool:
        text = origin.decode("latin-1")
        if self.origins == (ANY,) or (text in self.origins and "*" not in text):
            return True
        return any(
            text.startswith(before)
            and text.endswith(after)
            and _HOST.fullmatch(origin[len(before) : -len(after)]) is not None
            for before, after in self._patterns()
            if len(text) > len(before) + len(after)
        )

    def _patterns(self) -> list[tuple[str, str]]:
        """What an origin of each `scheme://*.domain` begins and ends with."""
        pairs = (one.split("*") for one in self.origins if "*." in one)
        return [(before, after) for before, after in pairs]


def _is_origin(text: Text, credentials: bool, count: int, context: ActionContext) -> bool:
    """Whether a text can be one of the origins; what is wrong with it is reported."""
    code, help_text = Code.INVALID_VALUE, None
    if text.value == ANY and credentials:
        code, message = (
            Code.CONFLICTING_KEYS,
            "`*` with `credentials` would show your users' data to every site",
        )
        help_text = "list the origins; browsers refuse this, too (Fetch standard)"
    elif text.value == ANY and count > 1:
        code, message, help_text = Code.CONFLICTING_KEYS, "`*` has all other origins in it", "leave them out"
    elif text.value == ANY:
        return True
    elif text.value == "null":
        message = "`null` is the origin of every sandboxed document, whoever made it"
        help_text = "give the application an origin of its own"
    elif _ORIGIN.fullmatch(text.value) is None:
        message = f"{quoted(text.value)} is not an origin"
        help_text = "such as `https://app.example.org`: scheme and host in lower case, no path"
    elif _DEFAULT_PORTS.fullmatch(text.value):
        message = f"browsers write {quoted(text.value)} without its port, which is the default"
        help_text = f"`{text.value.rpartition(':')[0]}`"
    else:
        return True
    context.bag.error(code, message, text.span, help=help_text)
    return False


def _tokens(read: TableReader, key: str) -> tuple[str, ...] | None:
    """Methods or names of fields; None when the key is absent or wrong."""
    texts = read.strings(key)
    if texts is None:
        return None
    for text in texts:
        if not names.is_token(text.value):
            kind = "method" if key == "methods" else "header field"
            message = f"{quoted(text.value)} is no name of a {kind}"
            read.error(Code.INVALID_NAME, message, text.span, help="RFC 9110 section 5.6.2")
        elif text.value == ANY and len(texts) > 1:
            read.error(Code.CONFLICTING_KEYS, "`*` has all others in it", text.span, help="leave them out")
        elif key == "methods" and text.value != ANY and text.value != text.value.upper():
            message = f"{quoted(text.value)}: methods are in upper case, and case matters"
            read.error(Code.INVALID_VALUE, message, text.span, help=f"`{text.value.upper()}`")
    return tuple(text.value for text in texts)


def _span(read: TableReader, key: str) -> Span:
    entry = read.entry(key)
    return read.table.span if entry is None else entry.value.span


def _optional(listed: tuple[str, ...] | None) -> bytes | None:
    return None if listed is None else to_bytes(", ".join(listed))


def _listed(names_: tuple[str, ...] | None, asked: bytes) -> bytes:
    """The policy's list; where it allows any, what the client asks for."""
    if names_ is not None:
        return ", ".join(names_).encode()
    return b"" if _NO_NAMES.search(asked) else asked
