"""The `lightgate` command. Only it and the modules of its commands print; only `main` ends the process.

Exit codes: 0 fine, 1 the policy or this machine is not fit, 2 usage, 70 a bug (sysexits' EX_SOFTWARE).
Results go to standard output, everything about them to standard error, so that `$(lightgate token …)` and
`--json` can be used by programs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from luagen import (
    authoring_commands,
    compile_policy,
    explain_command,
    policy_commands,
    policy_tests,
    render,
    resources,
    token,
)
from luagen.artifacts import UnsafePathError
from luagen.check_report import deciding_rules, open_paths, site_reports, summary
from luagen.deployment import Deployment
from luagen.dev import rundir, session
from luagen.dev.upstream import Upstream
from luagen.diagnostics_output import show_diagnostics
from luagen.failure import Failure
from luagen.host import credential_commands, inspection_commands, release_commands
from luagen.lighttpd_host import find
from luagen.release import ReleaseConflictError, write_release
from luagen.selftest import run as selftest_run

EXIT_UNFIT = 1
EXIT_USAGE = 2
EXIT_BUG = 70
EXIT_INTERRUPTED = 130  # as shells report SIGINT

_PATH = click.Path(path_type=Path)
_DEFAULTS = Deployment()


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"lightgate {resources.version()}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def lightgate() -> None:
    """Programmable checkpoints inside lighttpd, from one policy file.

    \b
    Examples:
      lightgate dev lightgate.toml --idp      try a policy; Ctrl-C ends it
      lightgate check lightgate.toml          find its mistakes
      sudo lightgate deploy                   put it in force on this host
    """


# --- check, build ------------------------------------------------------------------------------------


@lightgate.command(short_help="Find the mistakes in a policy.")
@click.argument("policy", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def check(policy: Path, as_json: bool) -> None:
    """Find the mistakes in POLICY, and say which requests end at its default.

    \b
    Examples:
      lightgate check lightgate.toml
      lightgate check lightgate.toml --json | jq .diagnostics
    """
    compilation = compile_policy(policy, _DEFAULTS)
    found = compilation.policy
    if as_json:
        report: dict[str, object] = {
            "ok": found is not None,
            "diagnostics": [render.as_json(diagnostic) for diagnostic in compilation.diagnostics],
        }
        if found is not None:
            report |= {
                "rules": len(found.all_rules()),
                "auths": len(found.auths),
                "default": found.default.value,
                "deciding_rules": deciding_rules(found),
                "sites": site_reports(found),
                "open_paths": open_paths(found),
            }
        click.echo(json.dumps(report, indent=2))
    else:
        show_diagnostics(compilation.diagnostics)
        if found is not None:
            counts, *lines = summary(found)
            click.echo(f"{policy}: {counts}")
            for line in lines:
                click.echo(f"  {line}")
    if found is None:
        raise click.exceptions.Exit(EXIT_UNFIT)


@lightgate.command(short_help="Compile a policy into a release.")
@click.argument("policy", type=_PATH)
@click.option(
    "--output",
    type=_PATH,
    default=Path("build"),
    show_default=True,
    metavar="DIR",
    help="Where releases/ID/ is written.",
)
@click.option(
    "--release-dir",
    default=_DEFAULTS.release_directory,
    show_default=True,
    metavar="PATH",
    help="Where lighttpd will find the release in force (a symlink).",
)
@click.option(
    "--socket-dir",
    default=str(Path(_DEFAULTS.authorizer_socket).parent),
    show_default=True,
    metavar="PATH",
    help="Where the sidecar keeps its sockets, epoch file and published secrets.",
)
@click.option(
    "--log-decisions",
    is_flag=True,
    help="Set LIGHTGATE_RULE, _DECISION and _WHERE for the access log.",
)
def build(policy: Path, output: Path, release_dir: str, socket_dir: str, log_decisions: bool) -> None:
    """Compile POLICY and write the release; prints its directory.

    Same policy, same paths, same version of lightgate: same release, byte for byte.

    \b
    Examples:
      lightgate build lightgate.toml
      lightgate build lightgate.toml --output /srv/releases --socket-dir /run/gate
    """
    deployment = Deployment.below(socket_dir, release_directory=release_dir, log_decisions=log_decisions)
    try:
        compilation = compile_policy(policy, deployment)
    except UnsafePathError as error:
        raise click.UsageError(str(error)) from error
    show_diagnostics(compilation.diagnostics)
    if compilation.release is None or compilation.policy is None:
        raise click.exceptions.Exit(EXIT_UNFIT)
    policy_tests.all_pass(compilation.policy, policy)
    releases = output / "releases"
    try:
        written = write_release(compilation.release, releases)
    except ReleaseConflictError as error:
        raise Failure(str(error), "somebody changed a release by hand: remove it and build again") from error
    except OSError as error:
        raise Failure(f"cannot write below `{releases}`: {error.strerror}") from error
    click.echo(written)


# --- dev, token --------------------------------------------------------------------------------------


@lightgate.command(short_help="Run a policy on this machine, in the foreground.")
@click.argument("policy", type=_PATH)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Serve the files below DIR.  [default: public/ beside the policy]",
)
@click.option("--upstream", metavar="URL", help="Serve the application at http://HOST:PORT instead of files.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Listen on 127.0.0.1:N; 0 takes a free port.  [default: 8080, or a free one when that is taken]",
)
@click.option("--idp", is_flag=True, help="Start a development identity provider for each [auth] table.")
@click.option(
    "--credentials",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the sidecar finds credentials, one file each.",
)
@click.option("--lighttpd", metavar="PATH", help="Use this lighttpd instead of the installed one.")
def dev(
    policy: Path,
    root: Path | None,
    upstream: str | None,
    port: int | None,
    idp: bool,
    credentials: Path | None,
    lighttpd: str | None,
) -> None:
    """Run POLICY in lighttpd on this machine, in the foreground, without root.

    Shows a line for each request: what was decided, by which rule, for whom, where. Compiles the policy again
    when it is saved; one with mistakes leaves the last good release in force.

    \b
    Examples:
      lightgate dev lightgate.toml --idp
      lightgate dev lightgate.toml --upstream http://127.0.0.1:3000 --port 0
    """
    if root is not None and upstream is not None:
        raise click.UsageError("--root and --upstream exclude each other: requests have one origin")
    try:
        origin = None if upstream is None else Upstream.parse(upstream)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--upstream") from error
    options = session.Options(
        policy=policy,
        root=root,
        upstream=origin,
        port=port,
        provider=idp,
        credentials=credentials,
        lighttpd=lighttpd,
        command=_own_name(),
    )
    try:
        asyncio.run(session.run(options, click.echo))
    except session.PolicyRejected as error:
        raise click.exceptions.Exit(EXIT_UNFIT) from error


def _own_name() -> str:
    """How this command was called, as a shell understands it."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{Path(sys.executable).name} -m luagen"
    return sys.argv[0] if called.is_absolute() or len(called.parts) > 1 else called.name


