"""`python -m bench`: measures, and prints Markdown tables of medians and of ratios within the run."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import growth
from bench.load import LoadError, Sample, resident_mib, run
from bench.minting import AUDIENCE, HMAC_ISSUER, RSA_ISSUER, Mint
from bench.scenario import (
    Cores,
    Scenario,
    available_cores,
    measure,
    median_cpu_us,
    median_rate,
    progress,
    start,
)
from bench.servers import PAGE_BYTES, Bare, Gated
from tests.system.processes import Process, poll

# Both generations of the verdict cache hold 10,000: of twice as many in turn, none is ever remembered.
NEVER_SEEN = 20_000
ROTATED = 10_000
REMEMBERED = 4_000  # fits into one generation
ALONE = "lighttpd alone"
ALONE_WITH_TOKENS = "lighttpd alone, tokens sent"
WAITING = 100
PROVIDER_DELAY_S = 1

RULES = "".join(
    f"""
[[rule]]
name = "old address {number}"
when = 'request.path.startswith("/archive/{number}/") and request.method == "GET"'
redirect = {{ to = "/{number}/", status = 301 }}
"""
    for number in range(17)
)

POLICY = f"""
default = "pass"

[auth.corp]
issuer = "{RSA_ISSUER}"
audience = ["{AUDIENCE}"]
roles = "realm_access.roles"
jwks_file = "keys.json"

[auth.partner]
issuer = "{HMAC_ISSUER}"
audience = ["{AUDIENCE}"]
roles = "realm_access.roles"
secret = "partner"
{RULES}
[[rule]]
name = "no dotfiles"
when = '"/." in request.path'
respond = {{ status = 404 }}

[[rule]]
name = "members sign in"
when = 'request.path.startswith("/members/")'
require = {{ auth = ["corp", "partner"] }}

[[rule]]
name = "tell the application who it is"
when = 'request.path.startswith("/members/") and identity'
set_request_headers = {{ "X-User" = "{{identity.sub}}" }}
"""

SLOW_POLICY = f"""
default = "pass"

[auth.corp]
issuer = "http://127.0.0.1"
audience = ["{AUDIENCE}"]
tokens = "opaque"

[auth.corp.introspection]
endpoint = "http://127.0.0.1:PORT/introspect"
client_id = "bench"
credential = "bench"

