"""A policy file's whole way: from its text to a release."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from luagen import model
from luagen.check import check_file
from luagen.deployment import Deployment
from luagen.diagnostics import Diagnostic
from luagen.model import Policy
from luagen.release import Release, build_release

# What identity providers sign with; a replaced issuer publishes its keys, so none of its keys is shared.
_REPLACED_ALGORITHMS = ("RS256", "ES256")

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Compilation:
    """What became of a policy file; with an error among the diagnostics it is neither policy nor release."""

    release: Release | None
    policy: Policy | None
    diagnostics: tuple[Diagnostic, ...]


def compile_policy(path: Path, deployment: Deployment, *, issuers: Mapping[str, str] = _NONE) -> Compilation:
    """Compiles a policy file for a deployment.

    `issuers` maps names of auths to issuer URLs that stand in for their own (`lightgate dev --idp`): tokens
    of such an auth are JWTs whose keys come from the URL's discovery document. Raises ValueError when it
    names an auth that the policy does not have, `artifacts.UnsafePathError` when a path of the deployment
    cannot be written into lighttpd's configuration.
    """
    with _without_collection():
        policy, diagnostics = check_file(path)
        if policy is None:
            return Compilation(None, None, diagnostics)
        policy = _with_issuers(policy, issuers)
        return Compilation(build_release(policy, deployment), policy, diagnostics)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Saves a fifth of the time: nearly all objects of a compilation stay until its end."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _with_issuers(policy: Policy, issuers: Mapping[str, str]) -> Policy:
    unknown = issuers.keys() - {auth.name for auth in policy.auths}
    if unknown:
        raise ValueError(f"the policy has no auth named `{min(unknown)}`")
    auths = tuple(
        _replaced(auth, issuers[auth.name]) if auth.name in issuers else auth for auth in policy.auths
    )
    return replace(policy, auths=auths)


def _replaced(auth: model.Auth, issuer: str) -> model.Auth:
    asymmetric = tuple(name for name in auth.algorithms if not name.startswith("HS"))
    return replace(
        auth,
        issuer=issuer,
        tokens=model.Tokens.JWT,
        algorithms=asymmetric or _REPLACED_ALGORITHMS,
        keys=model.DiscoveredKeys(),
        introspection=None,
    )
