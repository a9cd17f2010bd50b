from __future__ import annotations

import pytest

from luagen.host.lighttpd_config import Block, Condition, MergedConfig, Value
from luagen.host.local_url import base_urls, loopback_source


def socket(address: str, **values: Value) -> Block:
    condition = Condition('$SERVER["socket"]', "==", address)
    return Block(values=_named(values), conditions=(condition,))


def _named(values: dict[str, Value]) -> dict[str, Value]:
    return {name.replace("_", ".", 1): value for name, value in values.items()}


@pytest.mark.parametrize(
    ("values", "urls"),
    [
        ({}, ["http://127.0.0.1:80"]),
        ({"server_port": 8080}, ["http://127.0.0.1:8080"]),
        ({"server_bind": "", "server_port": 81}, ["http://127.0.0.1:81"]),
        ({"server_bind": "0.0.0.0"}, ["http://127.0.0.1:80"]),
        ({"server_bind": "*"}, ["http://127.0.0.1:80"]),
        ({"server_bind": "[::]"}, ["http://[::1]:80"]),
        ({"server_bind": "::"}, ["http://[::1]:80"]),
        ({"server_bind": "2001:db8::1"}, ["http://[2001:db8::1]:80"]),
        ({"server_bind": "192.0.2.1", "server_port": 8080}, ["http://192.0.2.1:8080"]),
        ({"server_bind": "localhost"}, ["http://localhost:80"]),
        ({"server_port": 443, "ssl_engine": "enable"}, ["https://127.0.0.1:443"]),
        ({"server_bind": "/run/lighttpd.sock"}, []),
    ],
)
def test_global_listener(values: dict[str, Value], urls: list[str]) -> None:
    assert list(base_urls(MergedConfig(values=_named(values)))) == urls


def test_other_listeners_come_after_it() -> None:
    configuration = MergedConfig(
        values={"server.port": 80},
        blocks=(
            socket("[::]:80"),
            socket(":443", ssl_engine="enable"),
            socket("0.0.0.0:80"),
            socket("/run/x.sock"),
            Block(values={}, conditions=(Condition('$HTTP["host"]', "==", "a"),)),
        ),
    )
    assert base_urls(configuration) == ("http://127.0.0.1:80", "http://[::1]:80", "https://127.0.0.1:443")


@pytest.mark.parametrize(
    ("host", "source"),
    [("127.0.0.1", "127.0.0.1"), ("192.0.2.1", "127.0.0.1"), ("::1", "::1"), ("www.example.org", None)],
)
def test_lighttpd_sees_a_client_of_this_machine(host: str, source: str | None) -> None:
    assert loopback_source(host) == source
