"""Strict rendering of skeletons: templates place finished code and nothing else.

A template gets values of one type that marks finished text of the target language. Anything else that
reaches the output, a plain string above all, is refused with TypeError; an unknown name raises as well.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jinja2


def render(template: Path, code_type: type, **values: object) -> str:
    """The text of a template with these values; what is written out must be a `code_type`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        undefined=jinja2.StrictUndefined,
        finalize=_only(code_type),
        autoescape=False,  # noqa: S701 - the output is no HTML, and `finalize` refuses what is not finished code
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(values)


def _only(code_type: type) -> Callable[[object], str]:
    def finalize(value: object) -> str:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises, and names the value that the template misses
        if not isinstance(value, code_type):
            raise TypeError(f"bug in luagen: a template writes {type(value).__name__}, not finished code")
        return str(value)

    return finalize
