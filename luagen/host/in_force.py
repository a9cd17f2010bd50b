"""The release in force on this host: what its files say about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luagen.failure import Failure
from luagen.host import file_errors, records
from luagen.host.records import Record
from luagen.host.settings import HostSettings

_DEPLOY = "lightgate deploy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer as the release's sidecar.json has it. `keys_from`: `discovery`, `jwks_url`, `jwks`, `pem`,
    `secret`, or None where tokens are only introspected."""

    name: str
    issuer: str
    keys_from: str | None
    jwks_url: str | None
    introspects: bool
    introspection_endpoint: str | None
    credentials: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release that the link points to. `files`: SHA-256 by name, as its manifest has them; `deployment`: as
    `Deployment` has it. A release that was put in place by hand has no record."""

    id: str
    directory: Path
    lightgate: str
    policy_file: str
    policy_sha256: str
    files: Mapping[str, str]
    deployment: Mapping[str, object]
    issuers: tuple[Issuer, ...]
    record: Record | None

    @property
    def credentials(self) -> tuple[str, ...]:
        """The names of the credentials that it needs, each once."""
        return tuple(dict.fromkeys(name for issuer in self.issuers for name in issuer.credentials))


def read(settings: HostSettings) -> Release:
    """The release that `settings.current` points to. Raises Failure when there is none, or it cannot be
    read."""
    link = settings.current
    if not link.is_symlink():
        raise Failure(f"no release is in force: there is no link `{link}`", _DEPLOY)
    directory = link.resolve()
    if not directory.is_dir():
        raise Failure(f"`{link}` points to `{directory}`, which is not there", "lightgate rollback")
    try:
        manifest = _object(directory / "manifest.json")
        sidecar = _object(directory / "sidecar.json")
        return Release(
            id=str(manifest["release"]),
            directory=directory,
            lightgate=str(manifest["lightgate"]),
            policy_file=str(manifest["policy"]["file"]),
            policy_sha256=str(manifest["policy"]["sha256"]),
            files={str(file["name"]): str(file["sha256"]) for file in manifest["files"]},
            deployment=dict(manifest["deployment"]),
            issuers=tuple(map(_issuer, sidecar["issuers"])),
            record=records.read(settings.releases / f"{directory.name}.json"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(f"`{directory}` is not a release that this lightgate reads", _DEPLOY) from error
    except OSError as error:
        raise file_errors.failure(error, f"read the release in force, `{directory}`") from error


def _object(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict):
        raise TypeError
    return document


def _issuer(document: dict[str, Any]) -> Issuer:
    keys = document["keys"] or {}
    introspection = document["introspection"]
    credentials = [keys["credential"]] if keys.get("from") == "secret" else []
    if introspection is not None:
        credentials.append(introspection["credential"])
    return Issuer(
        name=document["name"],
        issuer=document["issuer"],
        keys_from=keys.get("from"),
        jwks_url=keys.get("url"),
        introspects=introspection is not None,
        introspection_endpoint=None if introspection is None else introspection["endpoint"],
        credentials=tuple(credentials),
    )
