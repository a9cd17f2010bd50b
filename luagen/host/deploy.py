"""Putting a release in force, and going back to one. The steps, in order:

check, tests and build (`deploy` only), rehearse, test, repair and write (`deploy` only), activate, tell,
probe, prune

Until `activate` nothing that runs has changed, unless somebody had changed the release by hand: `repair`
makes it whole. What fails after that puts the release before in force again. Killed at any moment this leaves
the old release in force or the new one, whole; the next deploy removes what is left over, and tells the
services what they may have missed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from luagen import lighttpd_host, resources
from luagen.failure import Failure
from luagen.host import (
    audit,
    candidate,
    clock,
    file_errors,
    interruption,
    issuer_keys,
    local_url,
    named_credentials,
    operator,
    probe,
    rehearsal,
    services,
)
from luagen.host.in_use import UNKNOWN, InUse
from luagen.host.lock import exclusive
from luagen.host.probe import Site
from luagen.host.records import Record
from luagen.host.release_store import LIST, ReleaseStore
from luagen.host.settings import HostSettings
from luagen.model import Policy
from luagen.release import Release, ReleaseConflictError

Show = Callable[[str, str], None]  # the name of a step that is done, and what came of it

# The sidecar reads its file for a release that it does not know once a second at most: one that came sooner
# after the last would stay unknown to it until then.
_SIDECAR_READS_S = 1.2

# lighttpd looks at its scripts once a second. A release that was repaired has the id of what stood in its
# place, so that an answer does not tell one from the other.
_LIGHTTPD_LOOKS_S = 1.5

WARNING = "warning"  # no step: something that should have been done could not


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A release that is in force now, and the one that was before: itself when nothing changed."""

    release: str
    previous: str | None


class WentBack(Failure):
    """A release did not do what it should, and the one before is in force again and answers."""


