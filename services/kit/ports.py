"""Ports on 127.0.0.1 for programs we start."""

import random
import socket

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free port below the range the system gives to outgoing connections: it stays free while we are down.

    Raises OSError when none is found.
    """
    for _ in range(100):
        port = random.randrange(20000, 32000)
        if is_free(port):
            return port
    raise OSError("no free port on 127.0.0.1")
