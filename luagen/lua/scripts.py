"""The two scripts of a release: skeletons filled with the runtime, the settings and the emitted rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from luagen import resources, skeleton
from luagen.lua import emit, literals, parts
from luagen.lua.literals import LuaCode

_TEMPLATES = Path(__file__).parent / "templates"

# Each may use the ones before it.
MODULES = (
    "json", "address", "identity", "claims", "tokens", "pages", "stash", "texts", "automaton",
    "country", "fields", "target", "field_names", "verdicts", "operator", "redirects", "actions",
    "dispatch", "noted", "limits", "cors",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first lines of a generated script say."""

    version: str
    policy_file: str
    policy_sha256: str
    release: str

    def values(self) -> dict[str, LuaCode]:
        return {
            "version": literals.comment(self.version),
            "policy_file": literals.comment(self.policy_file),
            "policy_sha256": literals.comment(self.policy_sha256),
            "release_comment": literals.comment(self.release),
            "release": literals.string(self.release),
        }


Setting = str | bytes | bool | int | None | frozenset[str] | tuple["Setting", ...] | Mapping[str, "Setting"]


def request_script(
    header: Header, settings: Mapping[str, Setting], script: emit.Script, *, hooks: bool
) -> bytes:
    """`request.lua`; `settings` as docs/internals.md lists them.

    `hooks`: whether lighttpd is to ask other modules for their variables before every run.
    """
    constants = parts.split([LuaCode(f"  {constant},") for constant in script.constants])
    rules = parts.split(script.rules, script.uses)
    return skeleton.render(
        _TEMPLATES / "request.lua.j2",
        LuaCode,
        **header.values(),
        modules=[(LuaCode(name), LuaCode(resources.runtime_module(name))) for name in MODULES],
        gate_source=LuaCode(resources.runtime_module("gate")),
        settings=_setting(settings, ""),
        script=script,
        hooks=hooks,
        append=parts.APPEND if max(len(constants), len(rules)) > 1 else None,
        constants=parts.table("K", constants, local=True) if constants else None,
        rules=parts.table("gate.rules", rules),
        names=parts.names(script.names),
    ).encode()


def response_script(header: Header, settings: Mapping[str, Setting]) -> bytes:
    """`response.lua`; `settings` as docs/internals.md lists them."""
    return skeleton.render(
        _TEMPLATES / "response.lua.j2",
        LuaCode,
        **header.values(),
        guard_source=LuaCode(resources.runtime_module("response")),
        settings=_setting(settings, ""),
    ).encode()


def _setting(value: Setting, indent: str) -> LuaCode:
    inner = indent + "  "
    match value:
        case frozenset():
            return literals.string_set(sorted(value), indent=indent)
        case tuple():
            return literals.sequence([_setting(item, inner) for item in value], indent=indent)
        case Mapping():
            # An absent field is nil to Lua.
            fields = {name: _setting(item, inner) for name, item in value.items() if item is not None}
            return literals.record(fields, indent=indent)
        case _:
            return literals.literal(value)
