"""The files of a release and what each of them says. Reads skeletons, writes nothing.

Nothing here depends on time, host, environment or iteration order of sets: same input, same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import assert_never

from luagen import model, resources, skeleton
from luagen.deployment import Deployment
from luagen.lower import lower
from luagen.lua import emit, scripts
from luagen.reads import Reads, reads_of, stripped_fields

RUNTIME_ABI = 1  # of the interface between generated code and Lua runtime (docs/internals.md)
SIDECAR_FORMAT = 1
MANIFEST_FORMAT = 1

_FINGERPRINT_LENGTH = 20  # hexadecimal digits, as a release id has

_MAX_SOCKET_BYTES = 105  # lighttpd refuses to start with a longer one


class UnsafePathError(ValueError):
    """A path of the deployment cannot be written into lighttpd's configuration; the message says why."""


@dataclass(frozen=True, slots=True)
class ConfText:
    """Text that may be written into a lighttpd configuration file as it is."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A release whose id is not known yet: what its files say, but for the id."""

    policy: model.Policy
    deployment: Deployment
    script: emit.Script
    settings: Mapping[str, scripts.Setting]
    hooks: bool  # whether rules read variables of other modules of lighttpd
    response_settings: Mapping[str, scripts.Setting]
    sidecar: Mapping[str, object]

    def files(self, release: str) -> dict[str, bytes]:
        """All files of a release by name, in order of name; raises UnsafePathError."""
        policy, id_ = self.policy, {"release": release}
        header = scripts.Header(
            version=resources.version(),
            policy_file=policy.file,
            policy_sha256=policy.sha256,
            release=release,
        )
        files = {
            "lightgate.conf": _conf(policy, self.deployment),
            "request.lua": scripts.request_script(
                header, {**id_, **self.settings}, self.script, hooks=self.hooks
            ),
            "response.lua": scripts.response_script(header, {**id_, **self.response_settings}),
            "sidecar.json": _json({**id_, **self.sidecar}),
        }
        files["manifest.json"] = _json(_manifest(policy, self.deployment, release, files))
        return dict(sorted(files.items()))


def draft(policy: model.Policy, deployment: Deployment) -> Draft:
    found = reads_of(policy)
    return Draft(
        policy=policy,
        deployment=deployment,
        script=emit.emit(lower(policy)),
        settings=_settings(policy, deployment, found),
        hooks=found.module_variables,
        response_settings={"fallbacks": _fallbacks(policy)},
        sidecar=_sidecar(policy, deployment, found),
    )


# --- request.lua's settings ------------------------------------------------------------------------


def _settings(policy: model.Policy, deployment: Deployment, found: Reads) -> dict[str, scripts.Setting]:
    return {
        "fingerprint": _fingerprint(policy, found),
        "default": policy.default.value,
        "epoch_file": deployment.epoch_file,
        "secrets_directory": deployment.secrets_directory,
        "log_decisions": deployment.log_decisions,
        "strip": stripped_fields(policy),
        "identity_members": frozenset(found.identity_members),
        "claims": found.claims,
        "country": _country(policy.country),
        "issuers": tuple(map(_lua_issuer, policy.auths)),
    }


def _country(country: model.Country | None) -> scripts.Setting:
    if country is None:
        return None
    return {
        "variable": country.variable,
        "header": country.header,
        "trusted": tuple(map(str, country.trusted)) if country.header else None,
    }


def _fingerprint(policy: model.Policy, found: Reads) -> str:
    """Of all that decides who a caller is: releases with the same one take each other's identities."""
    decisive = {
        "identity_members": list(found.identity_members),
        "claims": list(found.claims),
        "issuers": [_sidecar_issuer(auth) for auth in policy.auths],
    }
    return hashlib.sha256(_json(decisive)).hexdigest()[:_FINGERPRINT_LENGTH]


def _lua_issuer(auth: model.Auth) -> Mapping[str, scripts.Setting]:
    return {
        "name": auth.name,
        "issuer": auth.issuer,
        "audience": frozenset(auth.audience),
        "tokens": auth.tokens.value,
        "algorithms": frozenset(auth.algorithms),
        "secret": auth.keys.credential if isinstance(auth.keys, model.SharedSecret) else None,
        "rfc9068": auth.rfc9068,
        "roles": auth.roles,
        "leeway_s": auth.leeway_s,
        "max_lifetime_s": auth.max_lifetime_s,
        "forward_token": auth.forward_token,
    }


# --- response.lua's settings -----------------------------------------------------------------------


def _fallbacks(policy: model.Policy) -> scripts.Setting:
    found = [rule.action.stand_in() for rule in policy.all_rules()]
    by_key = {one.key: one for one in found if one is not None}
    return tuple(
        {
            "key": one.key,
            "on": frozenset(map(str, one.on)),
            "status": one.status,
            "body": one.body,
            "content_type": one.content_type,
            "retry_after": None if one.retry_after_s is None else str(one.retry_after_s),
        }
        for _, one in sorted(by_key.items())
    )


