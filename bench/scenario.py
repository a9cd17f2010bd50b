"""Loads on servers, and measuring them beside each other."""

from __future__ import annotations

import os
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.load import Sample, run
from bench.servers import Bare, Gated


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the table. `baseline` is the row it is compared with: the same load on lighttpd alone."""

    name: str
    baseline: str
    server: Bare
    path: str
    credentials: Path | None = None
    refused: bool = False
    forgotten: Gated | None = None  # whose verdicts are forgotten first, so that no token has been seen


@dataclass(frozen=True, slots=True)
class Cores:
    servers: int
    load: int


def available_cores() -> Cores:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("the benchmark needs two processor cores: one for the servers, one for the load")
    return Cores(cores[0], cores[1])


def measure(scenarios: list[Scenario], *, cores: Cores, rounds: int, seconds: int) -> dict[str, list[Sample]]:
    """Every scenario in every round, in turn: what disturbs the machine disturbs all of them alike."""
    samples: dict[str, list[Sample]] = {scenario.name: [] for scenario in scenarios}
    for number in range(rounds):
        for scenario in scenarios:
            progress(f"round {number + 1} of {rounds}: {scenario.name}")
            if scenario.forgotten is not None:
                scenario.forgotten.forget()
            samples[scenario.name].append(
                run(
                    scenario.server.url(scenario.path),
                    scenario.server.pids,
                    core=cores.load,
                    seconds=seconds,
                    credentials=scenario.credentials,
                    refused=scenario.refused,
                )
            )
    return samples


def median_rate(samples: list[Sample]) -> float:
    return statistics.median(sample.requests_per_s for sample in samples)


def median_cpu_us(samples: list[Sample]) -> float:
    return statistics.median(sample.cpu_us for sample in samples)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def start(stack: ExitStack, server: Bare) -> None:
    stack.callback(server.stop)
    server.start()