class Deployer:
    """Changes of the release in force on this host. `show` gets each step when it is done."""

    def __init__(self, settings: HostSettings, show: Show, *, comment: str, offline: bool) -> None:
        """`offline`: no running service is tested, told or asked."""
        self._settings = settings
        self._show = show
        self._comment = comment
        self._offline = offline
        self._store = ReleaseStore(settings.state_directory)
        self._in_use = InUse(settings.state_directory)

    # --- the two commands ------------------------------------------------------------------------------

    def deploy(self, release: Release, policy: Policy) -> Outcome:
        """Puts a release that was just built in force.

        Raises Failure: WentBack when the one before is in force again, else nothing has changed or the
        message says what has.
        """
        with self._changing("deploy"):
            site = self._try(release)
            repaired = self._store.is_changed(release)
            if repaired:
                self._repair(release)
            before = self._store.in_force()
            is_known = self._store.has(release.id)
            record = self._store.record(release.id)
            if release.id != before or record is None:
                previous = before if release.id != before else self._store.one_before()
                self._write(release, policy, previous, record, is_known=is_known)
            if release.id == before:
                self._confirm(release, site, repaired=repaired)
            else:
                try:
                    self._switch(release, before, site, event="deploy", is_known=is_known, record=record)
                except WentBack:
                    self._undo_write(release.id, record, is_known=is_known)
                    raise
            return Outcome(release=release.id, previous=before)

    def rollback(self, wanted: str | None) -> Outcome:
        """Puts a release of before in force again: the one whose id begins with `wanted`, or the one before.

        Raises Failure, as `deploy` does.
        """
        with self._changing("rollback"):
            before = self._store.in_force()
            target = self._store.find(wanted) if wanted is not None else self._one_before(before)
            if target == before:
                raise Failure(f"release {target} is in force already", LIST)
            release = self._store.load(target)
            site = self._try(release)
            self._switch(release, before, site, event="rollback", is_known=True)
            return Outcome(release=target, previous=before)

    @contextmanager
    def _changing(self, what: str) -> Iterator[None]:
        with exclusive(self._settings.state_directory, what), interruption.raised_once():
            try:
                self._store.clean()
                yield
            except OSError as error:
                raise file_errors.failure(error, what) from error

    def _one_before(self, current: str | None) -> str:
        if current is None:
            raise Failure("no release is in force", "lightgate deploy")
        before = self._store.one_before()
        if before is None:
            raise Failure(f"no release was in force before {current}", f"name one of `{LIST}`")
        if not self._store.has(before):
            raise Failure(f"release {before}, the one before, is not kept", f"name one of `{LIST}`")
        return before

    # --- before anything changes -----------------------------------------------------------------------

    def _try(self, release: Release) -> Site | None:
        """Returns where to ask for the release when it is in force; None: nowhere (offline)."""
        settings = self._settings
        if self._offline and lighttpd_host.locate(settings.lighttpd) is None:
            self._show("rehearse", "left out: there is no lighttpd here")
            return None
        lighttpd = lighttpd_host.find(settings.lighttpd)
        rehearsal.rehearse(lighttpd, release.files, settings.lighttpd_user)
        self._show("rehearse", f"lighttpd {lighttpd.version_text} runs its Lua")
        if self._offline:
            return None
        named_credentials.require(settings, json.loads(release.files["sidecar.json"]))
        configuration = candidate.test_configuration(lighttpd, settings, release.files["lightgate.conf"])
        if settings.lighttpd_url is not None:
            urls: tuple[str, ...] = (settings.lighttpd_url.rstrip("/"),)
        else:
            urls = local_url.base_urls(configuration)
        if not urls:
            raise Failure("lighttpd listens on no TCP port", "set `lighttpd_url` in the host file")
        site = Site(urls, settings.health_url, settings.lighttpd_user)
        probe.require_listener(site)
        self._show("test", f"lighttpd takes {settings.lighttpd_config} with it")
        return site

    def _repair(self, release: Release) -> None:
        """Puts the release in the place of what has its id and other content."""
        before = self._store.in_force()
        found = self._store.files(release.id) or {}
        is_harmless = all(found.get(name) == release.files[name] for name in services.READ_ONCE)
        if not is_harmless and release.id in self._in_use.read(before):
            # They may have read what stood there. Written first: the next deploy tells if this is killed.
            self._in_use.add(UNKNOWN, before, offline=self._offline)
        try:
            self._store.repair(release)
        except OSError as error:
            raise file_errors.failure(error, f"repair release {release.id}") from error
        self._show("repair", f"release {release.id} had been changed: written anew")
        self._audit("repair", release, before)

    def _write(
        self,
        release: Release,
        policy: Policy,
        previous: str | None,
        record_before: Record | None,
        *,
        is_known: bool,
    ) -> None:
        record = Record(
            release=release.id,
            policy_file=policy.file,
            policy_sha256=policy.sha256,
            lightgate=resources.version(),
            deployed_at=clock.now(),
            deployed_by=operator.name(),
            comment=self._comment,
            previous=previous,
        )
        try:
            written = self._store.write(release)
            self._store.write_record(record)
        except ReleaseConflictError as error:  # since it was looked at
            raise Failure(str(error), "find out who changes it, then deploy again") from error
        except OSError as error:
            self._undo_write(release.id, record_before, is_known=is_known)
            raise file_errors.failure(error, "write the release") from error
        self._show("write", str(written))

    def _undo_write(self, release: str, record: Record | None, *, is_known: bool) -> None:
        """As if the release had not been written. A disk that refuses this keeps a release too many."""
        with suppress(OSError):
            if not is_known:
                self._store.discard(release)
            elif record is not None:
                self._store.write_record(record)

    # --- the change ------------------------------------------------------------------------------------

    def _confirm(self, release: Release, site: Site | None, *, repaired: bool) -> None:
        """For the release that is in force already: what a deploy that was killed may have left undone."""
        self._show("activate", f"release {release.id} is in force already")
        if site is not None:
            if repaired:
                time.sleep(_LIGHTTPD_LOOKS_S)
            self._announce(release, self._in_use.read(release.id), site, is_known=False)
            self._warn_of_issuers()
        self._prune()

    def _switch(
        self,
        release: Release,
        before: str | None,
        site: Site | None,
        *,
        event: str,
        is_known: bool,
        record: Record | None = None,
    ) -> None:
        """`record`: of the release as it was before this command, if it wrote another."""
        try:
            with interruption.ignored_afterwards():
                running = self._in_use.read(before)
                if site is not None:
                    self._in_use.wait_since_settled(_SIDECAR_READS_S)
                self._in_use.add(release.id, before, offline=self._offline)
                self._store.activate(release.id, back=event == "rollback")
                self._show("activate", f"release {release.id}" + (f" instead of {before}" if before else ""))
                if site is not None:
                    self._announce(release, running, site, is_known=is_known)
                else:
                    self._show("tell", "nobody: --offline")
        except BaseException as error:
            if self._store.in_force() != release.id:  # it never was
                self._undo_write(release.id, record, is_known=is_known)
                raise
            self._audit(f"{event}-failed", release, before)
            if before is None:
                raise _without_one_before(release.id, error) from error
            raise self._go_back(before, site, error) from error
        self._audit(event, release, before)
        if site is not None:
            self._warn_of_issuers()
        self._prune()

    def _announce(self, release: Release, running: frozenset[str], site: Site, *, is_known: bool) -> None:
        """Tells the services and asks for the release through lighttpd. Raises Failure."""
        before = [self._store.files(one) for one in sorted(running)]
        messages = services.needed(release.files, before, self._settings, is_known=is_known)
        for message in messages:
            message.send()
            self._show("tell", str(message))
        if not messages:
            self._show("tell", "nobody: lighttpd and the sidecar notice by themselves")
        reloaded = any(message.service == "lighttpd" for message in messages)
        self._show("probe", probe.probe(site, release.id, reloaded=reloaded))
        self._in_use.settle(release.id)

    def _warn_of_issuers(self) -> None:
        for issuer in issuer_keys.without(self._settings.http_socket):
            self._show(
                WARNING,
                f"issuer `{issuer}`: no keys yet, so its callers get a 503: `lightgate doctor` says why",
            )

    def _go_back(self, before: str, site: Site | None, error: BaseException) -> BaseException:
        """Puts the release before in force again; returns what to raise."""
        why = error.message if isinstance(error, Failure) else "interrupted"
        self._show("failed", why)
        try:
            release = Release(before, self._store.files(before) or {})
            self._store.restore(before)
            self._show("back", f"release {before} is in force again")
            if site is not None:
                self._announce(release, self._in_use.read(before), site, is_known=True)
        except Failure as second:
            return Failure(f"{why}; release {before} is in force again, but {second.message}", second.help)
        except OSError as second:
            return file_errors.failure(second, f"go back to release {before} after this: {why}")
        if not isinstance(error, Failure | KeyboardInterrupt | OSError):
            return error
        return WentBack(f"{why}; release {before} is in force again", getattr(error, "help", None))

    # --- after it --------------------------------------------------------------------------------------

    def _audit(self, event: str, release: Release, before: str | None) -> None:
        record = self._store.record(release.id)
        try:
            audit.append(
                self._settings.audit_log,
                event,
                release=release.id,
                previous=before,
                comment=self._comment,
                policy_sha256=None if record is None else record.policy_sha256,
            )
        except OSError as error:
            self._show(WARNING, file_errors.failure(error, "write the audit log").message)

    def _prune(self) -> None:
        try:
            removed = self._store.prune(self._settings.keep_releases)
        except OSError as error:
            self._show(WARNING, file_errors.failure(error, "remove old releases").message)
        else:
            if removed:
                self._show("prune", f"removed {', '.join(removed)}")


def _without_one_before(release: str, error: BaseException) -> BaseException:
    """Nothing to go back to: without any release lighttpd would not start."""
    if not isinstance(error, Failure | KeyboardInterrupt):
        return error
    why = error.message if isinstance(error, Failure) else "interrupted"
    return Failure(
        f"{why}; release {release} stays in force: there was none before it",
        getattr(error, "help", None),
    )
