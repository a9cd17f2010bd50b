"""`lightgate explain`, `test`, `diff` and `schema`: what a policy does, without a server."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from luagen import explanation, given_request, policy_diff, policy_tests
from luagen.check import check_file
from luagen.decide import Decider
from luagen.diagnostics import Severity
from luagen.diagnostics_output import show_diagnostics
from luagen.failure import Failure
from luagen.json_schema import policy_schema
from luagen.model import Policy, SampleCaller, SampleRequest
from luagen.reference.sample import request_of

EXIT_UNFIT = 1

_PATH = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
_MAX_WIDTH = 120


def _policy(path: Path) -> Policy:
    """The policy, its errors shown; warnings are for `check`."""
    policy, diagnostics = check_file(path)
    if policy is None:
        show_diagnostics(tuple(one for one in diagnostics if one.severity is Severity.ERROR))
        raise click.exceptions.Exit(EXIT_UNFIT)
    return policy


# --- explain -------------------------------------------------------------------------------------------


@click.command(short_help="Say why a request would be decided as it is.")
@click.argument("method")
@click.argument("url")
@click.option(
    "-p",
    "--policy",
    "path",
    type=_PATH,
    default=Path("lightgate.toml"),
    show_default=True,
    help="The policy.",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header field.")
@click.option("--ip", default="192.0.2.1", show_default=True, metavar="ADDRESS", help="The client's address.")
@click.option("--country", default="", metavar="CC", help="The client's country.")
@click.option(
    "--http-version",
    type=click.Choice(["1.0", "1.1", "2"]),
    default="1.1",
    show_default=True,
    help="Of HTTP.",
)
@click.option(
    "--content-length", type=click.IntRange(-1), default=0, metavar="N", help="Of the body; -1: chunked."
)
@click.option("--now", "when", metavar="TIME", help="When it arrives: 2026-12-24T18:00:00Z.  [default: now]")
@click.option(
    "--identity", type=click.File(), metavar="FILE", help="Who calls, as JSON; `-`: standard input."
)
@click.option("--token", metavar="TOKEN|@FILE", help="Who calls, by a JWT, which is not verified.")
@click.option(
    "--origin-status",
    type=click.IntRange(200, 599),
    default=200,
    metavar="N",
    help="What the application answers.",
)
@_JSON
def explain(
    method: str,
    url: str,
    path: Path,
    headers: tuple[str, ...],
    ip: str,
    country: str,
    http_version: str,
    content_length: int,
    when: str | None,
    identity: TextIO | None,
    token: str | None,
    origin_status: int,
    as_json: bool,
) -> None:
    """Say why a request would be decided as it is: every rule it meets, what its condition saw, what it did.

    Decided twice, by the meaning of the policy and by the Lua that is made of it. No server is asked.

    \b
    Examples:
      lightgate explain GET https://shop.example.org/members/
      lightgate explain GET /members/ -p lightgate.toml --token @token.jwt
      echo '{"sub": "alice", "roles": ["admin"]}' | lightgate explain POST /api/ --identity -
    """
    if identity is not None and token is not None:
        raise click.UsageError("--identity and --token exclude each other: a request has one caller")
    policy = _policy(path)
    with _meant_for("--now"):
        now = int(time.time()) if when is None else given_request.moment(when)
    caller, remarks = _caller(policy, identity, token, now)
    with _meant_for("--ip"):
        ip = given_request.address(ip)
    with _meant_for("--header"):
        fields = tuple(map(given_request.header, headers))
    with _meant_for("URL"):
        url = given_request.url_of(url)
    sample = SampleRequest(
        method=method, url=url, http_version=http_version, headers=fields, ip=ip, country=country,
        content_length=content_length, now=now, variables=(), caller=caller, origin_status=origin_status,
    )  # fmt: skip
    request = request_of(sample, policy.country)
    if country and policy.country is None:
        remarks += ("the policy has no [country] table: --country changes nothing",)
    decided = Decider(policy).decide(request)
    if as_json:
        report = explanation.as_json(policy, request, decided) | {"remarks": remarks}
        click.echo(json.dumps(report, indent=2))
        return
    width = min(shutil.get_terminal_size((100, 24)).columns, _MAX_WIDTH)
    for line in explanation.as_text(policy, request, decided, width):
        click.echo(line)
    for remark in remarks:
        click.echo(f"note: {remark}", err=True)


@contextmanager
def _meant_for(parameter: str) -> Iterator[None]:
    """What is wrong with a value, as a mistake in this option or argument."""
    try:
        yield
    except ValueError as error:
        reason = "the file is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise click.BadParameter(reason, param_hint=parameter) from error


def _caller(
    policy: Policy, identity: TextIO | None, token: str | None, now: int
) -> tuple[SampleCaller | None, tuple[str, ...]]:
    if identity is not None:
        with _meant_for("--identity"):
            return given_request.caller_of(identity.read(), policy), ()
    if token is None:
        return None, ()
    if token.startswith("@"):
        file = Path(token[1:])
        try:
            token = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"cannot read `{file}`: {error}") from error
    with _meant_for("--token"):
        found = given_request.presented(token.strip().removeprefix("Bearer "), policy, now)
    return found.caller, found.remarks


# --- test ----------------------------------------------------------------------------------------------


@click.command("test", short_help="Run the tests that a policy has.")
@click.argument("path", type=_PATH, default=Path("lightgate.toml"), metavar="[POLICY]")
@click.option("-k", "names", metavar="TEXT", help="Only the tests with TEXT in their name.")
@click.option("--coverage", is_flag=True, help="List what no test has tried.")
@_JSON
def test(path: Path, names: str | None, coverage: bool, as_json: bool) -> None:
    """Run the [[test]] tables of POLICY (lightgate.toml when it is not given).

    Each request is decided by the meaning of the policy and by the Lua that is made of it. Exit code 1 when a
    test fails, or there is none.

    \b
    Examples:
      lightgate test
      lightgate test lightgate.toml -k members --coverage
    """
    policy = _policy(path)
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
@click.argument("before", type=_PATH)
@click.argument("after", type=_PATH)
@click.option(
    "--exit-code", "tells", is_flag=True, help="Exit with 1 when something differs, as `git diff` does."
)
@_JSON
def diff(before: Path, after: Path, tells: bool, as_json: bool) -> None:
    """Say what differs between the policies BEFORE and AFTER, by meaning and not by spelling.

    Then which requests of their [[test]] tables the two decide differently.

    \b
    Examples:
      lightgate diff /etc/lightgate/lightgate.toml lightgate.toml
      git show HEAD:lightgate.toml >before.toml && lightgate diff before.toml lightgate.toml
    """
    old, new = _policy(before), _policy(after)
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
