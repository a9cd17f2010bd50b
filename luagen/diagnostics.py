"""Mistakes in a policy as values: the closed list of their codes, and the bag that collects them.

Stages report here and nobody prints. A code is a name for the pattern that was found and never changes its
meaning once released.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from luagen.source import Span

# More than this many are never useful at once; the rest is counted in one line.
MAX_REPORTED = 50
MAX_REPEATED = 10  # warnings with one code that people are shown


class Severity(StrEnum):
    ERROR = "error"  # there is no policy
    WARNING = "warning"  # there is one, and it probably does not do what was meant


class Code(StrEnum):
    """Every pattern that can be reported; `summary` is its line in the documentation."""

    summary: str

    def __new__(cls, value: str, summary: str) -> Code:
        member = str.__new__(cls, value)
        member._value_ = value
        member.summary = summary
        return member

    # the file
    UNREADABLE_FILE = "unreadable-file", "the policy, or a file it names, is missing, unreadable or too large"
    INVALID_ENCODING = "invalid-encoding", "a file is not plain UTF-8"
    INVALID_TOML = "invalid-toml", "the policy file is not TOML 1.0"
    DUPLICATE_KEY = "duplicate-key", "a key or table is defined twice"
    UNKNOWN_KEY = "unknown-key", "a table has no key of this name"
    MISSING_KEY = "missing-key", "a required key is missing"
    WRONG_TYPE = "wrong-type", "a value has another type than the key takes"
    INVALID_VALUE = "invalid-value", "a value has the right type and is still not acceptable"
    INVALID_NAME = "invalid-name", "a name breaks the rules for its kind"
    INVALID_URL = "invalid-url", "a URL is malformed or not protected by TLS"
    CONFLICTING_KEYS = "conflicting-keys", "two keys exclude each other"
    DUPLICATE_NAME = "duplicate-name", "a name that must be unique is used twice"
    RESERVED_NAME = "reserved-name", "a header field or variable that a policy may not set"
    LIMIT_EXCEEDED = "limit-exceeded", "the policy is larger than lightgate accepts"
    SECRET_IN_POLICY = "secret-in-policy", "a key file holds a private or symmetric key"
    CONTROL_CHARACTER = "control-character", "a control character where none may stand"
    # expressions and templates
    INVALID_EXPRESSION = "invalid-expression", "an expression is not written in Python's grammar"
    INVALID_TEMPLATE = "invalid-template", "braces of a template do not pair, or hold more than an expression"
    UNSUPPORTED_EXPRESSION = "unsupported-expression", "valid Python that policies do not use"
    UNKNOWN_NAME = "unknown-name", "nothing has this name"
    UNKNOWN_FIELD = "unknown-field", "the request or identity has no such field"
    UNKNOWN_METHOD = "unknown-method", "a value has no such method"
    TYPE_MISMATCH = "type-mismatch", "an operand has a type that the operation does not take"
    INVALID_LITERAL = "invalid-literal", "a constant that cannot be compiled"
    INVALID_PATTERN = "invalid-pattern", "a pattern that cannot be compiled to an automaton"
    INVALID_NETWORK = "invalid-network", "text that should be an IP address or network is neither"
    OPEN_REDIRECT = "open-redirect", "the target of a redirect could be chosen by the client"
    # warnings
    UNREACHABLE_RULE = "unreachable-rule", "an earlier rule ends every request"
    SHADOWED_RULE = "shadowed-rule", "an earlier rule ends every request that a rule fits"
    OVERWRITTEN_VALUE = "overwritten-value", "two rules set the same field or variable for the same requests"
    REDIRECT_LOOP = "redirect-loop", "redirects lead back to where they began"
    REDIRECT_CHAIN = "redirect-chain", "a redirect leads to another redirect"
    REWRITE_BEHIND_CHECK = "rewrite-behind-check", "a rewrite leads to a path that another rule protects"
    ENCODED_PATH = "encoded-path", "a decoded path is compared with a percent-encoded text"
    PATH_PARAMETER = "path-parameter", "`;` in a path, which applications may understand differently"
    IMPOSSIBLE_PATH = "impossible-path", "a path is compared with what no path is like"
    IMPOSSIBLE_HOST = "impossible-host", "a host is compared with what no host is like"
    CAPITAL_IN_PATH = "capital-in-path", "a path is protected in one spelling only"
    UNANCHORED_PATTERN = "unanchored-pattern", "a pattern that lets requests in can match anywhere"
    TEXT_ANYWHERE = "text-anywhere", "a `require` looks for a text anywhere in a path"
    RAW_PATH_GUARD = "raw-path-guard", "a `require` compares a path as the client encoded it"
    CONSTANT_CONDITION = "constant-condition", "a condition is the same for every request"
    EMPTY_LIST = "empty-list", "a list that a condition uses has no entries"
    PATH_INFO_BYPASS = "path-info-bypass", "a protected path can be reached under a longer name"
    ANONYMOUS_IDENTITY = "anonymous-identity", "identity is read where it may always be anonymous"
    FALLBACK_SUCCESS = "fallback-success", "a failure of the application would look like a success"
    UNUSED_NAME = "unused-name", "a declared auth, list or name is never used"
    # the report itself
    TOO_MANY = "too-many-diagnostics", "more was found than is shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding. `message` is one line; `label` stands beside the carets; `help` says what to do."""

    code: Code
    severity: Severity
    message: str
    span: Span | None = None  # None: about the file as a whole
    label: str | None = None
    help: str | None = None


