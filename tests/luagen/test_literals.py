from __future__ import annotations

import importlib
from pathlib import Path

import jinja2
import pytest

from luagen import skeleton
from luagen.lua import literals
from luagen.lua.host import LUA_VERSIONS
from luagen.lua.literals import LuaCode


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "nil"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-7, "-7"),
        (2**53 - 1, "9007199254740991"),
        ("", '""'),
        ("plain text", '"plain text"'),
        ('quote " and \\ backslash', '"quote \\" and \\\\ backslash"'),
        ("line\nend\0zero1", '"line\\010end\\000zero1"'),
        ("ü", '"\\195\\188"'),
        (b"\x7f\xff", '"\\127\\255"'),
        ("]] --[[ ", '"]] --[[ "'),
    ],
)
def test_literal(value: bytes | str | int | bool | None, code: str) -> None:
    assert literals.literal(value) == LuaCode(code)


@pytest.mark.parametrize("value", [2**53, -(2**53)])
def test_integers_that_doubles_do_not_hold_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="no integer literal"):
        literals.integer(value)


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_every_byte_survives_in_every_lua(version: str) -> None:
    lua = importlib.import_module(f"lupa.{version}").LuaRuntime(encoding=None)
    every_byte = bytes(range(256))
    for text in (every_byte, every_byte[::-1], b"\x001\x002", b"\\n\\065\\x41\\z \\u{41}"):
        assert lua.execute(f"return {literals.string(text)}".encode()) == text


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_integers_are_exact_in_every_lua(version: str) -> None:
    lua = importlib.import_module(f"lupa.{version}").LuaRuntime(encoding=None)
    for value in (0, -1, 443, 2**31, 2**53 - 1, -(2**53 - 1)):
        assert lua.execute(f"return {literals.integer(value)}".encode()) == value


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (literals.array([]), "{}"),
        (literals.array(["a", "b"]), '{ "a", "b" }'),
        (literals.string_set(["b", "a"]), '{ ["b"] = true, ["a"] = true }'),
        (
            literals.array(["a" * 60, "b" * 60], indent="  "),
            "{\n" + f'    "{"a" * 60}",\n' + f'    "{"b" * 60}",\n' + "  }",
        ),
        (literals.record({"a": literals.literal(1)}), "{\n  a = 1,\n}"),
    ],
)
def test_tables(code: LuaCode, text: str) -> None:
    assert code == LuaCode(text)


@pytest.mark.parametrize("name", ["a b", "1a", "ä", "a]"])
def test_records_take_lua_names_only(name: str) -> None:
    with pytest.raises(ValueError, match="not a Lua name"):
        literals.record({name: literals.literal(1)})


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("a rule", "a rule"),
        ("a\nprint(1)", "a?print(1)"),
        ("a\r\x85\u2028\x1b[1mb", "a????[1mb"),
        ("über", "über"),
    ],
)
def test_comments_stay_on_their_line(text: str, inside: str) -> None:
    assert literals.comment(text) == LuaCode(inside)


def test_skeletons_write_finished_code_and_nothing_else(tmp_path: Path) -> None:
    template = tmp_path / "test.lua.j2"
    template.write_text("return {{ value }}\n")
    assert skeleton.render(template, LuaCode, value=literals.string("x")) == 'return "x"\n'
    for value in ("x", 1, True, None, b"x", ["x"]):
        with pytest.raises(TypeError, match="not finished code"):
            skeleton.render(template, LuaCode, value=value)
    with pytest.raises(jinja2.UndefinedError, match="value"):
        skeleton.render(template, LuaCode)


@pytest.mark.parametrize(
    "text", ["{{ value ~ value }}", "{{ value | upper }}", "{{ 'text' }}", "{{ 1 + 1 }}"]
)
def test_skeletons_cannot_put_code_together(tmp_path: Path, text: str) -> None:
    template = tmp_path / "test.lua.j2"
    template.write_text(text)
    with pytest.raises(TypeError, match="not finished code"):
        skeleton.render(template, LuaCode, value=literals.string("x"))