@lightgate.command("token", short_help="Print a token for a policy that `dev --idp` runs.")
@click.option("--sub", required=True, metavar="NAME", help="Who the token is for.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role of theirs; repeat for more.")
@click.option("--email", metavar="ADDRESS", help="Their address, marked as verified.")
@click.option(
    "--claim", "claims", multiple=True, metavar="NAME=JSON", help="Any other claim; repeat for more."
)
@click.option(
    "--audience", metavar="NAME", help="Who the token is meant for.  [default: what the policy asks for]"
)
@click.option("--auth", metavar="NAME", help="The [auth] table that is to accept it.  [default: the first]")
@click.option(
    "--idp", metavar="URL", help="The provider to ask.  [default: that of the running `lightgate dev --idp`]"
)
def token_command(
    sub: str,
    roles: tuple[str, ...],
    email: str | None,
    claims: tuple[str, ...],
    audience: str | None,
    auth: str | None,
    idp: str | None,
) -> None:
    """Print a signed token from the running `lightgate dev --idp`.

    \b
    Examples:
      lightgate token --sub alice --role admin
      curl -H "Authorization: Bearer $(lightgate token --sub alice)" http://127.0.0.1:8080/members/
      lightgate token --sub bob --email bob@example.org --claim 'level=3'
    """
    if idp is not None and not idp.startswith(("http://", "https://")):
        raise click.BadParameter(f"`{idp}` is not a URL", param_hint="--idp")
    extra = dict(map(_claim, claims))
    if email is not None:
        extra |= {"email": email, "email_verified": True}
    provider, accepted = _provider(idp, auth)
    audience = audience or (accepted.audience[0] if accepted is not None else None)
    if audience is None:
        raise click.UsageError("--idp without a running `lightgate dev` needs --audience")
    path = accepted.roles if accepted is not None else ("roles",)
    click.echo(token.mint(provider, sub=sub, audience=audience, claims=token.with_roles(extra, path, roles)))