[[rule]]
name = "members sign in"
when = 'request.path.startswith("/members/")'
require = {{ auth = "corp" }}
"""


def measure_waiting(
    server: Gated, *, cores: Cores, rounds: int, seconds: int, log: Path
) -> tuple[list[Sample], list[Sample]]:
    """Static requests alone, and beside WAITING requests that wait for the provider; rounds in turn."""
    alone: list[Sample] = []
    beside: list[Sample] = []

    def static() -> Sample:
        url = server.url("/public/page.txt")
        return run(url, server.pids, core=cores.load, seconds=seconds, credentials=None, refused=False)

    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}: beside {WAITING} waiting requests")
        alone.append(static())
        port = server.url("").rpartition(":")[2]
        callers = Process([sys.executable, "-m", "bench.waiting", "callers", port, str(WAITING)], log=log)
        try:
            poll("requests wait", lambda: (server.metric("lightgate_waiting") or 0) >= WAITING * 0.9)
            beside.append(static())
        finally:
            callers.stop()
    return alone, beside


def table(scenarios: list[Scenario], measured: dict[str, list[Sample]]) -> str:
    """Medians of every scenario, and their ratios to lighttpd alone under the same load."""
    lines = [
        "| scenario | requests/s | of lighttpd alone | CPU µs a request | lighttpd's CPU ÷ its |",
        "| --- | --: | --: | --: | --: |",
    ]
    for scenario in scenarios:
        samples, alone = measured[scenario.name], measured[scenario.baseline]
        rate, cpu_us = median_rate(samples), median_cpu_us(samples)
        of_alone, cpu_ratio = rate / median_rate(alone), median_cpu_us(alone) / cpu_us
        lines.append(f"| {scenario.name} | {rate:,.0f} | {of_alone:.2f} | {cpu_us:.2f} | {cpu_ratio:.2f} |")
    return "\n".join(lines)


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def directories(stack: ExitStack) -> Callable[[], Path]:
    """Makes short directories (a socket path has 105 bytes) that last as long as the stack."""
    return lambda: Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lgb", dir="/tmp")))


def cost(stack: ExitStack, cores: Cores, *, rounds: int, seconds: int) -> str:
    """What a request costs, as a ratio to lighttpd alone."""
    directory = directories(stack)
    tokens, mint = directory(), Mint()
    progress("minting tokens")
    rs256 = mint.rs256(NEVER_SEEN)
    never_seen = write_lines(tokens / "never_seen", rs256)
    rotated = write_lines(tokens / "rotated", rs256[:ROTATED])
    remembered = write_lines(tokens / "remembered", rs256[:REMEMBERED])
    repeated = write_lines(tokens / "repeated", rs256[:1])
    expired = write_lines(tokens / "expired", mint.rs256(1, ttl_s=-3600))
    hs256 = write_lines(tokens / "hs256", mint.hs256(NEVER_SEEN))

    bare = Bare(directory(), cores.servers)
    gated = Gated(
        directory(),
        cores.servers,
        POLICY,
        files={"keys.json": mint.jwks()},
        credentials={"partner": mint.secret},
    )
    start(stack, bare)
    start(stack, gated)
    members = "/members/page.txt"

    def with_token(name: str, credentials: Path, *, refused: bool = False, unseen: bool = False) -> Scenario:
        return Scenario(
            name=name,
            baseline=ALONE_WITH_TOKENS,
            server=gated,
            path=members,
            credentials=credentials,
            refused=refused,
            forgotten=gated if unseen else None,
        )

    scenarios = [
        Scenario(name=ALONE, baseline=ALONE, server=bare, path=members),
        Scenario(name="public path, 20 rules", baseline=ALONE, server=gated, path="/public/page.txt"),
        Scenario(
            name=ALONE_WITH_TOKENS,
            baseline=ALONE_WITH_TOKENS,
            server=bare,
            path=members,
            credentials=rotated,
        ),
        with_token("an expired token, refused in Lua", expired, refused=True),
        with_token("one RS256 token, remembered", repeated),
        with_token(f"{REMEMBERED:,} RS256 tokens in turn, remembered", remembered),
        with_token(f"{ROTATED:,} RS256 tokens in turn", rotated),
        with_token("HS256 tokens never seen, verified in Lua", hs256, unseen=True),
        with_token("RS256 tokens never seen, verified by the sidecar", never_seen, unseen=True),
    ]
    samples = measure(scenarios, cores=cores, rounds=rounds, seconds=seconds)
    memory = (
        f"Memory after it: lighttpd {resident_mib(gated.lighttpd.pid):.0f} MiB, "
        f"sidecar {resident_mib(gated.sidecar.pid):.0f} MiB."
    )

    log = directory() / "waiting.log"
    argv = [sys.executable, "-m", "bench.waiting", "provider", str(PROVIDER_DELAY_S)]
    provider = Process(["taskset", "-c", str(cores.load), *argv], log=log)
    stack.callback(provider.stop)
    policy = SLOW_POLICY.replace("PORT", str(provider.printed_port()))
    slow = Gated(directory(), cores.servers, policy, files={}, credentials={"bench": "x" * 40})
    start(stack, slow)
    alone, beside = measure_waiting(slow, cores=cores, rounds=rounds, seconds=seconds, log=log)
    ratio = median_rate(beside) / median_rate(alone)
    waiting = (
        f"Static requests beside {WAITING} that wait {PROVIDER_DELAY_S} s for the provider: "
        f"{ratio:.2f} of those alone."
    )
    return "\n\n".join([table(scenarios, samples), memory, waiting])


def versions() -> str:
    lighttpd = subprocess.run(
        ["lighttpd", "-v"], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    return (
        f"{lighttpd.split(' - ')[0].strip()}, Python {sys.version.split()[0]}, file of {PAGE_BYTES:,} bytes"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=5, help="interleaved rounds of every scenario (default 5)"
    )
    parser.add_argument("--seconds", type=int, default=1, help="length of a round in seconds (default 1)")
    parser.add_argument(
        "what", nargs="?", choices=("all", "cost", "growth"), default="all", help="a part of it (default all)"
    )
    arguments = parser.parse_args()
    missing = [command for command in ("lighttpd", "taskset", "wrk") if shutil.which(command) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; try `apt-get install lighttpd util-linux wrk`")
    cores, rounds, seconds = available_cores(), arguments.rounds, arguments.seconds
    print(f"{versions()}; medians of {rounds} rounds of {seconds} s.")
    try:
        if arguments.what in ("all", "cost"):
            with ExitStack() as stack:
                print("\n" + cost(stack, cores, rounds=rounds, seconds=seconds), flush=True)
        if arguments.what in ("all", "growth"):
            with ExitStack() as stack:
                directory = directories(stack)
                print("\n" + growth.table(stack, directory, cores, rounds=rounds, seconds=seconds))
                print("\n" + growth.building_table(directory()))
    except LoadError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
