"""Includes are followed as lighttpd follows them, held by lighttpd itself where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from luagen.host.includes import Line, expand

CANDIDATE = "candidate\n"


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory / "main.conf"


def text(directory: Path, files: dict[str, str], instead_of: str = "state/current/lightgate.conf") -> str:
    """The whole, without empty lines and with paths below `directory` shown as ones below `@`."""
    expansion = expand(write(directory, files), instead_of=directory / instead_of, content=CANDIDATE)
    lines = (line.text.rstrip() for line in expansion.lines)
    return "\n".join(line for line in lines if line).replace(str(directory), "@")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"main.conf": "a = 1\nb = 2"}, "a = 1\nb = 2", id="nothing to include"),
        pytest.param(
            {"main.conf": 'a = 1\ninclude "x.conf"\nb = 2\n', "x.conf": "x = 1"},
            "a = 1\nx = 1\nb = 2",
            id="file",
        ),
        pytest.param(
            {"main.conf": 'include "d/*.conf"\n', "d/2.conf": "two", "d/1.conf": "one", "d/.0.conf": "no"},
            "one\ntwo",
            id="pattern, in order",
        ),
        pytest.param({"main.conf": 'include "none/*.conf"\nb = 2'}, "b = 2", id="pattern without a file"),
        pytest.param(
            {"main.conf": 'include "d/x.conf"', "d/x.conf": 'include "d/y.conf"', "d/y.conf": "y"},
            "y",
            id="relative to the main file's directory",
        ),
        pytest.param(
            {"main.conf": 'include "d/x.conf"', "d/x.conf": 'include "y.conf"', "d/y.conf": "y"},
            'include "@/y.conf"',
            id="missing file is left for lighttpd to complain about",
        ),
        pytest.param(
            {"main.conf": '$HTTP["host"] == "include" { include "x" } # include "y"', "x": "included"},
            '$HTTP["host"] == "include" {\nincluded\n } # include "y"',
            id="inside a condition, with a comment after it",
        ),
        pytest.param(
            {
                "main.conf": 'a = "include \\"x\\" #"\nb = ( "include", # include "x"\n "x" )\n',
                "x": "included",
            },
            'a = "include \\"x\\" #"\nb = ( "include", # include "x"\n "x" )',
            id="word in strings, lists and comments",
        ),
        pytest.param(
            {
                "main.conf": 'dir = "d"\nvar.ext = ".conf"\ndir += "/e"\ninclude var.dir + "/x" + ext\n',
                "d/e/x.conf": "x",
            },
            'dir = "d"\nvar.ext = ".conf"\ndir += "/e"\nx',
            id="variables",
        ),
        pytest.param(
            {"main.conf": 'dir = 3\ninclude dir + "/x.conf"\ninclude server.name + "x"\n'},
            'dir = 3\ninclude dir + "/x.conf"\ninclude server.name + "x"',
            id="variables that are no strings",
        ),
        pytest.param(
            {"main.conf": 'include_shell "cat x.conf"\n', "x.conf": "x"},
            'include_shell "cat x.conf"',
            id="output of commands",
        ),
        pytest.param({"main.conf": 'include "{a,b}.conf"\n'}, 'include "@/{a,b}.conf"', id="braces"),
        pytest.param(
            {"main.conf": 'include "d/*"\nb = 2', "d/04": 'include "state/current/lightgate.conf"'},
            "candidate\nb = 2",
            id="the candidate, which need not exist",
        ),
        pytest.param(
            {"main.conf": 'include "state/current/*.conf"', "state/current/lightgate.conf": "in force"},
            "candidate",
            id="the candidate, by a pattern",
        ),
    ],
)  # fmt: skip
def test_expand(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    assert text(tmp_path, files) == expected


def test_the_candidate_by_another_way_to_its_directory(tmp_path: Path) -> None:
    (tmp_path / "state" / "releases" / "one").mkdir(parents=True)
    (tmp_path / "state" / "current").symlink_to("releases/one")
    (tmp_path / "elsewhere").symlink_to("state")
    main = write(tmp_path, {"main.conf": 'include "elsewhere/current/lightgate.conf"\n'})
    expansion = expand(main, instead_of=tmp_path / "state/current/lightgate.conf", content=CANDIDATE)
    assert (expansion.text.strip(), expansion.replaced) == (CANDIDATE.strip(), 1)


def test_a_release_that_is_included_by_its_id_is_not_the_one_in_force(tmp_path: Path) -> None:
    files = {
        "main.conf": 'include "state/releases/one/lightgate.conf"',
        "state/releases/one/lightgate.conf": "1",
    }
    assert text(tmp_path, files) == "1"


def test_every_line_knows_where_it_comes_from(tmp_path: Path) -> None:
    main = write(tmp_path, {"main.conf": 'a\n{ include "x.conf" }\nb\n', "x.conf": "1\n2\n"})
    other = tmp_path / "x.conf"
    assert expand(main, instead_of=tmp_path / "none", content="").lines == (
        *(Line("a", main, 1), Line("{ ", main, 2), Line("1", other, 1), Line("2", other, 2)),
        *(Line(" }", main, 2), Line("b", main, 3)),
    )


def test_a_circle_ends(tmp_path: Path) -> None:
    files = {"main.conf": 'a\ninclude "main.conf"\n'}
    assert text(tmp_path, files).splitlines()[-1] == 'include "main.conf"'


def test_bytes_that_are_no_utf8_stay(tmp_path: Path) -> None:
    main = tmp_path / "main.conf"
    main.write_bytes(b'a = "\xff"\n')
    whole = expand(main, instead_of=tmp_path / "none", content="")
    assert whole.text.encode("utf-8", "surrogateescape") == b'a = "\xff"\n'


@pytest.mark.system
def test_lighttpd_reads_the_same(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        {
            "main.conf": f'server.document-root = "{tmp_path}"\nvar.d = "sub"\n'
            'include "sub/*.conf"\ninclude d + "/deep/x.inc" # include "no"\n'
            '$HTTP["host"] == "a" { include "z.conf" }\ninclude "none/*"\n'
            'server.modules += ( "mod_status" )\n',
            "sub/2.conf": 'server.modules += ( "mod_access" )',
            "sub/1.conf": 'server.modules = ( "mod_alias" )\ninclude "z2.conf"',
            "sub/deep/x.inc": 'server.tag = "include \\"z.conf\\" #"\n',
            "z.conf": 'server.name = "z"',
            "z2.conf": "server.port = 8123",
        },
    )
    whole = tmp_path / "elsewhere" / "whole.conf"
    whole.parent.mkdir()
    whole.write_text(expand(main, instead_of=tmp_path / "none", content="").text)
    assert _printed(whole) == _printed(main)


def _printed(configuration: Path) -> str:
    lighttpd = shutil.which("lighttpd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert lighttpd is not None
    done = subprocess.run(
        [lighttpd, "-p", "-f", configuration], capture_output=True, text=True, timeout=20, check=True
    )
    return re.sub(r"var\.PID += \d+", "", done.stdout)