def _claim(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    try:
        if name and separator:
            return name, json.loads(value)
    except ValueError:
        pass
    raise click.BadParameter(
        f"`{text}` is not NAME=JSON, such as level=3 or 'name=\"Alice\"'", param_hint="--claim"
    )


def _provider(url: str | None, auth: str | None) -> tuple[str, rundir.AuthRecord | None]:
    """The provider's URL, and what its tokens have to look like (unknown for one that no session of ours
    runs)."""
    offered = [
        record
        for running in rundir.running_sessions()
        for record in running.auths
        if record.provider is not None
    ]
    if url is not None:
        offered = [record for record in offered if record.provider == url.rstrip("/")]
    if auth is not None:
        named = [record for record in offered if record.name == auth]
        if offered and not named:
            raise Failure(
                f"no running provider is for an auth named `{auth}`",
                f"there is {', '.join(f'`{record.name}`' for record in offered)}",
            )
        offered = named
    if offered and offered[0].provider is not None:
        return offered[0].provider, offered[0]
    if url is not None:
        return url, None
    raise Failure("no development identity provider is running", f"start one: {token.START}")


# --- selftest ----------------------------------------------------------------------------------------


@lightgate.command(short_help="Break the sidecar in every known way: does lighttpd hold?")
@click.option("--lighttpd", metavar="PATH", help="Try this lighttpd instead of the installed one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def selftest(lighttpd: str | None, as_json: bool) -> None:
    """Break the sidecar in every known way and see that lighttpd on this machine lets nobody in.

    \b
    Examples:
      lightgate selftest
      lightgate selftest --lighttpd /opt/lighttpd/sbin/lighttpd --json
    """
    server = find(lighttpd)
    results = asyncio.run(selftest_run.run(server))
    failed = [result for result in results if not result.passed]
    if as_json:
        report = {
            "ok": not failed,
            "lighttpd": server.version_text,
            "results": [
                {"mode": r.mode, "expected": r.expected, "got": r.got, "passed": r.passed} for r in results
            ],
        }
        click.echo(json.dumps(report, indent=2))
    else:
        rows = [("mode", "expected", "got", "verdict")]
        rows += [(r.mode, r.expected, r.got, "ok" if r.passed else "FAILED") for r in results]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            click.echo("  ".join(map(str.ljust, row, widths)).rstrip())
        verdict = f"{len(failed)} failed" if failed else "all as expected"
        click.echo(f"\nlighttpd {server.version_text}: {len(results)} ways, {verdict}")
    if failed:
        raise click.exceptions.Exit(EXIT_UNFIT)


# --- writing policies --------------------------------------------------------------------------------

lightgate.add_command(authoring_commands.fmt)
lightgate.add_command(authoring_commands.import_)


# --- what a policy does -------------------------------------------------------------------------------

lightgate.add_command(explain_command.explain)
lightgate.add_command(policy_commands.test)
lightgate.add_command(policy_commands.diff)
lightgate.add_command(policy_commands.schema)


# --- on the host --------------------------------------------------------------------------------------

lightgate.add_command(release_commands.deploy)
lightgate.add_command(release_commands.rollback)
lightgate.add_command(release_commands.releases)
lightgate.add_command(inspection_commands.status)
lightgate.add_command(inspection_commands.doctor)
lightgate.add_command(credential_commands.credential)


# --- the border --------------------------------------------------------------------------------------


def main() -> NoReturn:
    """Entry point of the `lightgate` script: runs a command and exits."""
    sys.exit(_exit_code(lambda: lightgate.main(standalone_mode=False)))


def _exit_code(run: Callable[[], object]) -> int:
    """Runs a command; what it raises becomes a message and a code."""
    try:
        code = run()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Failure as failure:
        click.echo(failure, err=True)
        return EXIT_UNFIT
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`lightgate check | head`); Python would complain once more when it flushes at
        # exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNFIT
    except Exception as error:
        click.echo(_bug_report(error), err=True)
        return EXIT_BUG
    return code if isinstance(code, int) else 0


def _bug_report(error: Exception) -> str:
    if os.environ.get("LIGHTGATE_DEBUG") == "1":
        return "".join(traceback.format_exception(error)).rstrip()
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return (
        f"bug in lightgate {resources.version()}: {type(error).__name__} at {place}\n"
        "  = help: run again with LIGHTGATE_DEBUG=1 and report what it prints as an issue of the project"
    )
