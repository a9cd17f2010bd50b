"""What many rules, redirects or networks cost: each series compares its sizes with its smallest."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from bench.load import resident_mib
from bench.scenario import Cores, Scenario, measure, median_cpu_us, median_rate, progress, start
from bench.servers import Gated

RULES = (10, 100, 1_000, 10_000)
REDIRECTS = (10, 10_000)
NETWORKS = (10, 100_000)
PAGE = "/public/page.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One member of a series: a policy of some size, and the request that is measured."""

    series: str
    count: int
    policy: str
    path: str = PAGE
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.series}: {self.count:,}"


def _rules(count: int, when: str, action: str) -> str:
    """Rules whose conditions differ in `{n}` only."""
    rules = (
        f"[[rule]]\nname = \"rule {n}\"\nwhen = '{when.format(n=n)}'\n{action.format(n=n)}\n"
        for n in range(count)
    )
    return 'default = "pass"\n\n' + "\n".join(rules)


def sizes() -> list[Size]:
    """All series, small ones first."""
    redirect = 'redirect = {{ to = "/new/{n}", status = 301 }}'
    found = []
    for count in RULES:
        on_paths = _rules(count, 'request.path == "/old/page-{n}"', redirect)
        last = f"/old/page-{count - 1}"
        on_prefixes = _rules(count, 'request.path.startswith("/archive/{n}/")', redirect)
        on_hosts = _rules(count, 'request.host == "shop-{n}.example.org"', redirect)
        found += [
            Size(series="rules on paths, none matches", count=count, policy=on_paths, files={}),
            Size(
                series="rules on paths, the last one matches",
                count=count,
                policy=on_paths,
                path=last,
                files={},
            ),
            Size(
                series="rules on beginnings of paths, none matches", count=count, policy=on_prefixes, files={}
            ),
            Size(series="rules on hosts, none matches", count=count, policy=on_hosts, files={}),
        ]
    for count in REDIRECTS:
        rows = "".join(f"/old/page-{n},/new/page-{n}\n" for n in range(count))
        found.append(
            Size(
                series="redirects in one rule, the last one matches",
                count=count,
                policy=_rules(1, "True", 'redirects = {{ file = "moved.csv", status = 301 }}'),
                path=f"/old/page-{count - 1}",
                files={"moved.csv": rows},
            )
        )
    for count in NETWORKS:
        # Every second /24 from 11.0.0.0 on: none can be merged with its neighbour.
        first = int(IPv4Address("11.0.0.0"))
        rows = "".join(f"{IPv4Address(first + 512 * n)}/24\n" for n in range(count))
        policy = 'default = "pass"\n[lists]\nblocked = { file = "blocked.txt" }\n'
        policy += '[[rule]]\nname = "blocked"\nwhen = "request.ip in blocked"\nrespond = { status = 403 }\n'
        found.append(
            Size(
                series="networks in one list, none matches",
                count=count,
                policy=policy,
                files={"blocked.txt": rows},
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Loading:
    """What lighttpd needs to take up a release: with its first request."""

    seconds: float
    mib: float


def _load(server: Gated, path: str) -> Loading:
    before = resident_mib(server.lighttpd.pid)
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url("").rpartition(":")[2]), timeout=30)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()
    return Loading(time.monotonic() - started, resident_mib(server.lighttpd.pid) - before)


def table(stack: ExitStack, directory: Callable[[], Path], cores: Cores, *, rounds: int, seconds: int) -> str:
    """Medians of every size and their ratios to the smallest of its series."""
    scenarios: dict[str, Scenario] = {}
    smallest: dict[str, str] = {}
    rows = sizes()
    servers: dict[str, Gated] = {}
    by_policy: dict[str, Gated] = {}  # series may share one
    loadings: dict[str, Loading] = {}
    for size in rows:
        if size.policy not in by_policy or size.files:
            progress(f"building {size.name}")
            server = Gated(directory(), cores.servers, size.policy, files=size.files, credentials={})
            start(stack, server)
            by_policy[size.policy] = server
            loadings[size.name] = _load(server, size.path)
        servers[size.name] = by_policy[size.policy]
        baseline = smallest.setdefault(size.series, size.name)
        scenarios[size.name] = Scenario(
            name=size.name, baseline=baseline, server=servers[size.name], path=size.path
        )
    measured = measure(list(scenarios.values()), cores=cores, rounds=rounds, seconds=seconds)
    lines = [
        "| series | size | requests/s | of the smallest | CPU µs a request | the smallest's CPU ÷ this "
        "| build s | load ms | load MiB |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for series in smallest:
        for size in (one for one in rows if one.series == series):
            scenario = scenarios[size.name]
            samples, base = measured[size.name], measured[scenario.baseline]
            rate, cpu_us = median_rate(samples), median_cpu_us(samples)
            loading = loadings.get(size.name)
            build = "" if loading is None else f"{servers[scenario.name].build_s:.2f}"
            load = "" if loading is None else f"{loading.seconds * 1000:.0f}"
            mib = "" if loading is None else f"{loading.mib:.1f}"
            lines.append(
                f"| {series} | {size.count:,} | {rate:,.0f} | {rate / median_rate(base):.2f} | {cpu_us:.2f} "
                f"| {median_cpu_us(base) / cpu_us:.2f} | {build} | {load} | {mib} |"
            )
    return "\n".join(lines)
