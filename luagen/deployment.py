"""Where a release runs: the paths and limits that generated files name.

Part of a release's content hash, so that two hosts with different paths never share a release id.
The defaults are the installed host's (design section 7).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    release_directory: str = "/var/lib/lightgate/current"  # where lighttpd finds request.lua and response.lua
    authorizer_socket: str = "/run/lightgate/authorizer.sock"  # FastCGI
    http_socket: str = "/run/lightgate/http.sock"  # health, metrics
    epoch_file: str = "/run/lightgate/epoch"  # touched by the sidecar when verdicts must be forgotten
    secrets_directory: str = "/run/lightgate/secrets"  # HMAC secrets published by the sidecar for Lua
    connect_timeout_s: int = 2
    write_timeout_s: int = 5
    read_timeout_s: int = 10  # of lighttpd on the authorizer; fires up to two seconds later
    deadline_s: int = 8  # the sidecar answers within this; less than read_timeout_s
    log_decisions: bool = False  # give the access log LIGHTGATE_RULE, LIGHTGATE_DECISION, LIGHTGATE_WHERE
