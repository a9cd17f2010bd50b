from __future__ import annotations

from collections.abc import Iterator

import pytest

from luagen.lua.host import LUA_VERSIONS, Clock, Host


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=LUA_VERSIONS)
def host(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Host]:
    yield Host(request.param, clock)
