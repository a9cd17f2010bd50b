"""Installations for the tests of host commands."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.site import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """An installation in which nothing runs and no release is in force."""
    with tempfile.TemporaryDirectory(prefix="lgh", dir="/tmp") as name:
        site = Site(Path(name))
        site.port = 1  # nobody listens there
        site.write_lighttpd_config()
        yield site
        site.stop()


@pytest.fixture
def running(site: Site) -> Site:
    """One that serves a release of `site.POLICY`."""
    done = site.deploy(None, "--offline")
    assert done.status == 0, done.err
    site.start()
    return site
