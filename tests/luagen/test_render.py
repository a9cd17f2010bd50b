"""The three renderings of a diagnostic, and the bag that sorts and caps them."""

from __future__ import annotations

import pytest

from luagen.diagnostics import (
    MAX_REPEATED,
    MAX_REPORTED,
    Bag,
    Code,
    Diagnostic,
    Severity,
    nearest,
    without_repetition,
)
from luagen.render import as_json, full, line
from luagen.source import Source, Span


def diagnostic(
    text: str, start: int, end: int, label: str | None = None, help: str | None = None
) -> Diagnostic:
    return Diagnostic(
        code=Code.UNKNOWN_FIELD,
        severity=Severity.ERROR,
        message="no field `x`",
        span=Span(Source("p.toml", text), start, end),
        label=label,
        help=help,
    )


FULL = {
    "one line": (
        diagnostic("a = 1\nb = x.y\n", 10, 13, "here", "write it"),
        " --> p.toml:2:5\n  |\n2 | b = x.y\n  |     ^^^ here\n  = help: write it",
    ),
    "wide gutter": (
        diagnostic("\n" * 99 + "b = x", 103, 104),
        "   --> p.toml:100:5\n    |\n100 | b = x\n    |     ^",
    ),
    "end of the file": (diagnostic("a =", 3, 3), " --> p.toml:1:4\n  |\n1 | a =\n  |    ^"),
    "empty file": (diagnostic("", 0, 0), " --> p.toml:1:1\n  |\n1 |\n  | ^"),
    "line end": (diagnostic("a =\r\nb = 1\r\n", 3, 5), " --> p.toml:1:4\n  |\n1 | a =\n  |    ^"),
    "tabs": (diagnostic("\ta\t= x\ty", 5, 8), " --> p.toml:1:6\n  |\n1 | \ta\t= x\ty\n  | \t \t  ^^^"),
    "wide and combining characters": (
        diagnostic("\u65e5\u672ce\u0301 = x", 7, 8),
        " --> p.toml:1:8\n  |\n1 | \u65e5\u672ce\u0301 = x\n  |         ^",
    ),
    "control characters": (
        diagnostic("a\x1b[2J\u202e = x", 9, 10),
        " --> p.toml:1:10\n  |\n1 | a\ufffd[2J\ufffd = x\n  |          ^",
    ),
    "two lines": (
        diagnostic("a = [\n  1]\n", 4, 10, "all of it"),
        " --> p.toml:1:5\n  |\n1 | a = [\n  |     ^\n2 |   1]\n  |   ^^ all of it",
    ),
    "many lines": (
        diagnostic("[\n1,\n2,\n3,\n4,\n]", 0, 15),
        " --> p.toml:1:1\n  |\n1 | [\n  | ^\n2 | 1,\n  | ^^\n...\n6 | ]\n  | ^",
    ),
    "long line": (
        diagnostic("a" * 300 + "b" + "c" * 300, 300, 301),
        f" --> p.toml:1:301\n  |\n1 | \u2026{'a' * 46}b{'c' * 93}\u2026\n  | {' ' * 47}^",
    ),
}


@pytest.mark.parametrize(("found", "expected"), FULL.values(), ids=FULL.keys())
def test_full(found: Diagnostic, expected: str) -> None:
    assert full(found) == f"error[unknown-field]: no field `x`\n{expected}"


def test_full_without_a_place() -> None:
    found = Diagnostic(
        code=Code.UNREADABLE_FILE, severity=Severity.ERROR, message="`p` is missing", help="make it"
    )
    assert full(found) == "error[unreadable-file]: `p` is missing\n  = help: make it"
    assert line(found) == "error[unreadable-file]: `p` is missing"


def test_line() -> None:
    assert line(diagnostic("a\nbc", 3, 4)) == "p.toml:2:2: error[unknown-field]: no field `x`"


def test_json() -> None:
    assert as_json(diagnostic("a\nbc\nd", 3, 6, "l", "h")) == {
        "code": "unknown-field",
        "severity": "error",
        "message": "no field `x`",
        "file": "p.toml",
        "line": 2,
        "column": 2,
        "end_line": 3,
        "end_column": 2,
        "label": "l",
        "help": "h",
    }


def test_bag_sorts_and_keeps_one_of_each() -> None:
    source = Source("p.toml", "x" * 100)
    bag = Bag()
    bag.warning(Code.UNUSED_NAME, "late", Span(source, 9, 10))
    bag.error(Code.UNKNOWN_NAME, "early", Span(source, 1, 2))
    bag.error(Code.UNKNOWN_NAME, "early", Span(source, 1, 2))
    bag.error(Code.UNREADABLE_FILE, "no place", None)
    assert [found.message for found in bag.sorted()] == ["no place", "early", "late"]
    assert (bag.has_errors, bag.error_count) == (True, 2)


@pytest.mark.parametrize(
    ("errors", "warnings", "last", "severity"),
    [
        (MAX_REPORTED, 0, None, None),
        (MAX_REPORTED, 1, "1 more warning not shown", Severity.WARNING),
        (MAX_REPORTED + 1, 2, "1 more error and 2 more warnings not shown", Severity.ERROR),
        (MAX_REPORTED + 7, 0, "7 more errors not shown", Severity.ERROR),
        (1, MAX_REPORTED, "1 more warning not shown", Severity.WARNING),
    ],
)
def test_bag_caps(errors: int, warnings: int, last: str | None, severity: Severity | None) -> None:
    source = Source("p.toml", "x" * 1000)
    bag = Bag()
    for place in range(warnings):
        bag.warning(Code.UNUSED_NAME, "w", Span(source, place, place))
    for place in range(errors):
        bag.error(Code.UNKNOWN_NAME, "e", Span(source, 500 + place, 500 + place))
    found = bag.sorted()
    assert sum(one.code is Code.UNKNOWN_NAME for one in found) == min(errors, MAX_REPORTED)
    if last is None:
        assert len(found) == MAX_REPORTED
    else:
        assert (found[-1].code, found[-1].message, found[-1].severity) == (Code.TOO_MANY, last, severity)
        assert len(found) == MAX_REPORTED + 1


def test_repeated_warnings_are_counted_and_errors_are_not() -> None:
    source = Source("p.toml", "x" * 100)
    bag = Bag()
    for place in range(MAX_REPEATED + 3):
        bag.warning(Code.UNUSED_NAME, "unused", Span(source, place, place))
        bag.error(Code.UNKNOWN_NAME, "unknown", Span(source, place, place))
    for place in range(MAX_REPEATED):
        bag.warning(Code.EMPTY_LIST, "empty", Span(source, 90 + place, 90 + place))
    shown = without_repetition(bag.sorted())
    assert [one.message for one in shown].count("unknown") == MAX_REPEATED + 3
    assert [one.message for one in shown if one.code is Code.EMPTY_LIST] == ["empty"] * MAX_REPEATED
    unused = [one for one in shown if one.code is Code.UNUSED_NAME]
    assert [one.message for one in unused] == ["unused"] * MAX_REPEATED + ["and 3 more like it"]
    assert full(unused[-1]) == "warning[unused-name]: and 3 more like it"


def test_every_code_is_a_kebab_case_name_with_a_summary() -> None:
    for code in Code:
        assert code == code.lower() and "_" not in code
        assert code.summary and not code.summary.endswith(".") and "\n" not in code.summary


def test_nearest() -> None:
    assert nearest("Staus", ["status", "body"]) == "status"
    assert nearest("colour", ["status", "body"]) is None
    assert nearest("x", []) is None
