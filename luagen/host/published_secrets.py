"""The copies of shared secrets that the sidecar keeps for Lua, taken away from outside.

Lua verifies HS256 tokens with them and remembers its verdicts, whether the sidecar runs or not. So a secret
that has leaked goes on being accepted after its file is replaced, until both are gone.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from luagen.host import file_errors
from luagen.host.settings import HostSettings


def withdraw(settings: HostSettings, name: str) -> None:
    """Removes the copy of a secret and makes Lua forget it and all verdicts: within a second it asks the
    sidecar instead. Raises Failure."""
    deployment = settings.deployment()
    directory = Path(deployment.secrets_directory)
    try:
        with suppress(FileNotFoundError):
            # The sidecar's user may put anything in this place: no link is followed.
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                os.unlink(name, dir_fd=descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        raise file_errors.failure(error, f"remove `{directory / name}`") from error
    forget(settings)


def forget(settings: HostSettings) -> None:
    """Makes Lua forget all verdicts. Raises Failure."""
    epoch = Path(settings.deployment().epoch_file)
    try:
        with suppress(FileNotFoundError):  # then it remembers none
            os.utime(epoch, follow_symlinks=False)
    except OSError as error:
        raise file_errors.failure(error, f"renew `{epoch}`") from error
