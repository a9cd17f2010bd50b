"""Is lightgate asked before anybody answers? The order of modules, and what is included.

lighttpd hands a request to its modules in the order of `server.modules`; a name that is there twice counts
where it comes first. A module that answers before mod_magnet has run answers what no rule has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from luagen.host.doctor.facts import Check, Facts, need
from luagen.host.doctor.finding import Finding, error, ok, warning
from luagen.host.lighttpd_config import Array, MergedConfig
from luagen.host.settings import HostSettings

AUTHORIZER = "/.lightgate/authorize"
REQUEST_HOOK = "magnet.attract-raw-url-to"
RESPONSE_HOOK = "magnet.attract-response-start-to"

_TAKES = (
    "it takes requests before they are decided on: applications see them, "
    "and whoever needs a new verdict gets a 503"
)
_ANSWERS = "it answers requests that no rule has seen"
# What each does when it comes before mod_magnet or mod_fastcgi.
_BEFORE = {
    "mod_proxy": _TAKES,
    "mod_wstunnel": _TAKES,
    "mod_scgi": _TAKES,
    "mod_ajp13": _TAKES,
    "mod_webdav": _ANSWERS,
    "mod_status": _ANSWERS,
}
_DEBIAN = Path("conf-available")


def _included(facts: Facts) -> Iterator[Finding]:
    """Both scripts, each once, and the sidecar's entry."""
    settings, configuration = facts.settings, need(facts.configuration)
    scripts = {REQUEST_HOOK: "request.lua", RESPONSE_HOOK: "response.lua"}
    missing = False
    for hook, name in scripts.items():
        path = str(settings.current / name)
        times = configuration.strings(hook).count(path)
        if times == 0:
            missing = True
            yield error(f"`{hook}` does not name {path}: its rules are not asked", _how_to_include(settings))
        elif times > 1:
            yield error(
                f"`{hook}` names {path} {times} times: each request is judged {times} times",
                f"include {settings.current}/lightgate.conf once, and name its scripts nowhere else",
            )
            missing = True
    entry = authorizer(configuration)
    if entry is None:
        missing = True
        yield error(
            f"`fastcgi.server` has no entry for {AUTHORIZER}: the sidecar is never asked",
            _how_to_include(settings),
        )
    if not missing:
        yield ok(f"{settings.current}/lightgate.conf is included once")


def _order(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    modules = need(facts.configuration).modules
    absent = [name for name in ("mod_magnet", "mod_fastcgi") if name not in modules]
    if absent:
        yield error(f"`server.modules` has no {' and no '.join(absent)}", _how_to_include(settings))
        return
    magnet, fastcgi = modules.index("mod_magnet"), modules.index("mod_fastcgi")
    wrong = [name for name in modules[: max(magnet, fastcgi)] if name in _BEFORE]
    for name in wrong:
        before = "mod_magnet" if modules.index(name) < magnet else "mod_fastcgi"
        yield error(
            f"{name} stands before {before} in `server.modules`: {_BEFORE[name]}",
            _how_to_move(settings, name),
        )
    if fastcgi < magnet:
        yield error(
            "mod_fastcgi stands before mod_magnet in `server.modules`: "
            "applications may answer unasked, and all that needs the sidecar is a 404",
            _how_to_move(settings, "mod_fastcgi"),
        )
    elif not wrong:
        yield ok("mod_magnet and mod_fastcgi stand before all modules that answer requests")


def _other_scripts(facts: Facts) -> Iterator[Finding]:
    """A script before ours may answer, and what it answers no rule has seen."""
    path = str(facts.settings.current / "request.lua")
    scripts = need(facts.configuration).strings(REQUEST_HOOK)
    before = scripts[: scripts.index(path)] if path in scripts else ()
    for script in before:
        yield warning(
            f"the Lua script {script} runs before lightgate: no rule decides about what it answers",
            f"add it to `{REQUEST_HOOK}` after lightgate's file is included",
        )
    if not before:
        yield ok("no other Lua script runs before lightgate")


def _whole_connections(facts: Facts) -> Iterator[Finding]:
    """mod_sockproxy takes connections before there is a request."""
    configuration = need(facts.configuration)
    places = [where or "everywhere" for where, _ in configuration.places("sockproxy.server")]
    if "mod_sockproxy" in configuration.modules and places:
        yield warning(
            f"mod_sockproxy passes whole connections on ({'; '.join(places)}): no rule decides about them",
            "use mod_proxy for what the policy is to guard",
        )
    else:
        yield ok("no connection is passed on unread (mod_sockproxy)")


def authorizer(configuration: MergedConfig) -> Array | None:
    """The sidecar's entry in the global `fastcgi.server`; None when there is none."""
    hosts = configuration.array("fastcgi.server").get(AUTHORIZER)
    if not isinstance(hosts, Array) or not hosts.entries:
        return None
    entry = hosts.entries[0][1]
    return entry if isinstance(entry, Array) else None


def _how_to_include(settings: HostSettings) -> str:
    # Without a release, the include keeps lighttpd from starting.
    first = "" if settings.current.exists() else "sudo lightgate deploy --offline; then "
    if (settings.lighttpd_config.parent / _DEBIAN).is_dir():
        return f"{first}sudo lighty-enable-mod lightgate && sudo systemctl reload lighttpd"
    return (
        f'{first}put include "{settings.current}/lightgate.conf" before every other line of '
        f"{settings.lighttpd_config} that names modules"
    )


def _how_to_move(settings: HostSettings, name: str) -> str:
    """Where the module is named too early, as far as that can be seen."""
    directory = settings.lighttpd_config.parent
    enabled = sorted((directory / "conf-enabled").glob("*.conf"))
    ours = next((path.name for path in enabled if "lightgate" in path.name), None)
    early = [path for path in enabled if ours is not None and path.name < ours and _names(path, name)]
    then = "then sudo systemctl restart lighttpd"
    if early:
        return f"rename {early[0]} so that it sorts after {ours}; {then}"
    if ours is not None and _names(settings.lighttpd_config, name):
        return f"take {name} out of {settings.lighttpd_config} and name it in a file of conf-enabled; {then}"
    if ours is None and (directory / _DEBIAN).is_dir():
        return _how_to_include(settings)
    return f"name {name} after lightgate's file is included; {then}"


def _names(path: Path, module: str) -> bool:
    try:
        return f'"{module}"' in path.read_text(errors="replace")
    except OSError:
        return False


CHECKS = (
    Check("lightgate included", _included),
    Check("module order", _order),
    Check("other scripts", _other_scripts),
    Check("whole connections", _whole_connections),
)
