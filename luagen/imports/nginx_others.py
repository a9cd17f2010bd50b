"""What stands beside nginx's redirects, and can still bring some. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from luagen.imports.nginx_syntax import Directive
from luagen.imports.result import Item, Untranslated

# What a target begins with that is a URL: `rewrite` and `error_page` redirect to it.
ABSOLUTE = ("http://", "https://", "$scheme")
# Files that only set parameters of an application or types: nothing in them redirects.
_HARMLESS_INCLUDES = ("mime.types", "fastcgi_params", "fastcgi.conf", "proxy_params", "uwsgi_params",
                      "scgi_params", "fastcgi-php.conf", "options-ssl-nginx.conf")  # fmt: skip


def hidden_redirects(directives: Iterable[Directive]) -> list[Item]:
    """What may redirect, or does, in a way that a policy cannot say; also in locations among these."""
    found: list[Item] = []
    for one in directives:
        if one.name == "include" and not (one.args and one.args[0].endswith(_HARMLESS_INCLUDES)):
            found.append(Untranslated(one.origin, "the included file was not read"))
        elif _is_redirecting_page(one):
            found.append(
                Untranslated(one.origin, "redirects of responses by their status have no counterpart")
            )
        elif one.name == "location":
            found += hidden_redirects(one.block or ())
    return found


def unrelated(directives: Iterable[Directive]) -> list[Directive]:
    """Those that are not about redirects, and of which `hidden_redirects` says nothing."""
    return [one for one in directives if one.name != "include" and not _is_redirecting_page(one)]


def _is_redirecting_page(directive: Directive) -> bool:
    """ngx_http_special_response.c: what begins with neither `/` nor `@` is a redirect."""
    return directive.name == "error_page" and bool(directive.args) and directive.args[-1].startswith(ABSOLUTE)


def left_out(names: Iterable[str]) -> str:
    """The names of directives, for a note."""
    return ", ".join(f"`{name}`" for name in sorted(set(names)))
