"""The cases of tests/cases/ notice when generated code is wrong: each mutation of it must change a decision.

Mutations are those that a slip in the compiler would make: another operator, a rule or a check left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from luagen.release import Release
from tests.differential.cases import Exchange, describe, load
from tests.differential.play import Server, compile_text
from tests.differential.test_differential import CASES

CHECK = "    if q.stop then return q.stop end\n"

MUTATIONS = [
    ("and for or", r" and ", " or "),
    ("or for and", r" or (?!\w+\(q\)|nothing)", " and "),
    ("not dropped", r"\bnot (?!binds)", ""),
    ("equality inverted", r" == (?!true)", " ~= "),
    ("inequality inverted", r" ~= ", " == "),
    ("order turned", r" > ", " < "),
    ("order made strict", r" <= ", " < "),
    ("check of q.stop dropped", re.escape(CHECK), ""),
    ("clean dropped", r"\bclean\(q, ", "(q and "),
    ("encode dropped", r"\bencode\(", "("),
    ("prefix one byte short", r"(\bsub\([^()]*(?:\([^()]*\))?[^()]*, 1, )(\d+)\)", r"\g<1>(\g<2> - 1))"),
    ("suffix one byte short", r"(\bsub\([^()]*(?:\([^()]*\))?[^()]*, -)(\d+)\)", r"\g<1>(\g<2> - 1))"),
    ("plain search turned to patterns", r", 1, true\)", ", 1)"),
    ("empty text true", r"\bfilled\(", "("),
    ("permission forgotten", r"\n    permit\(q, \d+\)", ""),
    ("identity not required", r"\n    if refusal then return refusal end", ""),
    ("that not required", r"\n    if [^\n]* then return forbid\([^\n]*", ""),
    ("condition ignored", r"\n    if [^\n]* then return nil end", ""),
    ("another header field", r'(set_(?:request|response)_header\(q, ")', r"\g<1>Z-"),
    ("variable not set", r"\n    set_env\([^\n]*", ""),
    ("rule dropped", r"  function\(q\)\n.*?\n  end,", "  function() return nil end,"),
]


def _mutants(release: Release, pattern: str, replacement: str) -> Iterator[Release]:
    """Releases that differ from one in a single place of their rules."""
    script = release.files["request.lua"].decode()
    start, end = script.index("\ngate.rules = {"), script.index("\ngate.names = {")
    for found in re.finditer(pattern, script[start:end], re.DOTALL):
        mutated = script[: start + found.start()] + found.expand(replacement) + script[start + found.end() :]
        yield replace(release, files={**release.files, "request.lua": mutated.encode()})


def _is_noticed(release: Release, exchanges: list[Exchange]) -> bool:
    server = Server(release, "lua54")
    for exchange in exchanges:
        if exchange.caller:
            server = Server(release, "lua54")  # that has not heard of the caller yet
        try:
            decision = server.decide(exchange.request, exchange.caller).decision
        except Exception:
            return True
        if "\nbody: " not in exchange.decision:
            decision.body = None
        if describe(decision) != exchange.decision:
            return True
    return False


@pytest.mark.parametrize(
    ("pattern", "replacement"), [pytest.param(*rest, id=name) for name, *rest in MUTATIONS]
)
def test_mutation_is_noticed(pattern: str, replacement: str) -> None:
    tried = noticed = 0
    for case in sorted(CASES.glob("*.case")):
        policy, exchanges = load(case.read_text())
        for mutant in _mutants(compile_text(policy), pattern, replacement):
            tried += 1
            noticed += _is_noticed(mutant, exchanges)
    assert tried > 0, "the cases have nothing of the kind"
    assert noticed > 0
