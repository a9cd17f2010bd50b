"""Scripts for the gate's own tests: hand-written rules around the real runtime, shaped like request.lua."""

from __future__ import annotations

from luagen.lua.scripts import MODULES
from luagen.resources import lighttpd_directory

RUNTIME = lighttpd_directory() / "lua" / "lightgate"

RELEASE = b"r1"

SETTINGS = b"""{
  release = "r1", fingerprint = "f1", default = "pass", epoch_file = "/epoch", secrets_directory = "/nowhere",
  log_decisions = true, strip = { ["x-user"] = true },
  identity_members = { email = true, role = true },
  issuers = {
    { name = "corp", issuer = "https://corp", audience = { shop = true }, tokens = "jwt",
      algorithms = { RS256 = true }, rfc9068 = false, roles = { "roles" }, leeway_s = 30,
      max_lifetime_s = 86400, forward_token = false },
  },
}"""


def _modules(names: tuple[str, ...]) -> bytes:
    return b"".join(
        b"local %s = (function()\n%s\nend)()\n" % (name.encode(), (RUNTIME / f"{name}.lua").read_bytes())
        for name in names
    )


def request_script(rules: bytes, names: tuple[bytes, ...] = (), settings: bytes = SETTINGS) -> bytes:
    """`rules`: Lua function expressions, comma-separated, that may use `gate` and `q`."""
    listed = b", ".join(b'"' + name + b'"' for name in names)
    return (
        b"local gate = _G.lightgate\n"
        b'if gate and gate.release == "r1" and gate.host == lighty.r then return gate.run() end\n'
        b"local before = gate and "
        b"{ release = gate.release, fingerprint = gate.fingerprint, marks = gate.marks }\n"
        + _modules(MODULES)
        + b"local new_gate = (function()\n"
        + (RUNTIME / "gate.lua").read_bytes()
        + b"\nend)()\n"
        + b"gate = new_gate(lighty, "
        + settings
        + b", before)\ngate.rules = { "
        + rules
        + b" }\ngate.names = { "
        + listed
        + b" }\n_G.lightgate = gate\nreturn gate.run()\n"
    )


def response_script(fallbacks: bytes = b"{}") -> bytes:
    return (
        b"local guard = _G.lightgate_response\n"
        b'if guard and guard.release == "r1" and guard.host == lighty.r then return guard.run() end\n'
        b"local new_guard = (function()\n"
        + (RUNTIME / "response.lua").read_bytes()
        + b'\nend)()\nguard = new_guard(lighty, { release = "r1", fallbacks = '
        + fallbacks
        + b" })\n"
        b"_G.lightgate_response = guard\nreturn guard.run()\n"
    )
