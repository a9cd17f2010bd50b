"""The actions of rules, one module each: what a policy file says, what it means, and what Lua does.

`ACTIONS` is the one list of them, by key, in the order of the documentation. A new action is a class here and
a function of the Lua runtime (docs/internals.md).
"""

from __future__ import annotations

from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.actions.cors import Cors
from luagen.actions.fallback import Fallback
from luagen.actions.limit import Limit
from luagen.actions.log import Log
from luagen.actions.moved import Redirects
from luagen.actions.origin import ChooseOrigin
from luagen.actions.redirect import Redirect
from luagen.actions.request_headers import AddRequestHeaders, RemoveRequestHeaders, SetRequestHeaders
from luagen.actions.require import Require
from luagen.actions.respond import Maintenance, Respond
from luagen.actions.response_headers import AddResponseHeaders, RemoveResponseHeaders, SetResponseHeaders
from luagen.actions.rewrite import Rewrite
from luagen.actions.security_headers import SecurityHeaders
from luagen.actions.set_env import SetEnv
from luagen.schema import TABLES, Key

ACTIONS: dict[str, type[Action]] = {
    action.key: action
    for action in (
        Respond,
        Maintenance,
        Redirect,
        Redirects,
        Require,
        Limit,
        Cors,
        Rewrite,
        ChooseOrigin,
        Fallback,
        SetRequestHeaders,
        AddRequestHeaders,
        RemoveRequestHeaders,
        SetEnv,
        SetResponseHeaders,
        AddResponseHeaders,
        RemoveResponseHeaders,
        SecurityHeaders,
        Log,
    )
}

RULE_KEYS: tuple[Key, ...] = (
    *TABLES["rule"],
    *(Key(action.key, action.takes, action.doc) for action in ACTIONS.values()),
)

__all__ = [
    "ACTIONS",
    "RULE_KEYS",
    "Action",
    "ActionContext",
    "AddRequestHeaders",
    "AddResponseHeaders",
    "ChooseOrigin",
    "Cors",
    "Fallback",
    "Limit",
    "Log",
    "Maintenance",
    "Redirect",
    "Redirects",
    "RemoveRequestHeaders",
    "RemoveResponseHeaders",
    "Require",
    "Respond",
    "Rewrite",
    "SecurityHeaders",
    "SetEnv",
    "SetRequestHeaders",
    "SetResponseHeaders",
]
