"""A rule's turn: what an action can see and do while a request is played through a policy.

`Action.play(turn)` is written against this class and nothing else:

- Read first, act afterwards: a reading method may end the request (a 400 for control characters), and a rule
  acts whole or not at all.
- Every method that ends the request raises `Ended`; actions let it through. An action that returns lets
  the request go on to the next rule.
- What is done to the request (`set_request_header`, `set_env` …) is seen by later rules. What is for the time
  when the request is let through (`rewrite`, `choose_origin`, `fall_back`) or for the response is only noted.

Text is bytes, names of header fields may have any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn
from urllib.parse import quote_from_bytes

from luagen import model, names, statuses
from luagen.model import Expression
from luagen.reference.decision import LIGHTGATE, Fields, Outcome
from luagen.reference.evaluate import Evaluator
from luagen.reference.limits import Limits, Taken
from luagen.reference.own_text import Problem
from luagen.reference.request import Caller, Request

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NO_HOST = re.compile(rb"https?:///")  # a browser would take the first segment of the path for the host
_SLASHES = re.compile(rb"\A[/\\]+")  # several of them begin the name of another host to a browser
_NOT_IN_URLS = re.compile(rb'[\x00-\x20"<>\\^`{|}\x7f-\xff]')

# Parts of the request's own URL stand in a redirect as they are.
_URL_FIELDS = frozenset({"request.raw_path", "request.query", "request.host", "request.scheme"})


class Change(Enum):
    """What is done to a field of the response."""

    SET = "set"  # replaces all fields of the name
    ADD = "add"  # one more field of the name
    REMOVE = "remove"
    TOKEN = "token"  # one more member of a comma-separated list, unless it is there (or `*` is)


_VERBS = {
    Change.SET: "set",
    Change.ADD: "add",
    Change.REMOVE: "remove",
    Change.TOKEN: "extend",
}

PLAIN = b"text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """A response made here. `problem`: of a refusal, whose content is made from it; else `body` is the
    content, None where there is none."""

    outcome: Outcome
    rule: str
    status: int
    headers: Fields
    body: bytes | None
    problem: Problem | None = None
    challenge: tuple[bytes, bytes | None] | None = None  # realm and scope


class Ended(Exception):
    """The request goes no further: `response` is the client's."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.outcome)
        self.response = response


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What stands in for an answer of the application with one of the statuses `on`."""

    rule: str
    on: frozenset[int]
    status: int
    headers: Fields
    body: bytes | None
    content_type: bytes


@dataclass(slots=True)
class Effects:
    """What rules have done so far, and what they have noted for later."""

    request_headers: dict[bytes, bytes]  # as later rules and the application see them; names in lower case
    env: dict[bytes, bytes] = field(default_factory=dict)  # names in upper case: lighttpd ignores it
    response: list[tuple[Change, bytes, bytes]] = field(default_factory=list)  # in order
    permitted_by: str | None = None
    path: bytes | None = None
    query: bytes | None = None
    origin: str | None = None
    fallbacks: list[Fallback] = field(default_factory=list)
    logged: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that a rule did: `what` is a verb and its object, such as `set request header`."""

    what: str
    name: str = ""
    value: bytes | None = None


