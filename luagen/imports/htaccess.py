"""Apache's `.htaccess` of a site's topmost directory: mod_alias and mod_rewrite. Does no I/O.

There mod_rewrite runs before mod_alias, wherever their directives stand (fixups hooks: APR_HOOK_FIRST and
APR_HOOK_MIDDLE), so its rules come first. In each the first that fits decides.
"""

from __future__ import annotations

from luagen.imports import htaccess_rewrite, htaccess_syntax, redirects
from luagen.imports.htaccess_rewrite import Condition
from luagen.imports.htaccess_syntax import Directive
from luagen.imports.redirects import Group, Part, Redirect
from luagen.imports.regex import PathShape, Pattern
from luagen.imports.result import (
    REDIRECT_STATUSES,
    Item,
    Note,
    NotTranslatable,
    Refusal,
    Section,
    Untranslated,
)

_STATUS_WORDS = {"permanent": 301, "temp": 302, "seeother": 303, "gone": 410}
_ALIAS = ("redirect", "redirectmatch", "redirectpermanent", "redirecttemp")
_REWRITE = ("rewriterule", "rewritecond", "rewritebase")


def read(text: str) -> list[Section]:
    reader = _Reader()
    for directive in htaccess_syntax.parse(text):
        reader.add(directive)
    return [Section(None, reader.items())]


class _Reader:
    def __init__(self) -> None:
        self._alias: list[Item] = []
        self._rewrite: list[Item] = []
        self._conditions: list[Condition] = []
        self._why_not: NotTranslatable | None = None  # of a condition: the rule is not translated either
        self._engine: Directive | None = None
        self._base = "/"
        self._left_out: dict[str, Directive] = {}

    def add(self, directive: Directive) -> None:
        name = directive.name
        if name == "rewriteengine":
            self._engine = directive
        elif name in _ALIAS or name in _REWRITE:
            target = self._alias if name in _ALIAS else self._rewrite
            try:
                if _inactive(directive):
                    target.append(Note(directive.origin, "left out: it is for servers without the module"))
                else:
                    target += self._translated(directive)
            except NotTranslatable as error:
                target.append(Untranslated(directive.origin, str(error)))
        elif name not in ("rewriteoptions",):
            self._left_out.setdefault(directive.origin.text.split()[0], directive)

    def items(self) -> list[Item]:
        engine = self._engine
        is_off = engine is not None and engine.args[:1] and engine.args[0].lower() == "off"
        if engine is not None and is_off and self._rewrite:
            self._rewrite = [Note(engine.origin, "rewrite rules left out: the engine is off")]
        found: list[Item] = []
        if self._left_out:
            names = ", ".join(f"`{name}`" for name in sorted(self._left_out))
            first = min(self._left_out.values(), key=lambda one: one.origin.line)
            found.append(Note(first.origin, f"not about redirects, left out: {names}"))
        return [*found, *self._rewrite, *self._alias]

    def _translated(self, directive: Directive) -> list[Item]:
        match directive.name:
            case "rewritecond":
                return self._condition(directive)
            case "rewriterule":
                return self._rule(directive)
            case "rewritebase":
                self._base = directive.args[0] if directive.args else "/"
                if self._base != "/":
                    raise NotTranslatable("the rules are not those of the topmost directory")
                return []
            case "redirectmatch":
                return _redirect_match(directive)
            case _:
                return _redirect(directive)

    def _condition(self, directive: Directive) -> list[Item]:
        try:
            self._conditions.append(htaccess_rewrite.condition(directive))
        except NotTranslatable as error:
            self._why_not = self._why_not or error
            raise
        return []

    def _rule(self, directive: Directive) -> list[Item]:
        conditions, why_not = self._conditions, self._why_not
        self._conditions, self._why_not = [], None
        if why_not is not None:
            raise NotTranslatable(f"a condition before it has no translation: {why_not}")
        if self._base != "/":
            raise NotTranslatable(f"with `RewriteBase {self._base}` the rule is not of the topmost directory")
        return htaccess_rewrite.rule(directive, conditions)


def _inactive(directive: Directive) -> bool:
    """Whether it is for servers without a module. Raises NotTranslatable in sections for some files."""
    for section, argument in directive.sections:
        if section not in ("ifmodule", "ifversion"):
            raise NotTranslatable(f"it stands in `<{section} {argument}>`")
    return any(section == "ifmodule" and argument.startswith("!") for section, argument in directive.sections)


def _redirect(directive: Directive) -> list[Item]:
    """`Redirect`: whole segments, and what follows them is put at the target's end."""
    status, args = _status(directive)
    origin = directive.origin
    path = args[0] if args else ""
    if not path.startswith("/"):
        raise NotTranslatable("the path does not begin with `/`")
    whole = [] if path.endswith("/") else [PathShape(path, exact=True)]
    below = PathShape(path if path.endswith("/") else path + "/", exact=False, captures=True)
    if status not in REDIRECT_STATUSES:
        conditions = [redirects.shape_condition(one) for one in (*whole, below)]
        return [Refusal(origin=origin, conditions=(" or ".join(conditions),), status=status)]
    target = args[1]
    found: list[Item] = []
    for one in (*whole, below):
        parts: tuple[Part, ...] = (target,)
        if one is below:
            # Apache puts the rest behind the target with the `/` that it begins with; two are one to servers.
            parts = (target if not whole else target.removesuffix("/") + "/", Group(1))
        redirect = Redirect(parts=parts, status=status, keep_query="?" not in target)
        found += redirects.for_path(origin, one, redirect)
    return found


def _redirect_match(directive: Directive) -> list[Item]:
    status, args = _status(directive)
    pattern = Pattern(args[0]) if args else Pattern("")
    if status not in REDIRECT_STATUSES:
        condition = redirects.pattern_condition(pattern)
        return [Refusal(origin=directive.origin, conditions=(condition,), status=status)]
    parts = redirects.with_groups(args[1])
    redirect = Redirect(parts=parts, status=status, keep_query="?" not in args[1])
    return redirects.for_pattern(directive.origin, pattern, redirect)


def _status(directive: Directive) -> tuple[int, tuple[str, ...]]:
    """The status of a `Redirect…`, and what stands behind it: path, and target if the status has one."""
    args = directive.args
    if directive.name == "redirectpermanent":
        status = 301
    elif directive.name == "redirecttemp":
        status = 302
    elif args and (args[0].isdecimal() or args[0].lower() in _STATUS_WORDS):
        status = _STATUS_WORDS.get(args[0].lower()) or int(args[0])
        args = args[1:]
    else:
        status = 302
    if 300 <= status <= 399:
        if status not in REDIRECT_STATUSES:
            raise NotTranslatable(f"status {status} is no redirect")
        if len(args) != 2:
            raise NotTranslatable("a redirect has a path and a target")
    elif not 400 <= status <= 599 or len(args) != 1:
        raise NotTranslatable(f"status {status} goes with a path alone, from 400 to 599")
    return status, args
