"""A request's passes through a gate with hand-written rules: the first, and that after an answer."""

from __future__ import annotations

from luagen.lua.host import Host, Outcome, Request
from tests.lua.scripts import request_script
from tests.lua.test_tokens import NOW, claims, token

TOKEN = token({"alg": "RS256"}, claims(iss="https://corp"))
BEARER = (b"Authorization", b"Bearer " + TOKEN)
ALICE = b"release=r1&provider=corp&sub=alice&role=admin"
SHOW_CALLER = b"""
function(q)
  local caller = gate.identity(q, 1)
  if q.stop then return q.stop end
  gate.set_request_header(q, "X-User", caller.sub)
  return nil
end"""
MEMBERS = b"""
function(q)
  local refusal = gate.require_identity(q, 1, { corp = true }, "corp")
  if refusal then return refusal end
  gate.permit(q, 1)
  return nil
end"""


def run(host: Host, request: Request, rules: bytes, names: tuple[bytes, ...] = (b"one", b"two")) -> Outcome:
    host.open(request)
    return host.run(request_script(rules, names))


def allow(outcome: Outcome, **changes: bytes) -> dict[bytes, bytes]:
    """The variables of an honest allow for this deferral."""
    variables = {
        b"LIGHTGATE_ANSWER": outcome.env[b"LIGHTGATE_RELEASE"] + b" " + outcome.env[b"LIGHTGATE_NONCE"],
        b"LIGHTGATE_IDENTITY": ALICE,
        b"LIGHTGATE_EXPIRES": b"%d" % (NOW + 60),
    }
    variables.update({b"LIGHTGATE_" + name.upper().encode(): value for name, value in changes.items()})
    return {name: value for name, value in variables.items() if value}


def deferred(host: Host, request: Request, rules: bytes) -> Outcome:
    outcome = run(host, request, rules)
    assert outcome.deferred, outcome
    return outcome


def second_pass(host: Host, request: Request, rules: bytes, variables: dict[bytes, bytes]) -> Outcome:
    host.answer(request, variables)
    return host.run(request_script(rules, (b"one", b"two")))
