"""`--upstream`: which URLs are one, and what is said about the others."""

from __future__ import annotations

import pytest

from luagen.dev.upstream import Upstream


@pytest.mark.parametrize(
    ("url", "expected", "authority"),
    [
        ("http://127.0.0.1:3000", Upstream("127.0.0.1", 3000), "127.0.0.1:3000"),
        ("http://localhost/", Upstream("localhost", 80), "localhost:80"),
        ("http://[::1]:3000", Upstream("::1", 3000), "[::1]:3000"),
    ],
)
def test_an_upstream(url: str, expected: Upstream, authority: str) -> None:
    assert Upstream.parse(url) == expected
    assert expected.authority == authority


HTTPS = "is https, and lighttpd's mod_proxy speaks only http: name the origin's http port"
NO_URL = "is not a URL such as http://127.0.0.1:3000"
MORE = "has more than scheme, host and port: requests keep their own path at the upstream"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://127.0.0.1:3000", HTTPS),
        ("127.0.0.1:3000", NO_URL),
        ("ftp://host", NO_URL),
        ("http://", NO_URL),
        ("http://host:99999", NO_URL),
        ("http://host/app", MORE),
        ("http://user@host", MORE),
    ],
)
def test_what_is_no_upstream(url: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Upstream.parse(url)
    assert str(caught.value) == f"`{url}` {message}"
