"""The credentials that a release names, and whether this host has them. Of secrets only the length is looked
at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from luagen.failure import Failure
from luagen.host import credentials
from luagen.host.settings import HostSettings

# RFC 7518 section 3.2: a key has at least the size of the hash. The sidecar refuses shorter ones.
HMAC_MIN_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}


@dataclass(frozen=True, slots=True)
class Named:
    """A credential that a release names. `algorithms`: those for which it is a shared secret, () for none."""

    name: str
    algorithms: tuple[str, ...] = ()

    @property
    def min_bytes(self) -> int:
        return max((HMAC_MIN_BYTES[one] for one in self.algorithms), default=0)


def names(sidecar: Mapping[str, Any]) -> frozenset[str]:
    """The names in a sidecar.json."""
    return frozenset(one.name for one in read(sidecar))


def read(sidecar: Mapping[str, Any]) -> tuple[Named, ...]:
    """The credentials in a sidecar.json, each once. Raises KeyError, TypeError when it is none."""
    found: dict[str, tuple[str, ...]] = {}
    for issuer in sidecar["issuers"]:
        keys, introspection = issuer["keys"] or {}, issuer["introspection"] or {}
        if "credential" in keys:
            name = keys["credential"]
            found[name] = (
                *found.get(name, ()),
                *(one for one in issuer["algorithms"] if one in HMAC_MIN_BYTES),
            )
        if "credential" in introspection:
            found.setdefault(introspection["credential"], ())
    return tuple(Named(name, tuple(dict.fromkeys(algorithms))) for name, algorithms in found.items())


def in_force(settings: HostSettings) -> tuple[Named, ...]:
    """Those that the release in force names; () when there is none, or it cannot be read."""
    try:
        return read(json.loads((settings.current / "sidecar.json").read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def require_length(named: Named, size: int) -> None:
    """Raises Failure when a secret of `size` bytes is too short for what it is used for."""
    if size < named.min_bytes:
        algorithm = max(named.algorithms, key=HMAC_MIN_BYTES.__getitem__)
        raise Failure(
            f"the secret `{named.name}` has {size} bytes, and {algorithm} takes at least {named.min_bytes}",
            f"openssl rand -base64 {named.min_bytes} makes one that is long enough",
        )


def require(settings: HostSettings, sidecar: Mapping[str, Any]) -> None:
    """Raises Failure when this host does not have all credentials of a sidecar.json: one that the sidecar
    would not start without, or a shared secret that it would refuse as too short.

    Does nothing where they cannot be looked for: containers may hand them to the sidecar in other ways.
    """
    directories = (settings.credentials_directory, settings.sealed_credentials_directory)
    try:
        if not any(directory.is_dir() for directory in directories):
            return
        there = {one.name: one for one in credentials.stored(settings)}
    except (Failure, OSError):
        return
    named = read(sidecar)
    if missing := [one.name for one in named if one.name not in there]:
        shown = ", ".join(f"`{name}`" for name in missing)
        raise Failure(
            f"the policy names credentials that are not there: {shown}"
            if len(missing) > 1
            else f"the policy names a credential that is not there: {shown}",
            "; ".join(f"lightgate credential set {name}" for name in missing),
        )
    for one in named:
        if not there[one.name].sealed:  # whose size says little
            try:
                require_length(one, there[one.name].size)
            except Failure as failure:
                raise Failure(
                    failure.message,
                    f"openssl rand -base64 {one.min_bytes} | lightgate credential rotate {one.name}",
                ) from failure
