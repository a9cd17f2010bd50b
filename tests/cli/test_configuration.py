"""lighttpd's configuration of a development session: what each option brings, and names it cannot hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from luagen.dev.configuration import Site, render
from luagen.dev.upstream import Upstream
from luagen.failure import Failure

FILES = Site(port=8080, root=Path("/srv/site"), upstream=None, php_socket=None)
PHP = Site(port=8080, root=Path("/srv/site"), upstream=None, php_socket=Path("/run/s/php.sock"))
PROXY = Site(
    port=8080, root=Path("/srv/site"), upstream=Upstream("::1", 3000), php_socket=Path("/run/s/php.sock")
)

MODULES = ("mod_cgi", "mod_proxy", '".php" =>')


@pytest.mark.parametrize(
    ("site", "present"), [(FILES, ["mod_cgi"]), (PHP, ["mod_cgi", '".php" =>']), (PROXY, ["mod_proxy"])]
)
def test_a_site_has_what_it_needs(site: Site, present: list[str]) -> None:
    text = render(site, directory=Path("/run/s"), requests=Path("/run/s/requests"))
    assert [module for module in MODULES if module in text] == present
    # whatever else is loaded comes after lightgate's own modules
    assert text.index('include "/run/s/current/lightgate.conf"') < text.index("server.modules")
    assert 'server.bind          = "127.0.0.1"\n' in text


def test_names_are_quoted_for_shell_and_lighttpd() -> None:
    text = render(
        Site(port=1, root=Path('/srv/a "b" c'), upstream=None, php_socket=None),
        directory=Path("/run/s"),
        requests=Path("/run/it's/requests"),
    )
    assert 'server.document-root = "/srv/a \\"b\\" c"\n' in text
    assert """accesslog.filename  = "|exec cat > '/run/it'\\"'\\"'s/requests'"\n""" in text


@pytest.mark.parametrize("name", ["a\\b", "a\nb", "a\x00b"])
def test_a_name_that_lighttpd_reads_differently_is_refused(name: str) -> None:
    site = Site(port=1, root=Path("/srv") / name, upstream=None, php_socket=None)
    with pytest.raises(Failure) as caught:
        render(site, directory=Path("/run/s"), requests=Path("/run/s/requests"))
    assert caught.value.message == f"lighttpd's configuration cannot hold the name {f'/srv/{name}'!r}"
