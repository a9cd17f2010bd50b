"""The compiler and its runtime against CPython and the reference: for every request, the same decision.

Three ways to one decision: CPython evaluates the policy's own text (`oracle.py`), the reference plays the
model, and the emitted scripts run under every version of Lua. A request with a caller is decided twice by the
scripts: once with the sidecar asked, so that Lua resumes, and once from the verdict that it then remembers.
"""

from __future__ import annotations

import multiprocessing
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, note, seed
from hypothesis.errors import HypothesisWarning

import luagen.dispatch
from luagen.check import check_text
from luagen.decide import DEPLOYMENT
from luagen.lua.host import LUA_VERSIONS
from luagen.lua.server import Server
from luagen.reference.decision import differences
from luagen.reference.play import Player
from luagen.release import build_release
from tests.differential.cases import Exchange, describe, dump, load
from tests.differential.conftest import PROFILE, REQUESTS, SHARDS
from tests.differential.oracle import Oracle
from tests.differential.strategies import Example, examples

CASES = Path(__file__).parents[1] / "cases"
WORKERS = 2


@pytest.mark.timeout(3600)
def test_all_decide_alike(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        results = list(pool.map(_shard, range(SHARDS)))
    failures = [failure for _, failure in results if failure]
    with capsys.disabled():
        pairs = sum(pairs for pairs, _ in results)
        print(f"\n{pairs} pairs of policy and request, under {len(LUA_VERSIONS)} Luas")
    assert not failures, failures[0]


def _shard(number: int) -> tuple[int, str]:
    """Draws and tries one part of the examples: how many pairs it tried, and what failed."""
    pairs = 0
    warnings.simplefilter("ignore", HypothesisWarning)  # strategies this large have a long name

    @seed(number)
    @PROFILE
    @given(examples(REQUESTS))
    def try_example(example: Example) -> None:
        nonlocal pairs
        oracle = Oracle(example.policy)
        exchanges = [Exchange(request, describe(oracle.decide(request))) for request in example.requests]
        note(f"as a file for tests/cases/:\n{dump(example.policy, exchanges)}")
        check(example.policy, exchanges)
        pairs += len(exchanges)

    try:
        try_example()
    except Exception:
        return pairs, traceback.format_exc()
    return pairs, ""


@pytest.mark.parametrize("case", sorted(CASES.glob("*.case")), ids=lambda path: path.stem)
def test_case(case: Path) -> None:
    policy, exchanges = load(case.read_text())
    assert exchanges, "a case without requests shows nothing"
    oracle = Oracle(policy)
    for exchange in exchanges:
        assert describe(oracle.decide(exchange.request)) == exchange.decision
    check(policy, exchanges)


def check(text: str, exchanges: list[Exchange]) -> None:
    """Holds reference and scripts against decisions, on one server for all requests."""
    policy, diagnostics = check_text(text, "policy.toml", Path())
    assert policy is not None, [(one.message, one.help) for one in diagnostics]
    player = Player(policy)
    foretold = [player.play(exchange.request).decision for exchange in exchanges]
    for exchange, decision in zip(exchanges, foretold, strict=True):
        assert describe(decision) == exchange.decision, ("reference", exchange.request)
    # With and without an index of its rules, for which drawn policies have too few.
    releases = [build_release(policy, DEPLOYMENT)]
    with patch.object(luagen.dispatch, "MIN_RULES", 1):
        releases.append(build_release(policy, DEPLOYMENT))
    # What a server counts makes the same request another one when it comes again.
    counts = any(rule.action.key in ("limit", "log") for rule in policy.all_rules())
    for number, version in enumerate(LUA_VERSIONS):
        server = Server(releases[number % 2], version)
        for exchange, decision in zip(exchanges, foretold, strict=True):
            answer = server.decide(exchange.request)
            found = differences(decision, answer.decision)
            assert not found, (version, found, describe(answer.decision), exchange.decision, exchange.request)
            if answer.deferrals and not counts:
                again = server.decide(exchange.request)
                assert again.deferrals == 0, "the verdict was not remembered"
                assert not differences(decision, again.decision), (version, "again", exchange.request)
