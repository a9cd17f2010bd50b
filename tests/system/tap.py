"""A relay on the authorizer socket that keeps a copy of everything lighttpd sends to the sidecar."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tests.system.gate import Gate

READ_BYTES = 65_536


class Tap:
    """While entered, the gate's authorizer socket is the relay's; `sent` is what went to the sidecar."""

    def __init__(self, gate: Gate) -> None:
        self._public = Path(gate.deployment.authorizer_socket)
        self._behind = self._public.with_name("behind.sock")
        self._lock = threading.Lock()
        self._sent = bytearray()
        self._threads: list[threading.Thread] = []

    @property
    def sent(self) -> bytes:
        with self._lock:
            return bytes(self._sent)

    def __enter__(self) -> Tap:
        self._public.rename(self._behind)  # a listening socket keeps its inode
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._public))
        self._listener.listen(128)
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)
        self._behind.rename(self._public)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed by __exit__
            self._start(self._relay, client)

    def _relay(self, client: socket.socket) -> None:
        with ExitStack() as stack:
            stack.enter_context(client)
            sidecar = stack.enter_context(socket.socket(socket.AF_UNIX))
            sidecar.connect(str(self._behind))
            answers = threading.Thread(target=self._copy, args=(sidecar, client), daemon=True)
            answers.start()
            self._copy(client, sidecar, keep=True)
            answers.join(timeout=10)

    def _copy(self, source: socket.socket, target: socket.socket, *, keep: bool = False) -> None:
        try:
            while data := source.recv(READ_BYTES):
                if keep:
                    with self._lock:
                        self._sent += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the other side is gone, which ends this direction