class Turn:
    """The turn of one rule. `rule`: its name, for decisions; `request`: as it came (`request_header` reads
    its header fields as earlier rules have left them); `did`: what the rule has done, for people."""

    def __init__(
        self, rule: str, request: Request, evaluator: Evaluator, effects: Effects, limits: Limits
    ) -> None:
        self.rule = rule
        self.request = request
        self._evaluator = evaluator
        self._effects = effects
        self._limits = limits
        self.did: list[Done] = []

    # --- reading ---------------------------------------------------------------------------------

    @property
    def caller(self) -> Caller | None:
        return self.request.caller

    def condition(self, expression: Expression) -> bool:
        """Whether a condition holds; one that is neither true nor false does not."""
        return self._evaluator.holds(expression)

    def text(self, template: Expression) -> bytes:
        """The text of a template or other expression of type STRING or INTEGER; may hold any byte."""
        return self._evaluator.text(template)

    def clean_text(self, template: Expression) -> bytes:
        """As `text`, for header fields, variables and log lines: ends with 400 on control characters."""
        return self._clean(self.text(template))

    def location(self, template: Expression) -> bytes:
        """A template as the target of a redirect: interpolated values percent-encoded, parts of the request's
        own URL only checked for control characters (400), and what browsers misread put right."""
        parts = template.parts if isinstance(template, model.Concatenation) else (template,)
        location = b""
        for part in parts:
            value = self.text(part)
            if isinstance(part, model.Literal) or part.type is model.Type.INTEGER:
                location += value
            elif isinstance(part, model.Field) and part.name in _URL_FIELDS:
                location += self._clean(value)
            else:
                location += encoded(value)
        return location

    def request_header(self, name: str) -> bytes:
        """A header field of the request, b"" when absent."""
        return self._effects.request_headers.get(name.lower().encode(), b"")

    def country(self) -> bytes:
        return self._evaluator.country()

    # --- ends: all of these raise Ended ----------------------------------------------------------

    def end(
        self,
        status: int,
        *,
        headers: Iterable[tuple[str, bytes]] = (),
        body: bytes | None = None,
        content_type: str | None = None,
        outcome: Outcome = Outcome.RESPOND,
    ) -> NoReturn:
        """Ends with a response of the policy's own. `body` None: a short text made from the status; an empty
        value among the headers: no such field. Some statuses have neither body nor content type."""
        fields = [(name.lower().encode(), value) for name, value in headers if value]
        if status in statuses.WITHOUT_CONTENT:
            raise Ended(Response(outcome, self.rule, status, tuple(fields), None))
        kind = content_type.encode() if body is not None and content_type is not None else PLAIN
        fields = [pair for pair in fields if pair[0] != b"content-type"] + [(b"content-type", kind)]
        text = statuses.line(status) if body is None else body
        raise Ended(Response(outcome, self.rule, status, tuple(fields), text))

    def redirect(
        self, status: int, location: bytes, *, headers: Iterable[tuple[str, bytes]] = ()
    ) -> NoReturn:
        """Ends with a redirect; `location` is as `location()` or a constant of the policy gives it."""
        if _NO_HOST.match(location):  # HTTP/1.0 has no Host
            self.refuse(400, "the request names no host")
        location = _SLASHES.sub(b"/", location)
        location = _NOT_IN_URLS.sub(lambda found: b"%%%02X" % found[0][0], location)
        self.end(status, headers=(*headers, ("Location", location)), outcome=Outcome.REDIRECT)

    def challenge(self, status: int, realm: str, scope: str | None = None) -> NoReturn:
        """Ends with a challenge for a bearer token: 401, or 403 (RFC 6750 section 3.1)."""
        outcome = Outcome.FORBID if status == 403 else Outcome.CHALLENGE
        if status == 403:
            problem = Problem("the caller is not permitted to do this", "insufficient_scope")
        elif self.caller is None:
            problem = Problem("a bearer token is required")
        else:
            problem = Problem("the token's issuer is not accepted here", "invalid_token")
        asked = (realm.encode(), None if scope is None else scope.encode())
        raise Ended(Response(outcome, self.rule, status, (), None, problem, asked))

    def forbid(self) -> NoReturn:
        """Ends with a 403 that asks for nothing."""
        raise Ended(Response(Outcome.FORBID, self.rule, 403, (), None, Problem("this is not permitted")))

    def refuse(
        self, status: int, text: str, *, headers: Iterable[tuple[str, bytes]] = (), by_rule: bool = False
    ) -> NoReturn:
        """Ends with an error of lightgate's own, which `text` tells the client; `by_rule`: this rule answers
        for it (429), else no rule does (400)."""
        fields = tuple((name.lower().encode(), value) for name, value in headers if value)
        rule = self.rule if by_rule else LIGHTGATE
        raise Ended(Response(Outcome.REFUSE, rule, status, fields, None, Problem(text)))

    # --- what later rules and the application see -------------------------------------------------

    def permit(self) -> None:
        """This rule answers for the request when it is let through."""
        self._effects.permitted_by = self.rule
        self._did("permit the request")

    def set_request_header(self, name: str, value: bytes) -> None:
        """b"" removes."""
        self._put(self._effects.request_headers, name.lower().encode(), value)
        self._did("set request header" if value else "remove request header", name, value)

    def add_request_header(self, name: str, value: bytes) -> None:
        """One more value of the field, after a comma (RFC 9110 section 5.3); b"" adds nothing."""
        before = self.request_header(name)
        if value:
            self.set_request_header(name, before + b", " + value if before else value)

    def remove_request_header(self, name: str) -> None:
        """In every spelling that an application could take for it."""
        normal, fields = names.normal_form(name), self._effects.request_headers
        for key in [key for key in fields if names.normal_form(key.decode("latin-1")) == normal]:
            fields.pop(key)
        self._did("remove request header", name)

    def set_env(self, name: str, value: bytes) -> None:
        """b"" removes."""
        self._put(self._effects.env, name.upper().encode(), value)
        self._did("set variable" if value else "remove variable", name, value)

    # --- what is noted for the time when the request is let through --------------------------------

    def rewrite(self, path: bytes | None, query: bytes | None) -> None:
        """Another path (normalised already) or query for the application; None: as it is. The last wins."""
        if path is not None:
            self._effects.path = path
            self._did("rewrite the path to", "", path)
        if query is not None:
            self._effects.query = query
            self._did("rewrite the query to", "", query)

    def choose_origin(self, name: str) -> None:
        """The [origin] that the application is; the last one wins."""
        self._effects.origin = name
        self._did("choose origin", name)

    def fall_back(
        self,
        on: Iterable[int],
        status: int,
        body: bytes | None,
        content_type: str,
        headers: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """Stands in for answers of the application; of several that fit, the last one noted."""
        fields = tuple((name.lower().encode(), value) for name, value in headers if value)
        self._did(f"stand in with {status} for", " ".join(map(str, sorted(on))))
        self._effects.fallbacks.append(
            Fallback(
                rule=self.rule, on=frozenset(on), status=status, headers=fields, body=body,
                content_type=content_type.encode(),
            )
        )  # fmt: skip

    # --- what is noted for the response, whoever makes it ------------------------------------------

    def set_response_header(self, name: str, value: bytes) -> None:
        """Replaces what the response has; b"" removes."""
        self._change(Change.SET if value else Change.REMOVE, name, value)

    def add_response_header(self, name: str, value: bytes) -> None:
        """One more field of the name; b"" adds nothing."""
        if value:
            self._change(Change.ADD, name, value)

    def remove_response_header(self, name: str) -> None:
        self._change(Change.REMOVE, name, b"")

    def add_response_token(self, name: str, token: bytes) -> None:
        """One more member of a list, such as `Origin` in `Vary`."""
        self._change(Change.TOKEN, name, token)

    # --- counting and telling -----------------------------------------------------------------------

    def take(self, key: bytes, *, amount: int, period_s: int, burst: int) -> Taken:
        """Takes a token from the bucket of rule and key: `amount` each `period_s` flow in, `burst` fit."""
        taken = self._limits.take(self.rule, key, self.request.now, amount, period_s, burst)
        self._did(f"count ({taken.remaining} left) for", "", key)
        return taken

    def log(self, text: bytes) -> None:
        """A line for the error log, unless it has had too many in this second."""
        if self._limits.takes_line(self.request.now):
            self._effects.logged.append((self.rule, text))
        self._did("log", "", text)

    # --- inside -------------------------------------------------------------------------------------

    def _change(self, change: Change, name: str, value: bytes) -> None:
        self._effects.response.append((change, name.lower().encode(), value))
        self._did(f"{_VERBS[change]} response header", name, value)

    def _did(self, what: str, name: str = "", value: bytes | None = None) -> None:
        self.did.append(Done(what, name, value or None))

    def _put(self, fields: dict[bytes, bytes], key: bytes, value: bytes) -> None:
        fields.pop(key, None)
        if value:
            fields[key] = value

    def _clean(self, value: bytes) -> bytes:
        if _CONTROL.search(value):
            self.refuse(400, "the request holds control characters")
        return value


def encoded(value: bytes) -> bytes:
    """A value inside a URL: unreserved characters and `/` stay (RFC 3986 section 2.3)."""
    return quote_from_bytes(value, safe="/").encode()
