"""`lightgate status` and `lightgate doctor`: look at this host, change nothing."""

from __future__ import annotations

import json

import click

from luagen.host.option import EXIT_UNFIT, host_option
from luagen.host.settings import HostSettings
from luagen.host.terminal import printable


@click.command(short_help="Show what is in force on this host, and whether all agree.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@host_option
def status(as_json: bool, settings: HostSettings) -> None:
    """Show what is in force on this host: the release, what lighttpd and the sidecar run, their figures.

    Exit code 0 when all agree and are well, else 1. `lightgate doctor` says what to do.

    \b
    Examples:
      lightgate status
      lightgate status --json | jq .sidecar.issuers
    """
    from luagen.host import status as host_status

    found = host_status.look(settings)
    if as_json:
        click.echo(json.dumps(host_status.as_json(found), indent=2))
    else:
        click.echo(host_status.as_text(found))
    if found.problems:
        raise click.exceptions.Exit(EXIT_UNFIT)


@click.command(short_help="Examine this host, and say what to do about what is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@host_option
def doctor(as_json: bool, settings: HostSettings) -> None:
    """Examine this host: lighttpd's configuration, the release, permissions, services, issuers, the clock.

    Changes nothing. Works without root as far as that goes, and says what it could not see. Exit code 1 when
    something is wrong, 0 with warnings alone.

    \b
    Examples:
      sudo lightgate doctor
      lightgate doctor --json | jq '.findings[] | select(.level == "error")'
    """
    # Here, because an HTTP client takes a quarter of a second to load, which other commands need not spend.
    from luagen.host.doctor.finding import Level
    from luagen.host.doctor.run import Result, count, examine

    results: list[Result] = []
    group = ""
    for result in examine(settings):
        results.append(result)
        if as_json:
            continue
        if result.group != group:
            click.echo(("\n" if group else "") + result.group)
            group = result.group
        finding = result.finding
        click.echo(f"  {finding.level:<8} {printable(finding.message)}")
        if finding.help is not None:
            click.echo(f"           = help: {printable(finding.help)}")
    counted = count(results)
    if as_json:
        report = {
            "ok": not counted[Level.ERROR],
            "counts": {level: counted[level] for level in Level},
            "findings": [
                {
                    "group": result.group,
                    "check": result.check,
                    "level": result.finding.level,
                    "message": result.finding.message,
                    "help": result.finding.help,
                }
                for result in results
            ],
        }
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo(
            f"\n{_counted(counted[Level.ERROR], 'error')}, {_counted(counted[Level.WARNING], 'warning')}, "
            f"{counted[Level.UNSEEN]} unseen, {counted[Level.OK]} ok"
        )
    if counted[Level.ERROR]:
        raise click.exceptions.Exit(EXIT_UNFIT)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
