"""From one FastCGI request's parameters to the bytes of its response: decisions meet what they need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from typing import Any, assert_never

from sidecar.clock import Clock
from sidecar.decide import MAX_IDENTITY_BYTES, decide, decide_introspected
from sidecar.decision import (
    Allow,
    BadRequest,
    Challenge,
    Decision,
    Forbidden,
    Healthy,
    Need,
    NeedIntrospection,
    NeedKeys,
    Unavailable,
)
from sidecar.fastcgi.records import ProtocolError
from sidecar.introspection import Overloaded
from sidecar.logs import Event, Log
from sidecar.metrics import Metrics
from sidecar.network import FetchFailed
from sidecar.reasons import Reason
from sidecar.releases import Release, Releases
from sidecar.request import Request, from_params
from sidecar.respond import respond, status_of

MAX_WAITING_FOR_ISSUER = 500  # a quarter of all that may wait; beyond, 503 at once


class Authorizer:
    """Answers deferrals. `answer` never raises, and nothing but a decision makes an answer."""

    def __init__(self, *, releases: Releases, clock: Clock, log: Log, metrics: Metrics) -> None:
        self._releases = releases
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._waiting: Counter[str] = Counter()  # decisions, by the name of the issuer they wait for

    def answer(self, params: bytes) -> bytes | Waiting:
        """The response to a request with these parameters, or what finds it in a while."""
        request: Request | None = None
        try:
            request = from_params(params)
            if not request.is_deferral:
                return self._finish(request, Forbidden(Reason.NOT_A_DEFERRAL))
            release = self._releases.find(request.release)
            if release is None:
                if self._releases.may_look_again():
                    return Waiting(self, request, None, None)
                return self._finish(request, Unavailable(Reason.RELEASE_MISMATCH))
            outcome = self._decide(request, release)
            if isinstance(outcome, NeedKeys | NeedIntrospection):
                return Waiting(self, request, release, outcome)
            return self._finish(request, outcome)
        except ProtocolError:
            return self._finish(request, Forbidden(Reason.NOT_A_DEFERRAL))
        except Exception as error:  # an answer that denies is always better than none
            self._log.bug(error)
            return self._finish(request, Unavailable(Reason.BUG))

    def unavailable(self, request: Request | None, reason: Reason) -> bytes:
        """The 503 for a request that cannot be decided."""
        return self._finish(request, Unavailable(reason))

    async def wait(self, request: Request, release: Release | None, need: Need | None) -> bytes:
        """The response once what is needed has come, or failed to. The caller sets the time limit."""
        try:
            return self._finish(request, await self._resolve(request, release, need))
        except Exception as error:
            self._log.bug(error)
            return self._finish(request, Unavailable(Reason.BUG))

    async def _resolve(self, request: Request, release: Release | None, need: Need | None) -> Decision:
        if release is None:
            await self._releases.look_again()
            release = self._releases.find(request.release)
            if release is None:
                return Unavailable(Reason.RELEASE_MISMATCH)
        if need is None:
            outcome = self._decide(request, release)
            if not isinstance(outcome, NeedKeys | NeedIntrospection):
                return outcome
            need = outcome
        waiting = self._waiting[need.issuer]
        if waiting >= MAX_WAITING_FOR_ISSUER:
            return Unavailable(Reason.OVERLOADED)
        self._waiting[need.issuer] = waiting + 1
        try:
            return await self._provide(request, release, need)
        finally:
            self._waiting[need.issuer] -= 1

    async def _provide(self, request: Request, release: Release, need: Need) -> Decision:
        match need:
            case NeedKeys():
                await release.stores[need.issuer].demand()
                outcome = self._decide(request, release, final=True)
                if isinstance(outcome, NeedKeys | NeedIntrospection):
                    raise AssertionError("bug in sidecar: a final decision needs more")
                return outcome
            case NeedIntrospection():
                try:
                    answer = await release.introspectors[need.issuer].ask(need.token)
                except Overloaded:
                    return Unavailable(Reason.OVERLOADED)
                except FetchFailed:
                    return Unavailable(Reason.INTROSPECTION_UNAVAILABLE)
                issuer = next(one for one in release.settings.issuers if one.name == need.issuer)
                return decide_introspected(answer, issuer, release.settings, self._clock.wall())
            case _:
                assert_never(need)

    def _decide(self, request: Request, release: Release, *, final: bool = False) -> Decision | Need:
        now = self._clock.wall()
        outcome = decide(request, release.settings, release, now, final=final)
        if isinstance(outcome, NeedKeys) and not release.stores[outcome.issuer].may_demand():
            # Asked for too recently, or fixed keys: waiting cannot change anything.
            return decide(request, release.settings, release, now, final=True)
        return outcome

    def _finish(self, request: Request | None, decision: Decision) -> bytes:
        match decision:
            case Allow():
                self._metrics.allowed.inc()
                if request is not None and request.release != self._releases.current.settings.release:
                    decision = decision._replace(current_identity=self._current_identity(request, decision))
            case Healthy():
                pass
            case Challenge() | BadRequest() | Forbidden():
                self._metrics.refused[decision.reason].inc()
                self._log_answer(Event.REFUSED, request, decision)
            case Unavailable():
                self._metrics.unavailable[decision.reason].inc()
                self._log_answer(Event.UNAVAILABLE, request, decision)
            case _:
                assert_never(decision)
        if request is None:
            return respond(decision, release="", nonce="", accept=b"")
        return respond(decision, release=request.release, nonce=request.nonce, accept=request.accept)

    def _current_identity(self, request: Request, allowed: Allow) -> str:
        """Who the caller is for the release in force, which is not the one that asked: by the time the answer
        arrives, lighttpd may have the new rules. "": nobody, or more would have to be fetched to tell."""
        outcome = self._decide(request, self._releases.current, final=True)
        if not isinstance(outcome, Allow):
            return ""
        fits = len(allowed.identity) + len(outcome.identity) <= MAX_IDENTITY_BYTES
        return outcome.identity if fits else ""

    def _log_answer(
        self,
        event: Event,
        request: Request | None,
        decision: Challenge | BadRequest | Forbidden | Unavailable,
    ) -> None:
        issuer = decision.realm if isinstance(decision, Challenge | BadRequest) else None
        self._log(
            event,
            status=status_of(decision),
            reason=decision.reason.value,
            issuer=issuer,
            release=request.release if request is not None else None,
            method=request.method if request is not None else None,
            host=request.host if request is not None else None,
            path=request.path if request is not None else None,
            client=request.remote_addr if request is not None else None,
        )


class Waiting:
    """A request whose decision waits. Exactly one of `result` and `unavailable` becomes its answer."""

    __slots__ = ("_authorizer", "_need", "_release", "_request")

    def __init__(
        self, authorizer: Authorizer, request: Request, release: Release | None, need: Need | None
    ) -> None:
        self._authorizer = authorizer
        self._request = request
        self._release = release
        self._need = need

    def result(self) -> Coroutine[Any, Any, bytes]:
        return self._authorizer.wait(self._request, self._release, self._need)

    def unavailable(self, reason: Reason) -> bytes:
        return self._authorizer.unavailable(self._request, reason)
