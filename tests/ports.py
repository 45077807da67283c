"""Ports for the servers that tests start: each is given to one process alone, until that process ends."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket

from tests.cache import cache_folder

__all__ = ["free_port"]

HOST = "127.0.0.1"
PORTS = range(15_000, 30_000)  # the kernel gives none of them to a client

_given: dict[int, int] = {}
"""The ports of this process, each with the descriptor that locks it: to close that would free them all."""


def free_port() -> int:
    """A port of the loopback interface at which nothing listens, and which is given to nobody else.

    A server binds its port a while after it was chosen, and once more after a restart. A port that is merely
    free may belong to a client then, or to the server of another worker of this run.
    """
    locks = next(iter(_given.values()), None)
    if locks is None:
        locks = os.open(cache_folder() / "ports.lock", os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        port = secrets.choice(PORTS)
        if port not in _given and _is_ours(locks, port):
            _given[port] = locks
            return port


def _is_ours(locks: int, port: int) -> bool:
    try:
        fcntl.lockf(locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:  # another process has it
        return False
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:  # a program that is no test of ours uses it
            fcntl.lockf(locks, fcntl.LOCK_UN, 1, port)
            return False
    return True
