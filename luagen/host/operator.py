"""Who runs this command, for the records and the audit log."""

from __future__ import annotations

import os
import pwd


def name() -> str:
    """The person behind `sudo`, else the login name of this process, else its number."""
    uid = os.geteuid()
    if uid == 0 and (invoker := os.environ.get("SUDO_USER")):
        return invoker
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
