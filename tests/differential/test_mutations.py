"""The cases of tests/cases/ notice when generated code is wrong: each mutation of it must change a decision.

Mutations are those that a slip in the compiler would make: another operator, a rule or a check left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from luagen.check import check_text
from luagen.decide import DEPLOYMENT
from luagen.lua.server import Server
from luagen.reference.decision import Decision, differences
from luagen.reference.play import Player
from luagen.reference.request import Request
from luagen.release import Release, build_release
from tests.differential.cases import load
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
    ("absent claim counts", r'claim\(q, \d+, "[^"]*", "\w+"\) ~= nil\s+and ', ""),
    ("claim of another type", r'(claim\(q, \d+, "[^"]*", )"string"', r'\g<1>"integer"'),
    ("every for any", r"\btexts\.any\(", "texts.every("),
    ("any for every", r"\btexts\.every\(", "texts.any("),
    ("upper for lower", r"\btexts\.lower\(", "texts.upper("),
    ("one place further", r"(\btexts\.item_of_\w+\([^\n]*, )(\d+)\)", r"\g<1>\g<2> + 1)"),
    ("plus for minus", r" - ", " + "),
    ("group not read", r"q\.groups[^\s,).]*", '""'),
    ("origin not chosen", r"\n    choose_origin\([^\n]*", ""),
    ("not rewritten", r"\n    local refusal = rewrite\([^\n]*\n[^\n]*", ""),
    ("not limited", r"\n    local refusal = limit\([^\n]*\n[^\n]*", ""),
    ("no stand-in", r"\n    fall_back\([^\n]*", ""),
    ("response not changed", r"\n    (?:set|add|remove)_response_\w+\([^\n]*", ""),
    ("field not added", r"\n    add_request_header\([^\n]*", ""),
    ("not logged", r"\n    log\([^\n]*", ""),
    ("rule dropped", r"  function\(q\)\n.*?\n  end,", "  function() return nil end,"),
]


def _mutants(release: Release, pattern: str, replacement: str) -> Iterator[Release]:
    """Releases that differ from one in a single place of their rules."""
    script = release.files["request.lua"].decode()
    start, end = script.index("\ngate.rules = {"), script.index("\ngate.names = {")
    for found in re.finditer(pattern, script[start:end], re.DOTALL):
        mutated = script[: start + found.start()] + found.expand(replacement) + script[start + found.end() :]
        yield replace(release, files={**release.files, "request.lua": mutated.encode()})


def _is_noticed(mutant: Release, foretold: list[tuple[Request, Decision]]) -> bool:
    server = Server(mutant)
    for request, decision in foretold:
        try:
            made = server.decide(request).decision
        except Exception:
            return True
        if differences(decision, made):
            return True
    return False


@cache
def _cases() -> list[tuple[Release, list[tuple[Request, Decision]]]]:
    found = []
    for case in sorted(CASES.glob("*.case")):
        text, exchanges = load(case.read_text())
        policy, _ = check_text(text, "policy.toml", Path())
        assert policy is not None
        player = Player(policy)
        foretold = [(exchange.request, player.play(exchange.request).decision) for exchange in exchanges]
        found.append((build_release(policy, DEPLOYMENT), foretold))
    return found


@pytest.mark.parametrize(
    ("pattern", "replacement"), [pytest.param(*rest, id=name) for name, *rest in MUTATIONS]
)
def test_mutation_is_noticed(pattern: str, replacement: str) -> None:
    tried = noticed = 0
    for release, foretold in _cases():
        for mutant in _mutants(release, pattern, replacement):
            tried += 1
            noticed += _is_noticed(mutant, foretold)
    assert tried > 0, "the cases have nothing of the kind"
    assert noticed > 0
