"""The working tree as a user would get it: what git tracks, and what it does not ignore."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from functools import cache

from tests.system.processes import REPOSITORY

#: of every entry: one moment, so that the same content gives the same bytes; not 1970, which zip cannot say
MODIFIED = 1_750_000_000


@cache
def working_tree(without: tuple[str, ...] = ()) -> bytes:
    """A tar archive of the checkout as it is when it is asked for first; the same tree gives the same bytes.

    `without`: how names begin that are left out.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        timeout=60,
        check=True,
    ).stdout
    wanted = {name for name in os.fsdecode(listed).split("\0") if name and not name.startswith(without)}
    names = sorted(name for name in wanted if (REPOSITORY / name).is_file())
    executable = {name for name in names if os.access(REPOSITORY / name, os.X_OK)}
    return archive({name: (REPOSITORY / name).read_bytes() for name in names}, executable)


def archive(content: Mapping[str, bytes], executable: frozenset[str] | set[str] = frozenset()) -> bytes:
    """A tar archive of these files, owned by root, all from the same moment."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in sorted(content):
            entry = tarfile.TarInfo(name)
            entry.size = len(content[name])
            entry.mtime = MODIFIED
            entry.mode = 0o755 if name in executable else 0o644
            tar.addfile(entry, io.BytesIO(content[name]))
    return buffer.getvalue()
