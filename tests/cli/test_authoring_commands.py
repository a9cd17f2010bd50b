"""`lightgate fmt` and `lightgate import`: what is printed, what is written, and which exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from luagen.cli import lightgate

LOOSE = "default='pass'#c\n[lists]\noffice=[ '192.0.2.0/24' ]\n"
LAID_OUT = "default = 'pass'  #c\n\n[lists]\noffice = ['192.0.2.0/24']\n"


@pytest.fixture(autouse=True)
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(lightgate, arguments, input=input, catch_exceptions=False)


# --- fmt --------------------------------------------------------------------------------------------


def test_fmt_writes_the_file_and_names_it() -> None:
    path = Path("a.toml")
    path.write_text(LOOSE)
    path.chmod(0o640)
    result = invoke("fmt", "a.toml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "a.toml\n", "")
    assert path.read_text() == LAID_OUT
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(Path().iterdir()) == [path]


def test_fmt_leaves_what_is_laid_out() -> None:
    path = Path("a.toml")
    path.write_text(LAID_OUT)
    before = path.stat()
    result = invoke("fmt", "a.toml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert path.stat().st_ino == before.st_ino


def test_fmt_takes_the_policy_here() -> None:
    Path("lightgate.toml").write_text(LOOSE)
    assert invoke("fmt").stdout == "lightgate.toml\n"
    assert Path("lightgate.toml").read_text() == LAID_OUT


def test_fmt_without_a_policy() -> None:
    result = invoke("fmt")
    assert result.exit_code == 1
    assert result.stderr.startswith("error[unreadable-file]: `lightgate.toml` does not exist\n")


def test_fmt_keeps_a_link() -> None:
    Path("real.toml").write_text(LOOSE)
    Path("link.toml").symlink_to("real.toml")
    assert invoke("fmt", "link.toml").exit_code == 0
    assert Path("link.toml").is_symlink()
    assert Path("real.toml").read_text() == LAID_OUT


def test_fmt_check_writes_nothing() -> None:
    Path("a.toml").write_text(LOOSE)
    Path("b.toml").write_text(LAID_OUT)
    result = invoke("fmt", "--check", "a.toml", "b.toml")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "a.toml\n", "")
    assert Path("a.toml").read_text() == LOOSE
    assert invoke("fmt", "--check", "b.toml").exit_code == 0


def test_fmt_diff_writes_nothing() -> None:
    Path("a.toml").write_text("a=1\nb = 2")
    expected = (
        "--- a.toml\n+++ a.toml in layout\n@@ -1,2 +1,2 @@\n-a=1\n-b = 2\n\\ No newline at end of file\n"
        "+a = 1\n+b = 2\n"
    )
    result = invoke("fmt", "--diff", "a.toml")
    assert (result.exit_code, result.stdout) == (0, expected)
    result = invoke("fmt", "--diff", "--check", "a.toml")
    assert (result.exit_code, result.stdout) == (1, expected)
    assert Path("a.toml").read_text() == "a=1\nb = 2"


def test_fmt_of_standard_input() -> None:
    result = invoke("fmt", "--stdin", input=LOOSE)
    assert (result.exit_code, result.stdout, result.stderr) == (0, LAID_OUT, "")
    result = invoke("fmt", "--stdin", "--check", input=LOOSE)
    assert (result.exit_code, result.stdout) == (1, "<stdin>\n")
    assert invoke("fmt", "--stdin", "--check", input=LAID_OUT).exit_code == 0
    assert invoke("fmt", "--stdin", "a.toml").exit_code == 2


@pytest.mark.parametrize(
    "content", [b"a = \n", b"a = 1\na = 2\n", b"\xff\n", b"\xef\xbb\xbfdefault = 'pass'\n"]
)
def test_fmt_reports_mistakes_as_check_does(content: bytes) -> None:
    path = Path("a.toml")
    path.write_bytes(content)
    Path("b.toml").write_text(LOOSE)
    result = invoke("fmt", "a.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == invoke("check", "a.toml").stderr
    assert result.stderr.startswith("error[")
    assert path.read_bytes() == content
    assert invoke("fmt", "--stdin", input=content).stderr == result.stderr.replace("a.toml", "<stdin>")
    assert (invoke("fmt", "a.toml", "b.toml").exit_code, Path("b.toml").read_text()) == (1, LAID_OUT)


# --- import -----------------------------------------------------------------------------------------

NETLIFY = (
    '[[rule]]\nname = "_redirects:1"\n\n[rule.redirects]\nstatus = 301\nkeep_query = true\n\n'
    '[rule.redirects.entries]\n"/a" = "/b"  # _redirects:1\n"/a/" = "/b"  # _redirects:1\n'
)


def test_import_prints_a_part_of_a_policy() -> None:
    Path("_redirects").write_text("/a /b 301!\n")
    result = invoke("import", "netlify", "_redirects")
    assert (result.exit_code, result.stdout) == (0, NETLIFY)
    assert result.stderr == "_redirects: 2 redirects, 0 not translated\n"


def test_import_says_what_it_cannot() -> None:
    Path("_redirects").write_text("/a /b 301!\n/x /y 200\n")
    result = invoke("import", "netlify", "_redirects")
    reason = "status 200 rewrites or proxies, which is no redirect; rules below it get its requests"
    assert result.exit_code == 1
    assert result.stdout == f"{NETLIFY}\n# _redirects:2: not translated: {reason}\n#   /x /y 200\n"
    assert result.stderr == (
        f"_redirects:2: not translated: {reason}\n  /x /y 200\n_redirects: 2 redirects, 1 not translated\n"
    )


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("nginx-redirects", "location = /a { return 301 /b; }\n"),
        ("htaccess-redirects", "RedirectMatch 301 ^/a$ /b\n"),
        ("netlify", "/a /b 301!\n"),
    ],
)
def test_import_of_each_kind(command: str, text: str) -> None:
    Path("f").write_text("\ufeff" + text)
    result = invoke("import", command, "f", "-o", "out.toml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert '"/a" = "/b"  # f:1\n' in Path("out.toml").read_text()


def test_import_replaces_no_file() -> None:
    Path("_redirects").write_text("/a /b 301!\n")
    Path("out.toml").write_text("mine")
    result = CliRunner().invoke(lightgate, ["import", "netlify", "_redirects", "-o", "out.toml"])
    assert str(result.exception) == (
        "error: `out.toml` exists already\n  = help: name another file, or remove it"
    )
    assert Path("out.toml").read_text() == "mine"


def test_import_of_no_file() -> None:
    result = invoke("import", "netlify", "none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error[unreadable-file]: ")
