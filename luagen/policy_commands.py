"""`lightgate test`, `diff` and `schema`: what a policy does, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click

from luagen import explanation, policy_diff, policy_tests, render
from luagen.check import check_file
from luagen.diagnostics import Severity
from luagen.diagnostics_output import show_diagnostics
from luagen.json_schema import policy_schema
from luagen.model import Policy

EXIT_UNFIT = 1

PATH = click.Path(path_type=Path)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")


def valid_policies(*paths: Path, as_json: bool) -> list[Policy]:
    """The policies, or the end of the command with the errors that they have; warnings are for `check`."""
    results = [check_file(path) for path in paths]
    errors = tuple(one for _, found in results for one in found if one.severity is Severity.ERROR)
    if errors:
        if as_json:
            diagnostics = [render.as_json(one) for one in errors]
            click.echo(json.dumps({"ok": False, "diagnostics": diagnostics}, indent=2))
        else:
            show_diagnostics(errors)
        raise click.exceptions.Exit(EXIT_UNFIT)
    return [policy for policy, _ in results if policy is not None]


# --- test ----------------------------------------------------------------------------------------------


@click.command("test", short_help="Run the tests that a policy has.")
@click.argument("path", type=PATH, default=Path("lightgate.toml"), metavar="[POLICY]")
@click.option("-k", "names", metavar="TEXT", help="Only the tests with TEXT in their name.")
@click.option("--coverage", is_flag=True, help="List what no test has tried.")
@JSON
def test(path: Path, names: str | None, coverage: bool, as_json: bool) -> None:
    """Run the [[test]] tables of POLICY (lightgate.toml when it is not given).

    Each request is decided by the meaning of the policy and by the Lua that is made of it. Exit code 1 when a
    test fails, or there is none.

    \b
    Examples:
      lightgate test
      lightgate test lightgate.toml -k members --coverage
    """
    [policy] = valid_policies(path, as_json=as_json)
    covered = policy_tests.Coverage(policy)
    results = []
    for result in policy_tests.run(policy, names):
        covered.add(result.decided)
        results.append(result)
    failed = [result for result in results if not result.passed]
    if as_json:
        click.echo(json.dumps(_test_report(path, results, covered), indent=2))
    else:
        for result in failed:
            _show_failure(path, result)
        if coverage:
            for gap in covered.gaps():
                click.echo(f"{path}:{gap.line}: {_gap(gap)}")
        seen, possible = covered.figures()
        verdict = f"{len(failed)} failed" if failed else "all passed" if results else "none ran"
        of_all = f", {seen} of {possible} outcomes of rules and their parts seen" if possible else ""
        click.echo(f"{path}: {len(results)} test{'' if len(results) == 1 else 's'}, {verdict}{of_all}")
    if failed or not results:
        raise click.exceptions.Exit(EXIT_UNFIT)


def _show_failure(path: Path, result: policy_tests.TestResult) -> None:
    click.echo(click.style(f"{path}:{result.test.span.line}: {result.test.name}", fg="red", bold=True))
    for mismatch in result.mismatches:
        click.echo(f"  {mismatch.what}")
        click.echo(click.style(f"    - {mismatch.expected}", fg="green") + "  expected")
        click.echo(click.style(f"    + {mismatch.got}", fg="red") + "  got")
    click.echo(f'  decided by "{result.decided.decision.rule}": {result.decided.decision.outcome}')
    click.echo()


def _gap(gap: policy_tests.Gap) -> str:
    subject = f'rule "{gap.rule}"' if gap.text is None else f'`{gap.text}` of rule "{gap.rule}"'
    return f"{subject} was never {gap.never}"


def _test_report(
    path: Path, results: list[policy_tests.TestResult], covered: policy_tests.Coverage
) -> dict[str, object]:
    seen, possible = covered.figures()
    return {
        "ok": bool(results) and all(result.passed for result in results),
        "policy": str(path),
        "tests": [
            {
                "name": result.test.name,
                "line": result.test.span.line,
                "passed": result.passed,
                "mismatches": [
                    {"what": one.what, "expected": one.expected, "got": one.got} for one in result.mismatches
                ],
                "decision": explanation.decision_json(result.decided.decision),
            }
            for result in results
        ],
        "coverage": {
            "seen": seen,
            "possible": possible,
            "gaps": [
                {"rule": gap.rule, "line": gap.line, "part": gap.text, "never": gap.never}
                for gap in covered.gaps()
            ],
        },
    }


# --- diff ----------------------------------------------------------------------------------------------


@click.command("diff", short_help="Say what differs between two policies.")
@click.argument("before", type=PATH)
@click.argument("after", type=PATH)
@click.option(
    "--exit-code", "tells", is_flag=True, help="Exit with 1 when something differs, as `git diff` does."
)
@JSON
def diff(before: Path, after: Path, tells: bool, as_json: bool) -> None:
    """Say what differs between the policies BEFORE and AFTER, by meaning and not by spelling.

    Then which requests of their [[test]] tables the two decide differently.

    \b
    Examples:
      lightgate diff /etc/lightgate/lightgate.toml lightgate.toml
      git show HEAD:lightgate.toml >before.toml && lightgate diff before.toml lightgate.toml
    """
    old, new = valid_policies(before, after, as_json=as_json)
    found = policy_diff.compare(old, new)
    decisions = list(policy_diff.decisions(old, new))
    if as_json:
        click.echo(json.dumps(_diff_report(found, decisions), indent=2))
    else:
        for line in _diff_lines(found, decisions):
            click.echo(line)
    if tells and (found or decisions):
        raise click.exceptions.Exit(EXIT_UNFIT)


_COLORS = {"+": "green", "-": "red", "~": "yellow", ">": "cyan"}
_WORDS = {"+": "added", "-": "removed", "~": "changed", ">": "moved"}


def _diff_lines(
    found: list[policy_diff.Difference], decisions: list[policy_diff.OtherDecision]
) -> Iterable[str]:
    for one in found:
        mark = one.kind.value
        yield click.style(f"{mark} {one.part}  {_WORDS[mark]}", fg=_COLORS[mark], bold=True)
        for detail in one.details:
            if detail.before is not None:
                yield click.style(f"    - {detail.name}  {detail.before}", fg="red")
            if detail.after is not None:
                yield click.style(f"    + {detail.name}  {detail.after}", fg="green")
    for other in decisions:
        yield click.style(f'! test "{other.test}" is decided differently', fg="magenta", bold=True)
        for sign, decision, color in (("-", other.before, "red"), ("+", other.after, "green")):
            yield click.style(
                f'    {sign} {decision.outcome} with {decision.status} by "{decision.rule}"', fg=color
            )
    if not found and not decisions:
        yield "no differences"


def _diff_report(
    found: list[policy_diff.Difference], decisions: list[policy_diff.OtherDecision]
) -> dict[str, object]:
    return {
        "differences": [
            {
                "kind": _WORDS[one.kind.value],
                "part": one.part,
                "details": [
                    {"name": detail.name, "before": detail.before, "after": detail.after}
                    for detail in one.details
                ],
            }
            for one in found
        ],
        "decisions": [
            {
                "test": one.test,
                "before": explanation.decision_json(one.before),
                "after": explanation.decision_json(one.after),
            }
            for one in decisions
        ],
    }


# --- schema --------------------------------------------------------------------------------------------


@click.command("schema", short_help="Print a JSON Schema of policies, for editors.")
def schema() -> None:
    """Print a JSON Schema (2020-12) of the policy file, for editors with a TOML language server.

    \b
    Examples:
      lightgate schema > lightgate.schema.json
      sed -i '1i #:schema ./lightgate.schema.json' lightgate.toml
    """
    click.echo(json.dumps(policy_schema(), indent=2))
