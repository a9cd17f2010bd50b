"""Paths of URLs, decoded, in the form that lighttpd gives them."""

from __future__ import annotations

import posixpath

RESERVED = b"/.lightgate"  # what lies there is lightgate's own, and no rule sees it


def simplified(path: bytes) -> bytes:
    """Without dot segments and empty ones (buffer_path_simplify of lighttpd); a slash at the end stays."""
    simple = posixpath.normpath(b"/" + path.lstrip(b"/"))
    stays_open = path.endswith((b"/", b"/.", b"/.."))
    return simple + b"/" if stays_open and simple != b"/" else simple


def is_reserved(path: bytes) -> bool:
    return path == RESERVED or path.startswith(RESERVED + b"/")
