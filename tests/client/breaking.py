"""A TCP proxy on 127.0.0.1 whose connections break at random places, as on a bad line."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from random import Random

RESET = struct.pack("ii", 1, 0)


class Line:
    """Forwards to a port; each connection is reset after a random number of bytes, or when the answer begins.

    `cuts` counts those that broke. Calm until `spread` (least and most bytes of a connection) is set.
    """

    def __init__(self, port: int, seed: int) -> None:
        self._to, self._random = port, Random(seed)
        self.spread: tuple[int, int] | None = None
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while not self._ended:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()
                continue
            _Pair(self, near, far, self._random.random() < 0.3).run()

    def room(self) -> int | None:
        """How many bytes a new connection carries."""
        return None if self.spread is None else self._random.randint(*self.spread)


class _Pair:
    def __init__(self, line: Line, near: socket.socket, far: socket.socket, mute: bool) -> None:
        self.line, self.near, self.far, self.mute = line, near, far, mute
        self.room: int | None = None
        self.lock, self.broken = threading.Lock(), False

    def run(self) -> None:
        threading.Thread(target=self._up, daemon=True).start()
        threading.Thread(target=self._down, daemon=True).start()

    def _up(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.near.recv(65536):
                # Asked for late: a connection that is kept may be older than the bad weather.
                self.room = self.line.room() if self.room is None else self.room
                if self.room is None:
                    self.far.sendall(data)
                    continue
                allowed, self.room = data[: self.room], self.room - len(data)
                self.far.sendall(allowed)
                if self.room <= 0:
                    self._break()
                    return
        self._close()

    def _down(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.far.recv(65536):
                # The request arrived, but nobody ever learns what became of it.
                if self.mute and self.room is not None:
                    self._break()
                    return
                self.near.sendall(data)
        self._close()

    def _break(self) -> None:
        with self.lock:
            if not self.broken:
                self.broken = True
                self.line.cuts += 1
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._close()

    def _close(self) -> None:
        for end in (self.near, self.far):
            # `shutdown` wakes the other thread, which may wait in `recv`.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def breaking(port: int, seed: int) -> Iterator[Line]:
    """A line to `port` until the context ends."""
    line = Line(port, seed)
    try:
        yield line
    finally:
        line.close()
