"""Is the release in force? Asked through lighttpd: the answer proves lighttpd, Lua, socket and sidecar."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from luagen.failure import Failure
from luagen.host import listening
from luagen.host.access import account, user_name
from luagen.host.http_get import Answer, get
from luagen.host.local_url import loopback_source

HEALTH = "/.lightgate/health"
_LUA_ONLY = "/.lightgate/status"  # for which nobody waits for the sidecar

# lighttpd looks at its scripts once a second; a reload waits for requests under way, by default up to 8 s.
DEADLINE_S = 10.0
_RELOAD_S = 10.0  # more when lighttpd was reloaded
_POLL_S = 0.1
_ANSWER_S = 5.0

# Each of lighttpd's workers looks at its scripts for itself: after this time all have.
_ALL_WORKERS_S = 1.5
_PAGE_DEADLINE_S = 3.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where to ask: lighttpd itself, which `lighttpd_user` runs, and a page of the site or none."""

    base_urls: tuple[str, ...]
    health_url: str | None
    lighttpd_user: str


def probe(site: Site, release: str, *, reloaded: bool) -> str:
    """Returns when `release` answers, with what to tell about it. Raises Failure with the last answer when it
    does not.

    `reloaded`: lighttpd was told to read its configuration again.
    """
    return asyncio.run(_probe(site, release, DEADLINE_S + (_RELOAD_S if reloaded else 0.0)))


def require_listener(site: Site) -> None:
    """Raises Failure when lighttpd answers nowhere, whatever it says."""
    urls = [base + _LUA_ONLY for base in site.base_urls]
    asked = asyncio.run(_poll(urls, lambda _: True, 0.0, site.lighttpd_user))
    if asked.url is None:
        url, words, _ = asked.first
        raise Failure(
            f"lighttpd does not answer at {url}: {words}",
            "start it (systemctl start lighttpd), or go without it: --offline",
        )


async def _probe(site: Site, release: str, deadline_s: float) -> str:
    started = time.monotonic()
    urls = [base + HEALTH for base in site.base_urls]
    asked = await _poll(urls, lambda answer: _is_healthy(answer, release), deadline_s, site.lighttpd_user)
    if asked.url is None:
        raise Failure(
            f"release {release} does not answer within {deadline_s:.0f} s: {_seen(asked.first, release)}",
            "lightgate status, and `journalctl -u lighttpd -u lightgate` say more",
        )
    said = f"{asked.url} answers after {time.monotonic() - started:.1f} s"
    if site.health_url is None:
        return said
    await asyncio.sleep(max(0.0, started + _ALL_WORKERS_S - time.monotonic()))
    page = await _poll([site.health_url], lambda answer: 200 <= answer.status < 400, _PAGE_DEADLINE_S)
    if page.url is None:
        raise Failure(
            f"release {release} answers, but {site.health_url} does not answer 2xx or 3xx: {page.first[1]}",
            "it is `health_url` in the host file: a rule may refuse it, or its application is down",
        )
    return f"{said}, and {site.health_url}"


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str | None  # that answered as wanted
    first: tuple[str, str, Answer | None]  # of the first URL: itself, the last answer in words, and as it was


async def _poll(
    urls: list[str], is_right: Callable[[Answer], bool], deadline_s: float, server: str | None = None
) -> _Asked:
    """Asks the URLs in turn until one answers as wanted. `server`: the user whose listeners are believed,
    next to root's; None: all are."""
    end = time.monotonic() + deadline_s
    while True:
        seen: list[tuple[str, str, Answer | None]] = []
        for url in urls:
            answer, words = await _ask(url, server)
            if answer is not None and is_right(answer):
                return _Asked(url, (url, words, answer))
            seen.append((url, words, answer))
        if time.monotonic() >= end:
            return _Asked(None, seen[0])
        await asyncio.sleep(_POLL_S)


async def _ask(url: str, server: str | None) -> tuple[Answer | None, str]:
    parts = urlsplit(url)
    source = loopback_source(parts.hostname or "")
    try:
        if server is not None and (stranger := _stranger(parts, server)):
            return None, stranger
        # A certificate is for the site's name, and this is its address on this machine.
        answer = await get(url, timeout_s=_ANSWER_S, source=source, verify=source is None)
    except OSError as error:
        return None, (error.strerror or str(error) or "no connection").lower()
    return answer, str(answer.status)


def _stranger(url: SplitResult, server: str) -> str | None:
    """Why an answer from there proves nothing, None when it does: release ids are no secret, and anybody can
    open a port that lighttpd has left."""
    port = url.port or (443 if url.scheme == "https" else 80)
    owners = listening.tcp_owners(url.hostname or "", port)
    if owners is None:
        return None
    if not owners:
        return "connection refused"
    trusted = {0, os.geteuid()}  # who runs this could as well do without it
    if (user := account(server)) is not None:
        trusted.add(user.uid)
    strangers = sorted(map(user_name, owners - trusted))
    return f"a program of user {strangers[0]} listens there, not root's or {server}'s" if strangers else None


def _is_healthy(answer: Answer, release: str) -> bool:
    return answer.status == 204 and answer.fields.get("lightgate-release") == release


def _seen(first: tuple[str, str, Answer | None], release: str) -> str:
    url, words, answer = first
    if answer is None:
        return f"{url}: {words}"
    other = answer.fields.get("lightgate-release")
    if other is not None and other != release:
        return f"{url} answers for release {other}"
    meaning = {
        503: ": the sidecar does not answer, or does not know the release",
        404: ": lightgate is not asked, or does not take the client for one of this machine",
        500: ": Lua failed, lighttpd's error log says why",
    }
    return f"{url} answers {words}{meaning.get(answer.status, '')}"
