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
from luagen import compile_policy
from luagen.deployment import Deployment

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


def _rules(count: int, *kinds: tuple[str, str], before: str = "") -> str:
    """Rules with these conditions and actions, in turn, which differ in `{n}` only."""
    rules = (
        f"[[rule]]\nname = \"rule {n}\"\nwhen = '{when.format(n=n)}'\n{action.format(n=n)}\n"
        for n in range(count)
        for when, action in (kinds[n % len(kinds)],)
    )
    return 'default = "pass"\n\n' + before + "\n".join(rules)


def sizes() -> list[Size]:
    """All series, small ones first."""
    redirect = 'redirect = {{ to = "/new/{n}", status = 301 }}'
    found = []
    for count in RULES:
        on_paths = _rules(count, ('request.path == "/old/page-{n}"', redirect))
        last = f"/old/page-{count - 1}"
        on_prefixes = _rules(count, ('request.path.startswith("/archive/{n}/")', redirect))
        on_hosts = _rules(count, ('request.host == "shop-{n}.example.org"', redirect))
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
                policy=_rules(1, ("True", 'redirects = {{ file = "moved.csv", status = 301 }}')),
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


_ISSUER = '[auth.corp]\nissuer = "https://corp.example.org"\naudience = "shop"\nroles = "roles"\n\n'
_WITH_ROLE = 'require = {{ auth = "corp", that = "\\"role-{n}\\" in identity.roles" }}'
_REFUSES = "respond = {{ status = 403 }}"

# Conditions and actions of the rules of a mixed policy, in turn.
_MIX = (
    ('request.path == "/old/page-{n}"', 'redirect = {{ to = "/new/{n}" }}'),
    ('under(request.path, "/area-{n}")', _WITH_ROLE),
    (
        'request.host == "shop-{n}.example.org" and request.method in ("GET", "HEAD")',
        'redirect = {{ to = "https://www.example.org/{n}{{request.path}}" }}',
    ),
    (
        'request.path.startswith("/archive/{n}/") and not request.ip in ("10.0.0.0/8", "192.0.2.0/24")',
        _REFUSES,
    ),
    (
        'glob("/users/{n}/photos/**", request.path)',
        'set_response_headers = {{ Cache-Control = "max-age={n}" }}',
    ),
    (
        'matches(r"^/shop/item-{n}/(?P<id>[0-9]+)$", request.path)',
        "rewrite = {{ path = \"/item/{{match['id']}}\" }}",
    ),
    (
        'under(request.path, "/team-{n}") and "admin-{n}" in identity.roles',
        'set_request_headers = {{ X-Team = "{n}-{{identity.sub}}" }}',
    ),
    (
        'request.path == "/api/{n}" and request.headers["x-api-key"] == "" and len(request.query) > 10',
        'respond = {{ status = 401, body = "key, please" }}',
    ),
)


def building_table(directory: Path) -> str:
    """Processor time of checking and building policies of 10,000 rules of several kinds."""
    count = RULES[-1]
    kinds = {
        "a path each": _rules(count, _MIX[0]),
        "a caller with a role below each path": _rules(
            count, ('under(request.path, "/area-{n}")', _WITH_ROLE), before=_ISSUER
        ),
        "a mix": _rules(count, *_MIX, before=_ISSUER),
        "a pattern each that begins differently": _rules(
            count, ('matches(r"^/shop/item-{n}/[0-9]+$", request.path)', _REFUSES)
        ),
        "a pattern each that ends differently": _rules(
            count, ('matches(r"^/shop/[a-z]+/item-{n}$", request.path)', _REFUSES)
        ),
    }
    lines = ["| rules | build s |", "| --- | --: |"]
    for kind, policy in kinds.items():
        progress(f"building {count:,} rules: {kind}")
        file = directory / "lightgate.toml"
        file.write_text(policy)
        started = time.process_time()
        compilation = compile_policy(file, Deployment())
        seconds = time.process_time() - started
        if compilation.release is None:
            raise RuntimeError(f"bug in bench: {compilation.diagnostics[0].message}")
        lines.append(f"| {kind} | {seconds:.1f} |")
    return "\n".join(lines)


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
