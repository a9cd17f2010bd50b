"""`lightgate explain`: why a request would be decided as it is, without a server."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from luagen import explanation, given_request
from luagen.decide import Decider
from luagen.failure import Failure
from luagen.model import Policy, SampleCaller, SampleRequest
from luagen.policy_commands import JSON, PATH, valid_policies
from luagen.reference.sample import request_of

_MAX_WIDTH = 120


@click.command(short_help="Say why a request would be decided as it is.")
@click.argument("method")
@click.argument("url")
@click.option(
    "-p",
    "--policy",
    "path",
    type=PATH,
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
@JSON
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
    [policy] = valid_policies(path, as_json=as_json)
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
