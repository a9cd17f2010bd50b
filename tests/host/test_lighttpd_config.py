"""Reading what `lighttpd -p` prints: real output of three versions (tests/host/printed), and other text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luagen import lighttpd_host
from luagen.failure import Failure
from luagen.host.lighttpd_config import Array, Condition, MergedConfig, Settings, parse, read

PRINTED = Path(__file__).with_name("printed")
VERSIONS = ("1.4.69", "1.4.79", "1.4.85")


@pytest.fixture(params=VERSIONS)
def config(request: pytest.FixtureRequest) -> MergedConfig:
    return parse((PRINTED / f"{request.param}.txt").read_text())


def one(text: str) -> MergedConfig:
    return parse("config {\n" + text + "\n}\n")


def test_global_values(config: MergedConfig) -> None:
    assert config.integer("server.port") == 8080
    assert config.string("server.bind") == "127.0.0.1"
    assert config.strings("magnet.attract-raw-url-to") == ("/var/lib/lightgate/current/request.lua",)
    assert config.string("server.name") == 'say "hi", ) } # no comment'
    assert config.string("server.tag") == "two\n lines"
    assert config.array("var.empty") == Array()
    assert config.array("var.mixed").entries == (
        (None, 1),
        (None, "a => b"),
        (None, 'c", "d'),
        (None, ""),
        (None, Array(((None, "x"),))),
    )


def test_of_a_module_named_twice_the_first_counts(config: MergedConfig) -> None:
    assert config.modules == ("mod_access", "mod_magnet", "mod_fastcgi", "mod_proxy")


def test_nested_arrays(config: MergedConfig) -> None:
    hosts = config.array("fastcgi.server").get("/.lightgate/authorize")
    assert isinstance(hosts, Array)
    entry = hosts.get("lightgate")
    assert isinstance(entry, Array)
    assert (entry.get("mode"), entry.get("read-timeout"), entry.get("docroot")) == ("authorizer", 10, None)


def test_keys_with_anything_in_them(config: MergedConfig) -> None:
    assert config.array("alias.url").entries == (
        ('/a"', "/x/"),
        ("/b(", "/y)"),
        ("/c", "a=>b"),
        ("/d => ", "q"),
    )


def test_conditions(config: MergedConfig) -> None:
    a = Condition('$HTTP["host"]', "==", "a.example")
    assert [(block.conditions, block.is_else) for block in config.blocks] == [
        ((a,), False),
        ((a, Condition('$HTTP["url"]', "=~", r'^/x("|\))y')), False),
        ((Condition('$HTTP["host"]', "=~", r"^b\.example$|c"),), False),
        ((), True),
        ((Condition('$SERVER["socket"]', "==", "[::]:8443"),), False),
        ((Condition('$REQUEST_HEADER["X-A"]', "!=", "q"),), False),
    ]
    assert config.blocks[1].where == r'$HTTP["host"] == "a.example", $HTTP["url"] =~ "^/x("|\))y"'
    assert config.blocks[3].where == "else"


def test_a_value_inside_a_condition_is_the_whole_value(config: MergedConfig) -> None:
    assert config.blocks[0].strings("magnet.attract-raw-url-to") == ("/srv/other.lua",)
    assert config.blocks[1].strings("magnet.attract-raw-url-to") == ("/srv/other.lua", "/srv/inner.lua")
    assert [where for where, _ in config.places("magnet.attract-raw-url-to")] == [
        "",
        config.blocks[0].where,
        config.blocks[1].where,
    ]


def test_listeners(config: MergedConfig) -> None:
    assert [block.where for block in config.sockets] == ['$SERVER["socket"] == "[::]:8443"']
    assert config.sockets[0].string("server.tag") == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"enable"', True), ('"disable"', False), ('"true"', True), ("1", True), ("0", False), ("()", False)],
)
def test_switches(value: str, expected: bool) -> None:
    assert one(f"a.b = {value}").enabled("a.b") is expected


def test_what_is_absent_or_of_another_kind() -> None:
    config = one('a.text = "12"\na.number = 3\na.list = ("x")')
    assert (config.string("a.number"), config.integer("a.list"), config.enabled("a.none")) == (
        None,
        None,
        None,
    )
    assert (config.integer("a.text"), config.strings("a.text")) == (12, ("12",))
    assert (config.array("a.text"), config.strings("a.none")) == (Array(), ())


def test_what_a_later_version_may_print() -> None:
    config = one(
        'a = "1"\nb = true\nc = (yes, 1.5, "x")\n@include "y"\nd += "2"\n'
        'while $HTTP["host"] ~~ "x" {\n    e = "inside"\n}\nf = "last"'
    )
    assert (config.string("a"), config.string("b"), config.string("f")) == ("1", "true", "last")
    assert config.strings("c") == ("yes", "1.5", "x")
    assert [(block.where, block.string("e")) for block in config.blocks] == [
        ('while $HTTP["host"] ~~ "x"', "inside")
    ]


@pytest.mark.parametrize("text", ["", "lighttpd/1.4.69", "config"])
def test_no_configuration_at_all(text: str) -> None:
    with pytest.raises(Failure, match="does not print a configuration"):
        parse(text)


@given(st.text(alphabet='a=>"\\(){}, \n#$[]if elsblock12.', max_size=200))
def test_never_raises(text: str) -> None:
    parse("config {" + text)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(
        lambda text: not text.endswith("\\")
    )
)
def test_any_string_comes_back(text: str) -> None:
    printed = text.replace('"', '\\"')
    config = one(f'    a.b = "{printed}"\n    a.c = ("{printed}", "{printed}")\n    a.d = 1')
    assert (config.string("a.b"), config.strings("a.c")) == (text, (text, text))
    assert config.integer("a.d") == 1


def test_deep_arrays_end() -> None:
    assert isinstance(one("a = " + "(" * 10_000), Settings)


# --- the installed lighttpd --------------------------------------------------------------------------


@pytest.mark.system
def test_read(tmp_path: Path) -> None:
    path = tmp_path / "lighttpd.conf"
    path.write_text(
        f'server.document-root = "{tmp_path}"\nserver.port = 8081\n'
        '$HTTP["host"] == "x" { server.name = "y" }\n'
    )
    config = read(lighttpd_host.find(), path)
    assert config.integer("server.port") == 8081
    assert [(block.where, block.string("server.name")) for block in config.blocks] == [
        ('$HTTP["host"] == "x"', "y")
    ]


@pytest.mark.system
def test_a_configuration_with_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "lighttpd.conf"
    path.write_text('fastcgi.server = ()\nfastcgi.server = ()\nserver.document-root = "/"\n')
    with pytest.raises(Failure) as caught:
        read(lighttpd_host.find(), path)
    assert "Duplicate config variable" in caught.value.message
    assert caught.value.help == f"lighttpd -tt -f {path} says everything"
