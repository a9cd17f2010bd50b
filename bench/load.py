"""Runs wrk and says what the servers spent meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 32
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
ROTATE = Path(__file__).with_name("rotate.lua")


@dataclass(frozen=True, slots=True)
class Sample:
    requests_per_s: float
    cpu_us: float  # of all server processes, user and system, a request


class LoadError(Exception):
    """wrk failed, or the server answered otherwise than the scenario says."""


def processor_s(pid: int) -> float:
    """User and system time of a process in seconds, its threads included and its children not."""
    # proc(5): fields 14 and 15, counted here from behind the command name, which may hold anything
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LoadError(f"process {pid} has no resident memory")


def run(
    url: str, pids: Sequence[int], *, core: int, seconds: int, credentials: Path | None, refused: bool
) -> Sample:
    """One round of wrk on `core` against `url`.

    `credentials` are presented in turn. Raises LoadError when the server did not answer every request with a
    success (or, with `refused`, with a refusal).
    """
    argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    argv += ["-s", str(ROTATE), url, "--", str(credentials)] if credentials else [url]
    before = sum(map(processor_s, pids))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 30, check=False)
    spent_s = sum(map(processor_s, pids)) - before
    return _read(done.stdout, spent_s, refused=refused)


def _read(output: str, spent_s: float, *, refused: bool) -> Sample:
    requests = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec: +([\d.]+)", output)
    if not requests or not rate or int(requests[1]) == 0:
        raise LoadError(f"wrk gave no result:\n{output}")
    errors = re.search(r"Socket errors: .*", output)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if errors or int(other[1] if other else 0) != (int(requests[1]) if refused else 0):
        raise LoadError(f"unexpected answers:\n{output}")
    return Sample(float(rate[1]), spent_s * 1e6 / int(requests[1]))
