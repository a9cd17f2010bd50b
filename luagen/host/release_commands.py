"""`lightgate deploy`, `rollback`, `releases`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from luagen import compile_policy, policy_tests, render
from luagen.artifacts import UnsafePathError
from luagen.check_report import summary
from luagen.compilation import Compilation
from luagen.diagnostics_output import show_diagnostics
from luagen.failure import Failure
from luagen.host import clock, file_errors
from luagen.host.deploy import WARNING, Deployer, Outcome
from luagen.host.option import EXIT_UNFIT, host_option
from luagen.host.release_store import ReleaseStore, Stored
from luagen.host.settings import HostSettings

_COMMENT = click.option("--comment", default="", metavar="TEXT", help="Why; kept with the release.")
_OFFLINE = click.option(
    "--offline",
    is_flag=True,
    help="Test, tell and ask no running service: for images and first installations.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")


@click.command(short_help="Put a policy in force on this host.")
@click.argument("policy", type=click.Path(path_type=Path), required=False)
@_COMMENT
@_OFFLINE
@_JSON
@host_option
def deploy(policy: Path | None, comment: str, offline: bool, as_json: bool, settings: HostSettings) -> None:
    """Put POLICY in force on this host, or say why it is not.

    Checks and compiles it, lets lighttpd try it where nobody sees it, makes it the release in force, tells
    lighttpd and the sidecar what they do not notice by themselves, and asks for it through lighttpd. When
    it does not answer, the release before is put in force again. Without POLICY it takes the host file's, or
    /etc/lightgate/lightgate.toml.

    \b
    Examples:
      sudo lightgate deploy
      sudo lightgate deploy --comment "members area for staff"
      sudo lightgate deploy shop.toml --json | jq .release
    """
    report = _Report(as_json)
    path = policy or settings.policy

    def run() -> Outcome:
        try:
            compilation = compile_policy(path, settings.deployment())
        except UnsafePathError as error:
            raise Failure(str(error), "it comes from the host file") from error
        report.check(compilation)
        if compilation.release is None or compilation.policy is None:
            raise click.exceptions.Exit(EXIT_UNFIT)
        report.step("check", f"{path}: {'; '.join(summary(compilation.policy))}")
        if compilation.policy.tests:
            report.step("tests", policy_tests.all_pass(compilation.policy, path))
        report.step("build", f"release {compilation.release.id}")
        deployer = Deployer(settings, report.step, comment=comment, offline=offline)
        return deployer.deploy(compilation.release, compilation.policy)

    report.finish(run, settings)


@click.command(short_help="Go back to an earlier release.")
@click.argument("release", metavar="[ID]", required=False)
@_COMMENT
@_OFFLINE
@_JSON
@host_option
def rollback(release: str | None, comment: str, offline: bool, as_json: bool, settings: HostSettings) -> None:
    """Put an earlier release in force again: the one before, or the one whose id begins with ID.

    Goes the way of `lightgate deploy` from where lighttpd tries the release. Without ID a second rollback
    goes one further back. To go forward again, name the release, or deploy.

    \b
    Examples:
      sudo lightgate rollback
      sudo lightgate rollback 3f2a --comment "logins fail"
    """
    report = _Report(as_json)
    deployer = Deployer(settings, report.step, comment=comment, offline=offline)
    report.finish(lambda: deployer.rollback(release), settings)


@click.command(short_help="List the releases on this host.")
@_JSON
@host_option
def releases(as_json: bool, settings: HostSettings) -> None:
    """List the releases on this host, the latest deployed first; `*` marks the one in force.

    \b
    Examples:
      lightgate releases
      lightgate releases --json | jq -r .in_force
    """
    store = ReleaseStore(settings.state_directory)
    try:
        in_force, previous, stored = store.in_force(), store.one_before(), store.stored()
    except OSError as error:
        raise file_errors.failure(error, f"read `{settings.releases}`") from error
    if as_json:
        click.echo(
            json.dumps(
                {
                    "in_force": in_force,
                    "previous": previous,
                    "releases": [_as_json(one, in_force) for one in stored],
                },
                indent=2,
            )
        )
    elif not stored:
        click.echo("no releases yet: lightgate deploy")
    else:
        rows: list[tuple[str, ...]] = [("", "release", "when", "who", "lightgate", "policy", "comment")]
        rows += [_row(one, in_force) for one in stored]
        _table(rows)


class _Report:
    """What a command tells: lines as it goes, or one JSON object at its end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._steps: list[dict[str, str]] = []
        self._diagnostics: list[dict[str, object]] = []

    def check(self, compilation: Compilation) -> None:
        if self._as_json:
            self._diagnostics = [dict(render.as_json(one)) for one in compilation.diagnostics]
        else:
            show_diagnostics(compilation.diagnostics)

    def step(self, name: str, said: str) -> None:
        self._steps.append({"step": name, "said": said})
        if not self._as_json:
            if name == WARNING:
                click.echo(f"warning: {said}", err=True)
            else:
                click.echo(f"{name:<9} {said}")

    def finish(self, run: Callable[[], Outcome], settings: HostSettings) -> None:
        """Runs the command; with --json, says how it ended whatever happens."""
        try:
            outcome = run()
        except (Failure, click.exceptions.Exit) as error:
            if not self._as_json:
                raise
            failure = error if isinstance(error, Failure) else None
            self._print(
                ok=False,
                in_force=ReleaseStore(settings.state_directory).in_force(),
                error=None if failure is None else {"message": failure.message, "help": failure.help},
            )
            raise click.exceptions.Exit(EXIT_UNFIT) from error
        if self._as_json:
            self._print(
                ok=True,
                release=outcome.release,
                previous=outcome.previous,
                in_force=outcome.release,
                error=None,
            )
        elif outcome.previous == outcome.release:
            click.echo(f"release {outcome.release} is in force, as before")
        else:
            click.echo(f"release {outcome.release} is in force")

    def _print(self, **fields: object) -> None:
        click.echo(json.dumps({**fields, "steps": self._steps, "diagnostics": self._diagnostics}, indent=2))


def _as_json(stored: Stored, in_force: str | None) -> dict[str, object]:
    record = stored.record
    return {
        "release": stored.release,
        "in_force": stored.release == in_force,
        "deployed_at": None if record is None else clock.text(record.deployed_at),
        "deployed_by": None if record is None else record.deployed_by,
        "lightgate": stored.lightgate,
        "policy": {"file": None if record is None else record.policy_file, "sha256": stored.policy_sha256},
        "comment": None if record is None else record.comment,
        "previous": None if record is None else record.previous,
    }


def _row(stored: Stored, in_force: str | None) -> tuple[str, ...]:
    record = stored.record
    return (
        "*" if stored.release == in_force else "",
        stored.release,
        "-" if record is None else record.deployed_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        "-" if record is None else record.deployed_by,
        stored.lightgate or "-",
        (stored.policy_sha256 or "-")[:12],
        "" if record is None else _one_line(record.comment),
    )


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo(" ".join(map(str.ljust, row, widths)).rstrip())
