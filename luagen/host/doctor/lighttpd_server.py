"""Is this a lighttpd that lightgate runs on, and does it run with what is installed?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from luagen import lighttpd_host
from luagen.failure import Failure
from luagen.host.doctor.facts import Check, Facts, need
from luagen.host.doctor.finding import Finding, error, ok, unseen, warning
from luagen.lighttpd_host import INSTALL

_STAMP = re.compile(r"^[-0-9]+ [:0-9]+: (\([a-z_.-]+\.c\.\d+\) )?")


def _version(facts: Facts) -> Iterator[Finding]:
    lighttpd = facts.lighttpd
    if isinstance(lighttpd, Failure):
        yield error(lighttpd.message, lighttpd.help or INSTALL)
    else:
        yield ok(f"lighttpd {lighttpd.version_text} with mod_magnet is one that lightgate runs on")


def _configuration(facts: Facts) -> Iterator[Finding]:
    """Whether lighttpd takes it, modules and all. Some of it (keys of certificates) only root reads."""
    lighttpd, path = need(facts.lighttpd), facts.settings.lighttpd_config
    if isinstance(facts.configuration, Failure):
        yield error(
            facts.configuration.message,
            f"{facts.configuration.help}; no rule is asked before it starts again",
        )
        return
    said = lighttpd_host.refusal(lighttpd, path)
    if said is None:
        yield ok(f"lighttpd takes {path}")
    elif os.geteuid() == 0:
        yield error(
            f"lighttpd refuses {path}: {_reason(said)}",
            f"lighttpd -tt -f {path} says everything",
        )
    else:
        yield unseen(
            f"lighttpd refuses {path} for this user, maybe not for root: {_reason(said)}",
            "sudo lightgate doctor",
        )


def _reason(said: str) -> str:
    """The first line that is no mere warning; the last only say that it gives up."""
    lines = [_STAMP.sub("", line) for line in said.splitlines() if line.strip()]
    grave = [line for line in lines if not line.startswith(("Warning", "WARNING", "DEPRECATED"))]
    return next(iter(grave or lines), "it gives no reason")


def _user(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    named = need(facts.configuration).string("server.username")
    if named is None:
        yield warning(
            "lighttpd keeps the user that starts it: no `server.username`",
            f'set server.username = "{settings.lighttpd_user}" in {settings.lighttpd_config}',
        )
    elif named != settings.lighttpd_user:
        yield error(
            f"lighttpd runs as `{named}`, and lightgate takes `{settings.lighttpd_user}` for its user",
            f'set lighttpd_user = "{named}" in the host file',
        )
    else:
        yield ok(f"lighttpd runs as `{named}`")


def _running(facts: Facts) -> Iterator[Finding]:
    """An upgraded package runs only after a restart."""
    installed, running = need(facts.lighttpd).version_text, need(facts.worker).lighttpd
    if installed == running:
        yield ok(f"lighttpd {running} is what runs")
    else:
        yield warning(
            f"lighttpd {running} runs, and {installed} is installed", "sudo systemctl restart lighttpd"
        )


INSTALLED = (Check("version", _version), Check("configuration", _configuration), Check("user", _user))
RUNNING = (Check("running version", _running),)
