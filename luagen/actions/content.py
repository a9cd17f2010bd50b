"""The content of a response made here: a template, or a file that is built into the release."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass

from luagen import expression, policy_files
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code, quoted
from luagen.model import Expression
from luagen.policy_files import FileRefused
from luagen.schema import Key
from luagen.table_reader import TableReader, no_controls

MAX_FILE_BYTES = 256 * 1024  # of a file: every worker process holds it in memory
DEFAULT_TYPE = "text/plain; charset=utf-8"
_MEDIA_TYPE = re.compile(r"[!#$&^_.+0-9A-Za-z-]+/[!#$&^_.+0-9A-Za-z-]+(?: *; *[^;]+)*")
# Python's own table and no file of the host's: the same policy means the same everywhere.
_TYPES = mimetypes.MimeTypes()
_TEXT_TYPES = ("application/javascript", "application/json", "application/xml", "image/svg+xml")

KEYS = (
    Key("body", "a template", "the content", "a short text made from the status"),
    Key("file", "a path", "the content, from a file beside the policy of at most 256 KiB", "`body`"),
    Key(
        "content_type",
        "a string",
        "the media type of the content",
        f'of `body`: `"{DEFAULT_TYPE}"`; of `file`: by the ending of its name',
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """At most one of `body` and `file`; neither: a short text made from the status."""

    body: Expression | None = None  # STRING
    file: bytes | None = None
    content_type: str = DEFAULT_TYPE

    def expressions(self) -> tuple[Expression, ...]:
        return () if self.body is None else (self.body,)


def read(read: TableReader, context: ActionContext) -> Content:
    """The content that `KEYS` of a table say; mistakes are reported."""
    text, path = read.text("body"), read.text("file")
    if text is not None and path is not None:
        message = "`body` and `file` exclude each other"
        read.error(Code.CONFLICTING_KEYS, message, path.span, help="a response has one content")
    body = None if text is None else expression.value_of_template(text, context.scope, context.bag)
    content: bytes | None = None
    guessed = DEFAULT_TYPE
    if path is not None:
        guessed = type_of(path.value)
        try:
            content = policy_files.read(path.value, context.directory, MAX_FILE_BYTES)
        except FileRefused as refused:
            read.error(refused.code, refused.message, path.span)
    return Content(body=body, file=content, content_type=_content_type(read) or guessed)


def type_of(name: str) -> str:
    """The media type that the ending of a file's name tells."""
    kind, encoding = _TYPES.guess_type(name.rpartition("/")[2])
    if kind is None or encoding is not None:
        return "application/octet-stream"
    is_text = kind.startswith("text/") or kind in _TEXT_TYPES
    return f"{kind}; charset=utf-8" if is_text else kind


def _content_type(read: TableReader) -> str | None:
    text = read.text("content_type")
    if text is None or not no_controls(text, read.bag):
        return None
    if not text.value.isascii() or _MEDIA_TYPE.fullmatch(text.value) is None:
        message = f"{quoted(text.value)} is not a media type"
        help_text = "such as `text/html; charset=utf-8` (RFC 9110 section 8.3.1)"
        read.error(Code.INVALID_VALUE, message, text.span, help=help_text)
    return text.value
