"""Where a release runs: the paths and limits that generated files name.

Part of a release's content hash, so that two hosts with different paths never share a release id.
The defaults are the installed host's (design section 7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    release_directory: str = "/var/lib/lightgate/current"  # where lighttpd finds request.lua and response.lua
    authorizer_socket: str = "/run/lightgate/authorizer.sock"  # FastCGI
    http_socket: str = "/run/lightgate/http.sock"  # health, metrics
    epoch_file: str = "/run/lightgate/epoch"  # touched by the sidecar when verdicts must be forgotten
    secrets_directory: str = "/run/lightgate/secrets"  # HMAC secrets published by the sidecar for Lua
    keys_directory: str = "/run/lightgate/keys"  # issuers' key sets, kept by the sidecar through its restarts
    connect_timeout_s: int = 2
    write_timeout_s: int = 5
    read_timeout_s: int = 10  # of lighttpd on the authorizer; fires up to two seconds later
    deadline_s: int = 8  # the sidecar answers within this; less than read_timeout_s
    log_decisions: bool = False  # give the access log LIGHTGATE_RULE, LIGHTGATE_DECISION, LIGHTGATE_WHERE

    @classmethod
    def below(cls, run_directory: str, *, release_directory: str, **others: int | bool) -> Deployment:
        """One whose sockets and files lie in `run_directory`; `others` are fields by name."""
        directory = run_directory.rstrip("/")
        paths = cls(
            release_directory=release_directory,
            authorizer_socket=f"{directory}/authorizer.sock",
            http_socket=f"{directory}/http.sock",
            epoch_file=f"{directory}/epoch",
            secrets_directory=f"{directory}/secrets",
            keys_directory=f"{directory}/keys",
        )
        return replace(paths, **others)  # type: ignore[arg-type]
