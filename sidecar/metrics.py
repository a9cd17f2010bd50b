"""Numbers for Prometheus. Labels are closed lists and issuer names, never text of a request."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sidecar.reasons import Reason

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        decisions = Counter(
            "lightgate_decisions",
            "Answers to deferrals, by outcome and reason",
            ("outcome", "reason"),
            registry=self.registry,
        )
        # Children are looked up once: `labels` is a good part of the cost of a decision.
        self.allowed = decisions.labels("allow", "")
        self.refused = {reason: decisions.labels("refuse", reason.value) for reason in Reason}
        self.unavailable = {reason: decisions.labels("unavailable", reason.value) for reason in Reason}
        self.waiting = Gauge(
            "lightgate_waiting", "Decisions that wait for a provider", registry=self.registry
        )
        self.wait_seconds = Histogram(
            "lightgate_wait_seconds",
            "Time of decisions that had to wait for a provider",
            buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8),
            registry=self.registry,
        )
        self.protocol_errors = Counter(
            "lightgate_protocol_errors",
            "Connections on the authorizer socket that did not carry one whole request",
            registry=self.registry,
        )
        self.key_fetches = Counter(
            "lightgate_key_fetches",
            "Fetches of key sets",
            ("issuer", "outcome"),
            registry=self.registry,
        )
        self.keys = Gauge("lightgate_keys", "Usable keys", ("issuer",), registry=self.registry)
        self.keys_loaded_timestamp = Gauge(
            "lightgate_keys_loaded_timestamp_seconds",
            "When the key set was last fetched, in seconds since the epoch",
            ("issuer",),
            registry=self.registry,
        )
        self.introspections = Counter(
            "lightgate_introspections",
            "Introspection calls (`failed`: no usable answer) and answers from memory",
            ("outcome",),
            registry=self.registry,
        )
        self.epoch_renewals = Counter(
            "lightgate_epoch_renewals", "Times that Lua was told to forget", registry=self.registry
        )
        self.reloads = Counter(
            "lightgate_reloads", "Reloads of the configuration", ("outcome",), registry=self.registry
        )
        self.release = Gauge(
            "lightgate_release_info", "The current release", ("release",), registry=self.registry
        )

    def render(self) -> bytes:
        """The text exposition."""
        return generate_latest(self.registry)
