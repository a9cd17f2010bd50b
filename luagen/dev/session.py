"""One development session from start to end: providers, sidecar, lighttpd, and the loop that keeps the policy
in force.

Whatever is started here is ended here, in reverse order, on every way out. Lines for people go to `show`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from luagen import Compilation, compile_policy, lighttpd_host, policy_tests, render
from luagen.deployment import Deployment
from luagen.dev import children, configuration, ports, rundir, trace
from luagen.dev.children import Child
from luagen.dev.configuration import Site
from luagen.dev.lines import read_lines
from luagen.dev.provider import start_provider
from luagen.dev.suggest import Suggestion, suggestions
from luagen.dev.upstream import Upstream
from luagen.dev.watch import INTERVAL_S, Watch, named_files
from luagen.failure import Failure
from luagen.lighttpd_host import Lighttpd
from luagen.model import Policy
from luagen.release import Release, activate, write_release

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: the terminal was closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    policy: Path
    root: Path | None
    upstream: Upstream | None
    port: int | None  # None: 8080 when it is free
    provider: bool  # start development identity providers
    credentials: Path | None
    lighttpd: str | None  # None: the installed one
    command: str  # how the user calls lightgate, for lines to copy


class PolicyRejected(Exception):
    """The policy has errors at start; they have been shown."""


async def run(options: Options, show: Callable[[str], None]) -> None:
    """Serves until a signal ends it.

    Raises Failure when something cannot be started or dies, PolicyRejected when there is no policy to start
    with.
    """
    serving = asyncio.current_task()
    ended = False

    def end() -> None:
        nonlocal ended
        if serving is not None and not ended:  # a second Ctrl-C must not interrupt the cleaning up
            ended = True
            serving.cancel()

    loop = asyncio.get_running_loop()
    for number in _ENDING_SIGNALS:
        loop.add_signal_handler(number, end)
    try:
        async with contextlib.AsyncExitStack() as stack:
            lighttpd = lighttpd_host.find(options.lighttpd)
            port = ports.choose_port(options.port)
            directory = stack.enter_context(rundir.session_directory())
            session = Session(options, show, stack, directory, port)
            await session.start(lighttpd)
            await session.keep_going()
    except asyncio.CancelledError:
        if not ended:
            raise
        show("ended")
    finally:
        for number in _ENDING_SIGNALS:
            loop.remove_signal_handler(number)


class Session:
    """The running parts, in `directory`. `stack` ends them; the caller owns both."""

    _release: Release  # in force; set by `start`, as is
    _sidecar: Child

    def __init__(
        self,
        options: Options,
        show: Callable[[str], None],
        stack: contextlib.AsyncExitStack,
        directory: Path,
        port: int,
    ) -> None:
        self._options = options
        self._show = show
        self._stack = stack
        self._directory = directory
        self._port = port
        self._url = f"http://127.0.0.1:{port}"
        self._deployment = _deployment(directory)
        self._issuers: dict[str, str] = {}  # name of an auth: its development provider
        self._children: list[Child] = []
        self._watch = Watch([options.policy])

    # --- start ---------------------------------------------------------------------------------------

    async def start(self, lighttpd: Lighttpd) -> None:
        """Starts everything and says what to try. Raises Failure or PolicyRejected."""
        compilation = await self._compile()
        if compilation.release is None or compilation.policy is None:
            raise PolicyRejected
        self._release = compilation.release
        write_release(self._release, self._directory / "releases")
        self._activate(self._release)

        self._sidecar = await self._start_sidecar()
        site = Site(
            port=self._port,
            root=self._root(),
            upstream=self._options.upstream,
            php_socket=await self._start_php(),
        )
        await self._start_lighttpd(lighttpd, site)
        self._record(compilation.policy)
        self._introduce(compilation.policy, site, lighttpd)
        self._show_failed_tests(compilation.policy)

    def _root(self) -> Path:
        if self._options.root is not None:
            return self._options.root.resolve()
        beside = self._options.policy.resolve().parent / "public"
        if beside.is_dir():
            return beside
        nothing = self._directory / "site"
        nothing.mkdir()
        return nothing

    async def _start_sidecar(self) -> Child:
        arguments = [sys.executable, "-m", "sidecar", "run"]
        arguments += ["--config", str(self._directory / "current" / "sidecar.json")]
        if self._options.credentials is not None:
            arguments += ["--credentials", str(self._options.credentials)]
        child = await self._start_child("sidecar", arguments)
        authorizer, http = map(Path, (self._deployment.authorizer_socket, self._deployment.http_socket))

        async def ready() -> (
            bool
        ):  # a connection to the authorizer socket would be logged as a broken request
            return authorizer.exists() and await ports.accepts(http)

        await ports.wait_until(child, ready)
        return child

    async def _start_php(self) -> Path | None:
        """The socket of a running php-cgi; None when there is none, or no files to run.

        lighttpd could start it, but in a session of its own, where it would outlive a lighttpd that crashes.
        """
        php = shutil.which("php-cgi")
        if php is None or self._options.upstream is not None:
            return None
        path = self._directory / "php.sock"
        workers = {"PHP_FCGI_CHILDREN": "2", "PHP_FCGI_MAX_REQUESTS": "0"}  # no worker leaves
        child = await self._start_child("php-cgi", [php, "-b", str(path)], workers)
        await ports.wait_until(child, lambda: ports.accepts(path))
        return path

    async def _start_lighttpd(self, lighttpd: Lighttpd, site: Site) -> None:
        requests = self._directory / "requests"
        os.mkfifo(requests, 0o600)
        path = self._directory / "lighttpd.conf"
        path.write_text(configuration.render(site, directory=self._directory, requests=requests))
        lighttpd_host.check_configuration(lighttpd, path)
        self._lighttpd = await self._start_child("lighttpd", lighttpd_host.command(lighttpd, path))
        await ports.wait_until_accepts(self._lighttpd, self._port)

    async def _start_child(
        self, name: str, arguments: list[str], environment: Mapping[str, str] = MappingProxyType({})
    ) -> Child:
        def show(line: str) -> None:
            text = trace.describe_event(line)
            if text is not None:
                self._show(f"{name}: {text}")

        child = await children.start(name, arguments, {**_environment(), **environment}, show)
        self._adopt(child)
        return child

    def _adopt(self, child: Child) -> None:
        self._children.append(child)
        self._stack.push_async_callback(child.stop)

    # --- the policy ----------------------------------------------------------------------------------

    async def _compile(self) -> Compilation:
        """Compiles the policy and shows its diagnostics; starts a provider for each new `[auth]` table."""
        compilation = compile_policy(self._options.policy, self._deployment)
        if self._options.provider and compilation.policy is not None:
            for auth in compilation.policy.auths:
                if auth.name not in self._issuers:
                    await self._add_provider(auth.name, auth.issuer)
            issuers = {auth.name: self._issuers[auth.name] for auth in compilation.policy.auths}
            try:
                compilation = compile_policy(self._options.policy, self._deployment, issuers=issuers)
            except ValueError:  # an [auth] table has gone since the lines above; the watch will see that edit
                compilation = Compilation(None, None, ())
        self._watch.follow([self._options.policy, *named_files(self._options.policy)])
        for diagnostic in compilation.diagnostics:
            self._show(render.full(diagnostic))
        return compilation

    async def _add_provider(self, name: str, issuer: str) -> None:
        child, url = await start_provider()
        self._adopt(child)
        self._issuers[name] = url
        self._show(f"auth `{name}` trusts the development provider {url} instead of {issuer}")

    async def _rebuild(self) -> None:
        """Puts the edited policy in force, or says why the one before stays."""
        compilation = await self._compile()
        if compilation.release is None or compilation.policy is None:
            self._show(f"not compiled: release {self._release.id} stays in force")
            return
        release, before = compilation.release, self._release
        if release.id == before.id:
            self._show(f"compiled: nothing changed, release {release.id} stays in force")
            return
        write_release(release, self._directory / "releases")
        self._activate(release)
        self._sidecar.signal(signal.SIGHUP)
        if release.files["lightgate.conf"] != before.files["lightgate.conf"]:  # the origins are others
            self._lighttpd.signal(signal.SIGUSR1)  # reads its configuration anew, in the same process
        self._release = release
        self._record(compilation.policy)
        rules = _count(len(compilation.policy.all_rules()), "rule")
        self._show(f"compiled: release {release.id} is in force, {rules}")
        self._show_failed_tests(compilation.policy)

    def _show_failed_tests(self, policy: Policy) -> None:
        """A policy that fails its own tests is served all the same: it is being worked on."""
        try:
            policy_tests.all_pass(policy, self._options.policy)
        except Failure as failure:
            self._show(str(failure))

    def _activate(self, release: Release) -> None:
        activate(self._directory / "releases", release.id, self._directory / "current")

    # --- while it runs -------------------------------------------------------------------------------

    async def keep_going(self) -> None:
        """Prints requests and follows the policy file until cancelled.

        Raises Failure when a process dies, BrokenPipeError when nobody reads what is shown.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._show_requests())
                group.create_task(self._supervise())
        except BaseExceptionGroup as group:
            # Not `except*`: it wraps what is raised in it in a group again.
            expected, _ = group.split((Failure, BrokenPipeError))
            if expected is None:
                raise
            raise expected.exceptions[0] from None

    async def _show_requests(self) -> None:
        # For writing too: no end of file when lighttpd's logger, the other writer, goes.
        requests = os.open(self._directory / "requests", os.O_RDWR | os.O_NONBLOCK)
        await read_lines(requests, self._show_request)

    def _show_request(self, line: str) -> None:
        shown = trace.describe(line)
        if shown is not None:
            self._show(shown)

    async def _supervise(self) -> None:
        while True:
            for child in self._children:
                if child.ended.done():
                    raise ports.died(child)
            if self._watch.changed():
                await self._rebuild()
            await asyncio.sleep(INTERVAL_S)

    # --- what people and other commands see ----------------------------------------------------------

    def _record(self, policy: Policy) -> None:
        rundir.write_record(
            self._directory,
            rundir.SessionRecord(
                pid=os.getpid(),
                policy=str(self._options.policy.resolve()),
                url=self._url,
                auths=tuple(
                    rundir.AuthRecord(auth.name, auth.audience, auth.roles, self._issuers.get(auth.name))
                    for auth in policy.auths
                ),
            ),
        )

    def _introduce(self, policy: Policy, site: Site, lighttpd: Lighttpd) -> None:
        options = self._options
        if site.upstream is not None:
            origin = f"http://{site.upstream.authority}"
        elif options.root is None and site.root.parent == self._directory:
            origin = "nothing (no `public/` beside the policy; --root DIR or --upstream URL give an origin)"
        else:
            origin = str(_shown(site.root))
        self._show(f"release {self._release.id} of {options.policy}, lighttpd {lighttpd.version_text}")
        self._show(f"serving {origin} at {self._url}/")
        if policy.auths and not options.provider:
            self._show(
                "--idp starts a development identity provider, and `lightgate token` gets tokens from it"
            )
        self._show("try:")
        for suggestion in suggestions(policy):
            if suggestion.auth is None or suggestion.auth in self._issuers:
                self._show(f"  {self._curl(suggestion, policy)}  # {suggestion.expected}")
        self._show(f"edit {options.policy} while this runs: it is compiled when saved; Ctrl-C ends")

    def _curl(self, suggestion: Suggestion, policy: Policy) -> str:
        url = shlex.quote(self._url + suggestion.path)
        if suggestion.auth is None:
            return f"curl -i {url}"
        token = [self._options.command, "token"]
        if suggestion.auth != policy.auths[0].name:
            token += ["--auth", suggestion.auth]  # a name of the policy: no quotes needed
        token += [
            "--sub",
            "alice",
            *(word for role in suggestion.roles for word in ("--role", shlex.quote(role))),
        ]
        return f'curl -i -H "Authorization: Bearer $({" ".join(token)})" {url}'


def _deployment(directory: Path) -> Deployment:
    return Deployment.below(str(directory), release_directory=str(directory / "current"), log_decisions=True)


def _environment() -> dict[str, str]:
    """Ours, with this very installation first: the sidecar must not be another version's."""
    here = str(Path(__file__).resolve().parents[2])
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{others}" if others else here}


def _shown(path: Path) -> Path:
    """As short as it is clear: below the working directory without the directory's name."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
