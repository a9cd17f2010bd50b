"""The rehearsal starts lighttpd as root: what that reads is root's alone."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest

from luagen import compile_policy
from luagen.deployment import Deployment
from luagen.failure import Failure
from luagen.host.rehearsal import rehearse
from luagen.lighttpd_host import Lighttpd, find

pytestmark = pytest.mark.system

# Lists what is there in the moment in which lighttpd is started, then is lighttpd.
RECORDING = """\
#!/bin/sh
for argument; do configuration=$argument; done
find "${configuration%/*}" -printf '%U %m %y %P\\n' >>"$RECORD"
exec LIGHTTPD "$@"
"""


def files(directory: Path, policy: str = 'default = "pass"\n') -> dict[str, bytes]:
    path = directory / "policy.toml"
    path.write_text(policy)
    release = compile_policy(path, Deployment()).release
    assert release is not None
    return dict(release.files)


def user() -> str:
    return "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def test_nobody_else_can_change_what_lighttpd_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = find()
    wrapper = tmp_path / "lighttpd"
    wrapper.write_text(RECORDING.replace("LIGHTTPD", shutil.which(real.executable) or real.executable))
    wrapper.chmod(0o755)
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    rehearse(Lighttpd(str(wrapper), real.version), files(tmp_path), user())
    lines = (tmp_path / "record").read_text().splitlines()
    seen = {line.split(" ", 3)[3]: line.split(" ")[:3] for line in lines}
    assert {"", "lighttpd.conf", "request.lua", "root", "uploads"} <= set(seen)
    del seen["uploads"]  # empty, and the account's own
    assert not any(name.startswith("uploads/") for name in seen)
    assert [
        name for name, (owner, mode, _) in seen.items() if int(owner) != os.geteuid() or int(mode, 8) & 0o022
    ] == []


def test_lua_that_does_not_compile_is_refused_with_what_lighttpd_says(tmp_path: Path) -> None:
    broken = {**files(tmp_path), "response.lua": b"return ("}
    with pytest.raises(Failure) as caught:
        rehearse(find(), broken, user())
    assert "Lua fails inside lighttpd" in caught.value.message
    assert "response.lua" in caught.value.message


def test_lua_that_guards_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        rehearse(find(), {**files(tmp_path), "request.lua": b"return 0\n"}, user())
    assert "does not guard `/.lightgate/`" in caught.value.message
