"""What the readers of other servers' files have in common: the items that they find. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

REDIRECT_STATUSES = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an item stands in the imported file, and its text there, on one line."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A redirect of one path, or of all that begins with `path` when `is_prefix`; both decoded.

    `target` is constant. With `with_rest` what follows `path` is put at its end.
    """

    origin: Origin
    path: str
    is_prefix: bool
    target: str
    with_rest: bool
    status: int
    keep_query: bool
    conditions: tuple[str, ...] = ()  # expressions that hold besides


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A redirect to a template when all conditions hold."""

    origin: Origin
    conditions: tuple[str, ...]
    to: str
    status: int
    keep_query: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer without a target, such as 410."""

    origin: Origin
    conditions: tuple[str, ...]
    status: int


@dataclass(frozen=True, slots=True)
class Untranslated:
    """What the policy cannot say, and why: the import is not complete."""

    origin: Origin
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know about the translation, which is complete."""

    origin: Origin
    text: str


Item = Entry | Rule | Refusal | Untranslated | Note


@dataclass(slots=True)
class Section:
    """Items in the order in which they are tried; of one host and `further_hosts`, or (None) of all."""

    host: str | None
    items: list[Item] = field(default_factory=list)
    further_hosts: tuple[str, ...] = ()


class NotTranslatable(Exception):
    """Raised on the way to an item; its text is the reason, for an `Untranslated`."""


def decoded_path(path: str) -> str:
    """A percent-encoded path as `request.path` has it. Raises NotTranslatable when that is not UTF-8."""
    try:
        return unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise NotTranslatable(f"`{path}` is not UTF-8 when it is decoded") from None


def checked_target(target: str, *, more_follows: bool) -> str:
    """A constant beginning of a redirect's target, when clients cannot choose the host with what follows it.

    Raises NotTranslatable. `more_follows`: text that a client chooses comes directly after it.
    """
    scheme, separator, rest = target.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        host, slash, path = rest.partition("/")
        if not host or any(char in host for char in "@\\?#{}$%*"):
            raise NotTranslatable("the target has no plain host")
        if not slash and more_follows:
            raise NotTranslatable("what follows would become part of the host: a `/` is missing after it")
        return f"{scheme.lower()}://{host}{slash}{path}"
    if not target.startswith("/"):
        raise NotTranslatable("the target begins neither with `/` nor with `http://` or `https://`")
    if target.startswith(("//", "/\\")) or (target == "/" and more_follows):
        raise NotTranslatable("a target that begins with `//` leads to a host that clients can choose")
    return target
