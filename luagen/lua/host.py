"""Runs Lua scripts outside lighttpd, under every Lua that lupa carries.

`Host` is one Lua state with a `lighty` table (fake_lighttpd.lua); `Host.load_runtime` embeds runtime modules
the way a generated script does. All strings are bytes: that is what Lua sees.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from luagen import resources
from luagen.paths import simplified

LUA_VERSIONS = ("lua51", "lua52", "lua53", "lua54", "lua55", "luajit21")
_FAKE = (Path(__file__).parent / "fake_lighttpd.lua").read_bytes()


@dataclass
class Clock:
    """Time and files as the Lua state sees them, moved by hand."""

    now: int = 1_760_000_000
    epoch: int | None = 1  # the modification time of every file, None: there is no file


@dataclass(frozen=True)
class Request:
    """A request as lighttpd has parsed it."""

    path: bytes = b"/"
    method: bytes = b"GET"
    authority: bytes = b"www.example.org"
    query: bytes | None = None
    scheme: bytes = b"https"
    port: bytes = b"443"
    remote: bytes = b"192.0.2.7"
    protocol: bytes = b"HTTP/1.1"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | None = None
    body_length: int | None = None  # -1: chunked; None: that of `body`
    raw_path: bytes | None = None
    path_info: bytes | None = None
    target: bytes | None = None  # as the client sent it, when that differs from the path

    def attributes(self) -> dict[bytes, bytes]:
        found = {
            b"uri.path": self.path,
            b"uri.path-raw": self.raw_path if self.raw_path is not None else self.path,
            b"uri.authority": self.authority,
            b"uri.scheme": self.scheme,
            b"request.method": self.method,
            b"request.protocol": self.protocol,
            b"request.remote-addr": self.remote,
            b"request.server-port": self.port,
        }
        if self.query:
            found[b"uri.query"] = self.query
        found[b"request.orig-uri"] = self.target if self.target is not None else self.path
        if self.path_info is not None:
            found[b"request.path-info"] = self.path_info
        return found


@dataclass(frozen=True)
class Outcome:
    """What one pass of a script did."""

    status: Any
    path: bytes  # uri.path afterwards: the authorizer's when deferred
    query: bytes | None
    request_headers: dict[bytes, bytes]
    env: dict[bytes, bytes]
    response_headers: dict[bytes, bytes]
    body: bytes | None
    request_body: bytes
    printed: tuple[bytes, ...] = field(default=())

    @property
    def deferred(self) -> bool:
        return bool(self.status == 0 and self.path == b"/.lightgate/authorize")


def _urlsafe_decode(text: bytes) -> bytes:
    """As lighttpd: blanks are skipped, decoding stops at the first foreign byte, padding is optional."""
    kept = bytearray()
    for byte in text:
        if chr(byte) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
            kept.append(byte)
        elif byte > 32:
            break
    if len(kept) % 4 == 1:
        kept.pop()
    return base64.urlsafe_b64decode(bytes(kept) + b"=" * (-len(kept) % 4))


class Host:
    """One Lua state of one version; scripts share it the way requests share lighttpd's."""

    def __init__(self, version: str, clock: Clock | None = None, *, crypto: bool = True) -> None:
        self.clock = clock or Clock()
        module = importlib.import_module(f"lupa.{version}")
        self.lua = module.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self.stat_calls = 0
        primitives = self.lua.table_from(
            {
                b"time": lambda: self.clock.now,
                b"hrtime": lambda: (self.clock.now, 5),
                b"stat": self._stat,
                b"b64urldec": _urlsafe_decode,
                b"b64urlenc": lambda data: base64.urlsafe_b64encode(data).rstrip(b"="),
                b"urldec": lambda text: unquote_to_bytes(text),
                b"fspath_simplify": simplified,
                b"hexenc": lambda data: data.hex().upper().encode(),
                b"hmac": (
                    lambda algorithm, key, text: hmac.new(key, text, "sha256").hexdigest().upper().encode()
                )
                if crypto
                else (lambda *_: None),
                b"digest_eq": lambda a, b: (a or b"").lower() == (b or b"").lower(),
                b"md": lambda algorithm, text: (
                    hashlib.new(algorithm.decode(), text).hexdigest().upper().encode()
                ),
            }
        )
        self.fake = self._chunk(_FAKE, b"@fake_lighttpd.lua")(primitives)

    def _chunk(self, source: bytes, name: bytes) -> Any:
        load = self.lua.globals()[b"loadstring"] or self.lua.globals()[b"load"]
        chunk, *error = found if isinstance(found := load(source, name), tuple) else (found,)
        if chunk is None:
            raise AssertionError(f"Lua refuses {name!r}: {error[0].decode('latin-1')}")
        return chunk

    def _stat(self, _path: bytes) -> Any:
        self.stat_calls += 1
        epoch = self.clock.epoch
        if epoch is None:
            return None
        return self.lua.table_from({b"st_ino": 7, b"st_mtim": lambda: (epoch, 0)})

    def load_runtime(self, *names: str) -> dict[str, Any]:
        """The named runtime modules (dependencies first), embedded as a generated script embeds them."""
        parts = [b"local lighty = ...\n"]
        for name in names:
            source = resources.runtime_module(name).encode()
            parts.append(b"local " + name.encode() + b" = (function()\n" + source + b"\nend)()\n")
        parts.append(b"return { " + b", ".join(f"{n} = {n}".encode() for n in names) + b" }\n")
        modules = self._chunk(b"".join(parts), b"@runtime")(self.fake[b"lighty"])
        return {name: modules[name.encode()] for name in names}

    def table(self, value: Any) -> Any:
        """A Lua table from nested dicts, sets and lists of bytes, numbers and booleans."""
        if isinstance(value, dict):
            return self.lua.table_from({key: self.table(item) for key, item in value.items()})
        if isinstance(value, (set, frozenset)):
            return self.lua.table_from(dict.fromkeys(value, True))
        if isinstance(value, (list, tuple)):
            return self.lua.table_from([self.table(item) for item in value])
        return value

    # --- a request's passes -------------------------------------------------------------------------

    def open(self, request: Request) -> None:
        headers = [part for pair in request.headers for part in pair]
        self.fake[b"open"](
            self.lua.table_from(request.attributes()),
            self.lua.table_from(headers),
            request.body,
            request.body_length,
        )

    def set_variable(self, name: bytes, value: bytes) -> None:
        """What a module of lighttpd puts into the environment of the request."""
        self.fake[b"set_env"](name, value)

    def set_lighttpd_version(self, text: bytes) -> None:
        self.fake[b"set_version"](text)

    def run(self, script: bytes, name: bytes = b"@request.lua") -> Outcome:
        self.fake[b"printed"] = self.lua.table_from([])
        status = self.fake[b"run"](script, name)
        return self.outcome(status[0] if isinstance(status, tuple) else status)

    def outcome(self, status: Any) -> Outcome:
        def pairs(flat: Any) -> dict[bytes, bytes]:
            values = list(flat.values())
            return dict(zip(values[::2], values[1::2], strict=True))

        return Outcome(
            status=status,
            path=self.fake[b"attribute"](b"uri.path"),
            query=self.fake[b"attribute"](b"uri.query"),
            request_headers=pairs(self.fake[b"request_headers"]()),
            env=pairs(self.fake[b"env"]()),
            response_headers=pairs(self.fake[b"response_headers"]()),
            body=self.fake[b"response_body"](),
            request_body=self.fake[b"body"](),
            printed=tuple(self.fake[b"printed"].values()),
        )

    def answer(self, request: Request, variables: dict[bytes, bytes]) -> None:
        """An allow of the authorizer: variables enter the environment, the request starts over."""
        for name, value in variables.items():
            self.fake[b"set_env"](name, value)
        self.fake[b"restart"](self.lua.table_from(request.attributes()))

    def respond(self, status: int, headers: dict[bytes, bytes], body: bytes | None = None) -> None:
        """A response about to start: what a response-start script sees."""
        flat = [part for pair in headers.items() for part in pair]
        self.fake[b"set_response"](status, self.lua.table_from(flat), body)