# --- lightgate.conf --------------------------------------------------------------------------------


def _conf(policy: model.Policy, deployment: Deployment) -> bytes:
    """Says nothing about the release: a change of this file is a reason to reload lighttpd."""
    if len(deployment.authorizer_socket.encode()) > _MAX_SOCKET_BYTES:
        raise UnsafePathError(
            f"the path of a socket is longer than {_MAX_SOCKET_BYTES} bytes: `{deployment.authorizer_socket}`"
        )
    directory = deployment.release_directory.rstrip("/")
    return skeleton.render(
        resources.lighttpd_directory() / "conf" / "lightgate.conf.j2",
        ConfText,
        version=_conf_comment(resources.version()),
        request_lua=_conf_path(f"{directory}/request.lua"),
        response_lua=_conf_path(f"{directory}/response.lua"),
        authorizer_socket=_conf_path(deployment.authorizer_socket),
        connect_timeout_s=ConfText(str(deployment.connect_timeout_s)),
        write_timeout_s=ConfText(str(deployment.write_timeout_s)),
        read_timeout_s=ConfText(str(deployment.read_timeout_s)),
        deadline_s=ConfText(str(deployment.deadline_s)),
        origins=[
            {
                "name": ConfText(origin.name),
                "host": None if origin.host is None else ConfText(f'"{origin.host}"'),
                "port": ConfText(str(origin.port)),
                "socket": None if origin.socket is None else _conf_path(origin.socket),
            }
            for origin in policy.origins
        ],
    ).encode()


def _conf_path(path: str) -> ConfText:
    """A quoted string of lighttpd's configuration language, which has escapes but no need for them here."""
    if not path.startswith("/"):
        raise UnsafePathError(f"a path for lighttpd must be absolute: `{path}`")
    if not path.isprintable() or any(char in path for char in "\"'\\"):
        raise UnsafePathError(f"a path for lighttpd must not hold quotes or control characters: {path!r}")
    return ConfText(f'"{path}"')


def _conf_comment(text: str) -> ConfText:
    return ConfText("".join(char if char.isprintable() else "?" for char in text))


# --- sidecar.json, manifest.json -------------------------------------------------------------------


def _sidecar(policy: model.Policy, deployment: Deployment, found: Reads) -> dict[str, object]:
    return {
        "format": SIDECAR_FORMAT,
        "authorizer_socket": deployment.authorizer_socket,
        "http_socket": deployment.http_socket,
        "epoch_file": deployment.epoch_file,
        "secrets_directory": deployment.secrets_directory,
        "keys_directory": deployment.keys_directory,
        "deadline_s": deployment.deadline_s,
        "identity_members": list(found.identity_members),
        "claims": list(found.claims),
        "issuers": [_sidecar_issuer(auth) for auth in policy.auths],
    }


def _sidecar_issuer(auth: model.Auth) -> dict[str, object]:
    return {
        "name": auth.name,
        "issuer": auth.issuer,
        "audience": list(auth.audience),
        "tokens": auth.tokens.value,
        "algorithms": list(auth.algorithms),
        "keys": None if auth.keys is None else _keys(auth.keys),
        "refused_keys": list(auth.refused_keys),
        "introspection": None if auth.introspection is None else asdict(auth.introspection),
        "rfc9068": auth.rfc9068,
        "roles": list(auth.roles),
        "leeway_s": auth.leeway_s,
        "max_lifetime_s": auth.max_lifetime_s,
    }


def _keys(source: model.KeySource) -> dict[str, object]:
    match source:
        case model.DiscoveredKeys():
            return {"from": "discovery"}
        case model.JwksUrl(url=url):
            return {"from": "jwks_url", "url": url}
        case model.JwksDocument(text=text):
            return {"from": "jwks", "jwks": json.loads(text)}
        case model.PemKey(text=text):
            return {"from": "pem", "pem": text}
        case model.SharedSecret(credential=credential):
            return {"from": "secret", "credential": credential}
    assert_never(source)


def _manifest(
    policy: model.Policy, deployment: Deployment, release: str, files: Mapping[str, bytes]
) -> dict[str, object]:
    return {
        "format": MANIFEST_FORMAT,
        "release": release,
        "lightgate": resources.version(),
        "policy": {"file": policy.file, "sha256": policy.sha256},
        "runtime_abi": RUNTIME_ABI,
        "deployment": asdict(deployment),
        "files": [
            {"name": name, "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(files.items())
        ],
    }


def _json(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document, sort_keys=True, indent=2, ensure_ascii=True) + "\n").encode()
