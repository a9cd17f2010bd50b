"""The compiler and its runtime against CPython: for every policy and request, the same decision.

Every example runs under every Lua version. A request with a caller is decided twice: once with the sidecar
asked, so that Lua resumes, and once from the verdict that it then remembers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, note

from tests.differential.cases import Exchange, describe, dump, load
from tests.differential.conftest import PROFILE
from tests.differential.oracle import Oracle
from tests.differential.play import Server, compile_text
from tests.differential.strategies import Example, examples
from tests.lua.host import LUA_VERSIONS

CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.timeout(3600)
@PROFILE
@given(examples())
def test_lua_decides_as_python(example: Example) -> None:
    oracle = Oracle(example.policy)
    exchanges = [
        Exchange(request, caller, describe(oracle.decide(request, caller)))
        for request, caller in example.exchanges
    ]
    note(f"as a file for tests/cases/:\n{dump(example.policy, exchanges)}")
    check(example.policy, exchanges)


@pytest.mark.parametrize("case", sorted(CASES.glob("*.case")), ids=lambda path: path.stem)
def test_case(case: Path) -> None:
    policy, exchanges = load(case.read_text())
    assert exchanges, "a case without requests shows nothing"
    oracle = Oracle(policy)
    for exchange in exchanges:
        assert describe(oracle.decide(exchange.request, exchange.caller)) == exchange.decision
    check(policy, exchanges)


def check(policy: str, exchanges: list[Exchange]) -> None:
    release = compile_text(policy)
    for version in LUA_VERSIONS:
        server = Server(release, version)
        for exchange in exchanges:
            if exchange.caller:
                server = Server(release, version)  # that has not heard of the caller yet
            for turn in ("first", "again"):
                played = server.decide(exchange.request, exchange.caller)
                if "\nbody: " not in exchange.decision:
                    played.decision.body = None  # the runtime's own text
                assert describe(played.decision) == exchange.decision, (version, turn, exchange.request)
                assert turn == "first" or played.deferrals == 0, "the verdict was not remembered"
