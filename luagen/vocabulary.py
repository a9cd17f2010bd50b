"""What expressions may use: every field, method and function, with its documentation line.

The checker refuses what is not here, and `docs/policy.md` shows exactly what is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from luagen.builtins import BLANKS
from luagen.model import Type

MAX_LENGTH = 2**31  # of a text in bytes, of a sequence in elements: more than any request can have


@dataclass(frozen=True, slots=True)
class Field:
    """Something that can be read in an expression; `name` is written out in full.

    An integer is from `least` to `most`.
    """

    name: str
    type: Type
    doc: str
    least: int = 0
    most: int = 0


_FIELDS = (
    Field("request.method", Type.STRING, "the method as the client sent it, such as `GET`"),
    Field("request.host", Type.STRING, "the host in lower case, without port; empty when there is none"),
    Field("request.port", Type.INTEGER, "the port of this server that the request came in on", 0, 65535),
    Field("request.scheme", Type.STRING, "`http` or `https`"),
    Field("request.http_version", Type.STRING, '`"1.0"`, `"1.1"` or `"2"`'),
    Field("request.path", Type.STRING, "percent-decoded and normalised: what lighttpd maps to a file"),
    Field("request.raw_path", Type.STRING, "the path, normalised and still percent-encoded"),
    Field("request.query", Type.STRING, "what follows the `?`, still percent-encoded; else empty"),
    Field("request.ip", Type.ADDRESS, "the client's address; IPv4 also when it came as IPv4-mapped IPv6"),
    Field("request.country", Type.STRING, "two letters, as `[country]` says; empty when unknown"),
    Field(
        "request.content_length", Type.INTEGER, "bytes of the body; 0 without one, -1 when chunked", -1, 2**43
    ),
    Field("request.headers", Type.STRING_MAP, "fields by name, in any case; repeated ones joined by `, `"),
    Field("request.args", Type.STRING_MAP, "parameters of the query by name, decoded; the first of a name"),
    Field("request.cookies", Type.STRING_MAP, "cookies by name; the first of a name"),
    Field("request.tls.protocol", Type.STRING, "such as `TLSv1.3`; empty without TLS, as all of these"),
    Field("request.tls.cipher", Type.STRING, "such as `TLS_AES_256_GCM_SHA384`"),
    Field(
        "request.tls.client_verify",
        Type.STRING,
        "with `ssl.verifyclient.activate`: `SUCCESS`, `NONE` or `FAILED:` and the reason",
    ),
    Field("request.tls.client_subject", Type.STRING, "the distinguished name in the client's certificate"),
    Field("request.tls.client_serial", Type.STRING, "the serial number of the client's certificate"),
    Field("identity", Type.IDENTITY, "the caller; true when a token was presented and verified"),
    Field("identity.sub", Type.STRING, "the subject, unique within its issuer; empty when anonymous"),
    Field("identity.email", Type.STRING, "the verified e-mail address; empty when there is none"),
    Field("identity.provider", Type.STRING, "the `[auth]` table that vouches; empty when anonymous"),
    Field("identity.roles", Type.ROLES, "the roles, each once, in the token's order; none when anonymous"),
    Field("identity.claims", Type.CLAIM, "claims of the token by name; see [Claims](#claims)"),
    Field("now", Type.INTEGER, "seconds since 1970 (UTC); the same for all rules of a request", 0, 2**40),
    Field("time.hour", Type.INTEGER, "0 to 23; all of `time` is UTC", 0, 23),
    Field("time.minute", Type.INTEGER, "0 to 59", 0, 59),
    Field("time.weekday", Type.INTEGER, "0 is Monday, 6 is Sunday", 0, 6),
    Field("time.day", Type.INTEGER, "of the month, 1 to 31", 1, 31),
    Field("time.month", Type.INTEGER, "1 to 12", 1, 12),
    Field("time.year", Type.INTEGER, "such as 2026", 1970, 40000),
)
FIELDS: dict[str, Field] = {field.name: field for field in _FIELDS}
# What `time.between` compares; policies do not read it themselves.
MINUTE_OF_DAY = Field("time.minute_of_day", Type.INTEGER, "minutes since midnight", 0, 1439)

ROOTS = ("request", "identity", "now", "time", "env", "match")  # what names and lists cannot be called


class Takes(Enum):
    """What an argument of a method may be, beyond its type."""

    STRING = auto()
    SOME_STRING = auto()  # constant and not empty
    BYTES = auto()  # each byte counts by itself: a constant is ASCII
    LIMIT = auto()  # a constant integer, 0 or more


@dataclass(frozen=True, slots=True)
class Method:
    """A method of values of type `receiver`; `form` shows its call.

    When it is `simple` it becomes a Call of the builtin of its name with all `takes`; those at the end that
    are not given get `defaults`.
    """

    receiver: Type
    name: str
    form: str
    result: Type
    doc: str
    takes: tuple[Takes, ...] = ()
    defaults: tuple[str | int, ...] = ()
    simple: bool = True


_TEXT, _TRUTH, _NUMBER = Type.STRING, Type.BOOLEAN, Type.INTEGER
_BLANKS = BLANKS.decode()
_ALL = 2**53 - 1  # builtins.TO_THE_END


def _is(name: str, doc: str) -> Method:
    return Method(_TEXT, name, f"text.{name}()", _TRUTH, f"whether there is text and all of it is {doc}")


METHODS = (
    Method(
        _TEXT,
        "startswith",
        'text.startswith("/a/")',
        _TRUTH,
        "whether the text begins with the argument; a tuple or a declared list means any of them",
        simple=False,
    ),
    Method(
        _TEXT,
        "endswith",
        'text.endswith((".js", ".css"))',
        _TRUTH,
        "whether the text ends with the argument; a tuple or a declared list means any of them",
        simple=False,
    ),
    Method(_TEXT, "lower", "text.lower()", _TEXT, "ASCII letters in lower case"),
    Method(_TEXT, "upper", "text.upper()", _TEXT, "ASCII letters in upper case"),
    Method(
        _TEXT,
        "strip",
        'text.strip("/")',
        _TEXT,
        "without these characters at both ends; without an argument, without blanks",
        (Takes.BYTES,),
        (_BLANKS,),
    ),
    Method(_TEXT, "lstrip", "text.lstrip()", _TEXT, "the same at the beginning", (Takes.BYTES,), (_BLANKS,)),
    Method(_TEXT, "rstrip", "text.rstrip()", _TEXT, "the same at the end", (Takes.BYTES,), (_BLANKS,)),
    Method(
        _TEXT,
        "removeprefix",
        'text.removeprefix("/v1")',
        _TEXT,
        "without this beginning, if it is there",
        (Takes.STRING,),
    ),
    Method(
        _TEXT,
        "removesuffix",
        'text.removesuffix(".html")',
        _TEXT,
        "without this end, if it is there",
        (Takes.STRING,),
    ),
    Method(
        _TEXT,
        "replace",
        'text.replace("_", "-")',
        _TEXT,
        "with the first text, a constant, replaced by the second; a third argument limits how often",
        (Takes.SOME_STRING, Takes.STRING, Takes.LIMIT),
        (_ALL,),
    ),
    Method(
        _TEXT,
        "split",
        'text.split("/")',
        Type.STRINGS,
        "the parts between these constant texts, without an argument those between blanks; a second argument "
        "limits how often it is split",
        simple=False,
    ),
    Method(
        _TEXT,
        "join",
        '",".join(identity.roles)',
        _TEXT,
        "the elements of a sequence with the text between them",
        simple=False,
    ),
    Method(
        _TEXT, "find", 'text.find("@")', _NUMBER, "where it first stands, -1 when nowhere", (Takes.STRING,)
    ),
    Method(
        _TEXT, "rfind", 'text.rfind("@")', _NUMBER, "where it last stands, -1 when nowhere", (Takes.STRING,)
    ),
    Method(_TEXT, "count", 'text.count("/")', _NUMBER, "how often a constant is in it", (Takes.SOME_STRING,)),
    _is("isdigit", "ASCII digits"),
    _is("isalpha", "ASCII letters"),
    _is("isalnum", "ASCII letters and digits"),
    Method(_TEXT, "isascii", "text.isascii()", _TRUTH, "whether all of it is ASCII; empty text is"),
    Method(_TEXT, "islower", "text.islower()", _TRUTH, "whether it has letters, and all in lower case"),
    Method(_TEXT, "isupper", "text.isupper()", _TRUTH, "whether it has letters, and all in upper case"),
    _is("isspace", "blank"),
    Method(
        Type.STRING_MAP,
        "get",
        'request.headers.get("x")',
        _TEXT,
        'the same as `request.headers["x"]`: the value, or an empty string',
        simple=False,
    ),
    Method(
        Type.STRING_MAP,
        "getall",
        'request.args.getall("x")',
        Type.STRINGS,
        "all values of a parameter, in their order; only `request.args` has it",
        simple=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function by its name as it is called (`time.between` with its dot); `form` shows the call."""

    name: str
    form: str
    result: Type
    doc: str


