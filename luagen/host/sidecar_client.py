"""What the sidecar says about itself on its HTTP socket (docs/sidecar.md)."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luagen.host.http_get import Answer, get

TIMEOUT_S = 5.0
_MAX_BYTES = 1024 * 1024  # metrics of many issuers; a real page has some 20 KiB

READY, STOPPING = "ready", "stopping"


class SidecarSilentError(Exception):
    """The sidecar does not answer, or not as a sidecar does. The message says which, in a few words."""


class SidecarOutOfReachError(SidecarSilentError):
    """This user may not ask it, so nothing is known about it."""


@dataclass(frozen=True, slots=True)
class IssuerState:
    """`keys`: usable ones, None where the issuer publishes none to us; `age_s`: seconds since they were
    fetched."""

    keys: int | None
    age_s: int | None
    ready: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """`status`: `ready`, `not-ready` or `stopping`; `release`: the one it answers for; issuers by name."""

    status: str
    release: str
    issuers: Mapping[str, IssuerState]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Samples of /metrics by name and labels."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """Sums of a metric by the values of one label; values that sum to nothing are left out."""
        sums: dict[str, float] = {}
        for (metric, labels), value in self.samples.items():
            if metric == name and value:
                key = dict(labels).get(label, "")
                sums[key] = sums.get(key, 0.0) + value
        return sums

    def value(self, name: str, **labels: str) -> float:
        """One sample; 0 while there is none."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)


async def version(socket: Path) -> str:
    """The version of the running sidecar. Raises SidecarSilentError."""
    document = _document(await _get(socket, "/healthz"), (200,))
    try:
        return str(document["version"])
    except KeyError:
        raise SidecarSilentError("/healthz does not name a version") from None


async def readiness(socket: Path) -> Readiness:
    """Whether it can decide. Raises SidecarSilentError."""
    document = _document(await _get(socket, "/readyz"), (200, 503))
    try:
        return Readiness(
            status=str(document["status"]),
            release=str(document["release"]),
            issuers={
                name: IssuerState(keys=state["keys"], age_s=state["age_s"], ready=bool(state["ready"]))
                for name, state in document["issuers"].items()
            },
        )
    except (KeyError, TypeError, AttributeError):
        raise SidecarSilentError("/readyz is not as this version knows it") from None


async def metrics(socket: Path) -> Metrics:
    """Its figures. Raises SidecarSilentError."""
    from prometheus_client.parser import text_string_to_metric_families

    answer = await _get(socket, "/metrics")
    try:
        families = list(text_string_to_metric_families(answer.body.decode()))
    except ValueError:
        raise SidecarSilentError("/metrics is not Prometheus text") from None
    return Metrics(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
    )


async def _get(socket: Path, path: str) -> Answer:
    try:
        # The host of the URL is only for form: the socket says where.
        return await get(f"http://localhost{path}", socket=socket, timeout_s=TIMEOUT_S, body_bytes=_MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EACCES:
            raise SidecarOutOfReachError("this user may not connect to its HTTP socket") from error
        raise SidecarSilentError(_words(error)) from error


def _words(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return "its HTTP socket is not there"
        case errno.ECONNREFUSED:
            return "nobody listens on its HTTP socket"
        case _:
            return (error.strerror or str(error) or type(error).__name__).lower()


def _document(answer: Answer, expected: tuple[int, ...]) -> dict[str, Any]:
    if answer.status not in expected:
        raise SidecarSilentError(f"it answers {answer.status}")
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SidecarSilentError("its answer is not a JSON object")
    return document
