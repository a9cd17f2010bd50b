"""Lists in files: what a line means, where mistakes are shown, and that long lists are quick."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from luagen import list_files
from luagen.check import check_text
from luagen.diagnostics import MAX_REPORTED, Code, Diagnostic
from luagen.model import Contains, NetworkSet, StringSet


def policy(item: str = "request.ip") -> str:
    return (
        'default = "pass"\n[lists]\noffice = { file = "office.txt" }\n'
        f"[[rule]]\nname = \"x\"\nwhen = '{item} in office'\nrespond = {{ status = 404 }}\n"
    )


def check(directory: Path, content: str | bytes, item: str) -> tuple[str, ...]:
    (directory / "office.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    checked, diagnostics = check_text(policy(item), "test.toml", directory)
    assert checked is not None, diagnostics
    condition = checked.rules[0].when
    assert isinstance(condition, Contains)
    assert isinstance(condition.container, StringSet | NetworkSet)
    return tuple(map(str, condition.container.values))


def refused(directory: Path, content: str | bytes) -> tuple[Diagnostic, ...]:
    (directory / "office.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    checked, diagnostics = check_text(policy(), "test.toml", directory)
    assert checked is None
    return diagnostics


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("", ()),
        ("\n \t\n# nothing\n", ()),
        ("a\nb\n", ("a", "b")),
        ("a\nb", ("a", "b")),
        ("a\r\nb\r\n", ("a", "b")),
        ("  a  \n\tb\t# why\n", ("a", "b")),
        ("a#b\n#c\n d #e #f\n", ("a#b", "d")),
        ("two words\n", ("two words",)),
        ("a\nb\na\n", ("a", "b")),
        ("\u00e9\n", ("\u00e9",)),
        ("12:30:00\naa:bb:cc:dd:ee:ff\n", ("12:30:00", "aa:bb:cc:dd:ee:ff")),
        ("1.2\n1.2.3\n10.0.0.1:80\n", ("1.2", "1.2.3", "10.0.0.1:80")),
    ],
)
def test_lines(tmp_path: Path, content: str, values: tuple[str, ...]) -> None:
    assert check(tmp_path, content, "request.host") == values


def test_networks(tmp_path: Path) -> None:
    content = "10.0.0.0/8 # private\n::1\n192.0.2.7\n10.0.0.0/8\n::ffff:192.0.2.8\n"
    expected = ("10.0.0.0/8", "::1/128", "192.0.2.7/32", "192.0.2.8/32")
    assert check(tmp_path, content, "request.ip") == expected


@pytest.mark.parametrize(
    ("content", "code", "line", "column", "shown"),
    [
        ("10.0.0.0/8\n\n  10.0.0.1/8 # x\n", Code.INVALID_NETWORK, 3, 3, "10.0.0.1/8"),
        ("10.0.0.0/8\nhost\n", Code.INVALID_VALUE, 2, 1, "host"),
        ("host\nother\n 10.0.0.0/8\n", Code.INVALID_VALUE, 3, 2, "10.0.0.0/8"),
        ("300.1.2\n10.0.0.0/8\n", Code.INVALID_VALUE, 1, 1, "300.1.2"),
        ("300.1.2.3\n10.0.0.0/8\n", Code.INVALID_NETWORK, 1, 1, "300.1.2.3"),
        ("300.1.2.3\n", Code.INVALID_NETWORK, 1, 1, "300.1.2.3"),
        ("10.1/16\n", Code.INVALID_NETWORK, 1, 1, "10.1/16"),
        ("2001:db8:/32\n", Code.INVALID_NETWORK, 1, 1, "2001:db8:/32"),
        ("2001:db8:1:2\n", Code.INVALID_NETWORK, 1, 1, "2001:db8:1:2"),
        ("1::2::3%x\n", Code.INVALID_NETWORK, 1, 1, "1::2::3%x"),
        ("\ufeff10.0.0.0/8\n", Code.INVALID_ENCODING, 1, 1, "\ufeff"),
        ("a\nb\0\n", Code.INVALID_ENCODING, 2, 2, "\0"),
        (b"a\nb\xff\n", Code.INVALID_ENCODING, 2, 2, ""),
    ],
)
def test_mistakes_are_shown_in_the_file(
    tmp_path: Path, content: str | bytes, code: Code, line: int, column: int, shown: str
) -> None:
    found = refused(tmp_path, content)[0]
    assert found.code is code
    assert found.span is not None
    assert str(found.span) == f"office.txt:{line}:{column}"
    assert found.span.source.text[found.span.start : found.span.end] == shown


def test_a_file_that_is_not_there_is_shown_in_the_policy(tmp_path: Path) -> None:
    checked, diagnostics = check_text(policy(), "test.toml", tmp_path)
    assert checked is None
    assert [(found.code, str(found.span)) for found in diagnostics] == [
        (Code.UNREADABLE_FILE, "test.toml:3:19")
    ]


def test_not_every_wrong_line_is_reported(tmp_path: Path) -> None:
    assert len(refused(tmp_path, "10.0.0.1/8\n" * 10_000)) <= MAX_REPORTED + 1


def test_too_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_files, "MAX_ENTRIES", 3)
    assert check(tmp_path, "a\nb\nc\n# d\n", "request.host") == ("a", "b", "c")
    assert refused(tmp_path, "a\nb\nc\nd\n")[0].code is Code.LIMIT_EXCEEDED


def test_a_hundred_thousand_networks_are_quick(tmp_path: Path) -> None:
    lines = [f"{10 + i // 65536}.{i // 256 % 256}.{i % 256}.0/24" for i in range(100_000)]
    started = time.perf_counter()
    assert len(check(tmp_path, "\n".join(lines), "request.ip")) == 100_000
    assert time.perf_counter() - started < 20  # below 2 s on an idle machine