_FUNCTIONS = (
    Function(
        "matches",
        'matches(r"^/u/(?P<id>[0-9]+)$", request.path)',
        _TRUTH,
        "whether the [pattern](#patterns) is found in the text, as Python's `re.search`",
    ),
    Function(
        "glob",
        'glob("/users/*/photos/**", request.path)',
        _TRUTH,
        "whether the whole text fits: `*` within a segment, `**` over segments, `?`, `[a-z]`, `{a,b}`",
    ),
    Function(
        "under",
        'under(request.path, "/admin")',
        _TRUTH,
        "whether it is this path or below it; constants, a tuple or a declared list means any of them",
    ),
    Function(
        "any",
        'any(role in ("admin", "staff") for role in identity.roles)',
        _TRUTH,
        "whether it is true of an element of a [sequence](#sequences)",
    ),
    Function(
        "all",
        'all(part.islower() for part in request.path.split("/"))',
        _TRUTH,
        "whether it is true of every element",
    ),
    Function("len", 'len(request.path.split("/"))', _NUMBER, "bytes of a text, elements of a sequence"),
    Function("int", 'int(request.args["page"])', _NUMBER, "the number that a text of up to 15 digits says"),
    Function("str", "str(request.port)", _TEXT, "the number in decimal"),
    Function("min", "min(len(request.query), 10)", _NUMBER, "the smaller of two numbers"),
    Function("max", "max(len(request.query), 10)", _NUMBER, "the larger of two numbers"),
    Function("percent", "percent(identity.sub)", _NUMBER, "0 to 99, evenly spread and always the same"),
    Function(
        "time.between",
        'time.between("22:00", "06:00")',
        _TRUTH,
        "whether it is the first time of day or later, and before the second (UTC); also over midnight",
    ),
    Function(
        "timestamp",
        'timestamp("2026-12-01T00:00:00Z")',
        _NUMBER,
        "what `now` is at this moment; the text is a constant with an offset from UTC",
    ),
)
FUNCTIONS: dict[str, Function] = {function.name: function for function in _FUNCTIONS}


def with_article(type: Type) -> str:
    """The type in words, for messages."""
    match type:
        case Type.ROLES:
            return "the roles"
        case Type.INTEGER | Type.ADDRESS | Type.IDENTITY:
            return f"an {type}"
        case _:
            return f"a {type}"
