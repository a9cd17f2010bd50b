from __future__ import annotations

import pytest

from sidecar.fastcgi.records import ProtocolError, pair
from sidecar.request import Request, from_params
from tests.sidecar.fastcgi_client import deferral, params


def test_takes_what_is_needed() -> None:
    request = from_params(params(deferral("Bearer x", HTTP_ACCEPT="text/html")))
    assert request == Request(
        release="r1",
        nonce="12.34.56",
        ask=frozenset({"identity"}),
        authorization=b"Bearer x",
        accept=b"text/html",
        method="GET",
        host="shop.example",
        path="/members/",
        remote_addr="192.0.2.7",
    )


def test_a_client_cannot_pose_as_lua() -> None:
    """Its fields always have HTTP_ before them."""
    request = from_params(
        params(
            {"HTTP_LIGHTGATE_RELEASE": "r1", "HTTP_LIGHTGATE_NONCE": "1", "HTTP_LIGHTGATE_ASK": "identity"}
        )
    )
    assert not request.is_deferral


@pytest.mark.parametrize("value", ["", "a b", "a\r\nStatus: 200", "\x7f", "é", "n" * 129])
def test_release_and_nonce_are_one_word(value: str) -> None:
    assert from_params(params(deferral(None, LIGHTGATE_NONCE=value))).nonce == ""
    assert from_params(params(deferral(None, LIGHTGATE_RELEASE=value))).release == ""


def test_a_repeated_field_does_not_hide() -> None:
    stream = params(deferral("Bearer good")) + pair(b"HTTP_AUTHORIZATION", b"Bearer evil")
    assert from_params(stream).authorization == b"Bearer good, Bearer evil"


def test_a_cut_stream_is_refused() -> None:
    with pytest.raises(ProtocolError):
        from_params(params(deferral(None))[:-1])