@dataclass(slots=True)
class Bag:
    """Collects diagnostics in any order and gives them back sorted by position, at most `MAX_REPORTED`."""

    _found: list[Diagnostic] = field(default_factory=list)
    _seen: set[tuple[Code, Span | None, str]] = field(default_factory=set)
    error_count: int = 0

    def error(
        self,
        code: Code,
        message: str,
        span: Span | None,
        *,
        label: str | None = None,
        help: str | None = None,
    ) -> None:
        self._add(
            Diagnostic(code=code, severity=Severity.ERROR, message=message, span=span, label=label, help=help)
        )

    def warning(
        self,
        code: Code,
        message: str,
        span: Span | None,
        *,
        label: str | None = None,
        help: str | None = None,
    ) -> None:
        self._add(
            Diagnostic(
                code=code, severity=Severity.WARNING, message=message, span=span, label=label, help=help
            )
        )

    def _add(self, diagnostic: Diagnostic) -> None:
        # An entry of [names] is part of every expression that uses it; its mistakes are reported once.
        identity = (diagnostic.code, diagnostic.span, diagnostic.message)
        if identity not in self._seen:
            self._seen.add(identity)
            self._found.append(diagnostic)
            self.error_count += diagnostic.severity is Severity.ERROR

    def extend(self, other: Bag) -> None:
        """Takes over what `other` has collected."""
        for diagnostic in other._found:
            self._add(diagnostic)

    @property
    def has_errors(self) -> bool:
        return self.error_count > 0

    def sorted(self) -> tuple[Diagnostic, ...]:
        """By position, errors before warnings at one place; errors are kept before warnings at the cap."""
        errors = sorted((d for d in self._found if d.severity is Severity.ERROR), key=_position)
        warnings = sorted((d for d in self._found if d.severity is Severity.WARNING), key=_position)
        kept = (errors + warnings)[:MAX_REPORTED]
        shown = tuple(sorted(kept, key=_position))
        left_errors = max(0, len(errors) - MAX_REPORTED)
        left_warnings = len(self._found) - len(kept) - left_errors
        if left_errors + left_warnings == 0:
            return shown
        counted = [
            f"{count} more {word}{'s' if count > 1 else ''}"
            for count, word in ((left_errors, "error"), (left_warnings, "warning"))
            if count
        ]
        return (
            *shown,
            Diagnostic(
                code=Code.TOO_MANY,
                severity=Severity.ERROR if left_errors else Severity.WARNING,
                message=f"{' and '.join(counted)} not shown",
            ),
        )


def without_repetition(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """For people: of warnings with one code the first `MAX_REPEATED`, then one that counts the others."""
    kept: list[Diagnostic] = []
    places: dict[Code, int] = {}  # of the first warning too many, in `kept`
    count: Counter[Code] = Counter()
    for diagnostic in diagnostics:
        code = diagnostic.code
        if diagnostic.severity is Severity.ERROR:
            kept.append(diagnostic)
            continue
        count[code] += 1
        if count[code] <= MAX_REPEATED:
            kept.append(diagnostic)
        elif count[code] == MAX_REPEATED + 1:
            places[code] = len(kept)
            kept.append(diagnostic)
    for code, place in places.items():
        message = f"and {count[code] - MAX_REPEATED} more like it"
        kept[place] = Diagnostic(code=code, severity=Severity.WARNING, message=message)
    return tuple(kept)


def _position(diagnostic: Diagnostic) -> tuple[int, int, str]:
    span = diagnostic.span
    return (span.start, span.end, diagnostic.code) if span else (-1, -1, diagnostic.code)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` was probably meant to be, if any is close enough to suggest."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(word[:100].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def quoted(text: str, limit: int = 60) -> str:
    """User text in backticks, for a message: cut at `limit` characters, on one line."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"`{text.translate(_VISIBLE)}`"


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """A help line with the nearest candidate, or None."""
    found = nearest(word, candidates)
    return f"did you mean `{found}`?" if found else None


# Control characters would let a policy draw on the terminal of whoever checks it.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    0x09: "\\t",
    0x0A: "\\n",
    0x0D: "\\r",
}
