"""Signatures of snapshots: only what this application has written is ever unpickled.

A pickle is a program, and no list of allowed names makes a foreign one safe. So a snapshot is signed with
HMAC-SHA256 (RFC 2104), and one without a valid signature is not unpickled. The key is

    snapshots.key                 if it is set. A URL needs it, since others may write there;
    the key file of a directory   otherwise: random, made at the first start, beside the directory.

Whoever can read the key can make a snapshot that runs code. So the key file is readable for its owner alone.
It is made whole or not at all, so two replicas that start at once take the same key. A key file that others
can reach, or that is a link, is refused: somebody else may have chosen the key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.model.stores.directory import new_file

__all__ = ["KEY_BYTES", "KeyFile", "sign"]

KEY_BYTES = 32
MAX_BYTES = 1000


def sign(key: bytes, what: bytes) -> str:
    """The signature of some bytes.

    >>> sign(b"k" * 32, b"a header")[:24]
    'hmac-sha256:d6ae7da5f170'
    """
    return "hmac-sha256:" + hmac.new(key, what, hashlib.sha256).hexdigest()


class KeyFile:
    """The key of the snapshots in a directory.

    Args:
        directory: The directory; the key lies beside it.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory.with_name(f"{directory.name}.key")

    def read_or_make(self) -> bytes:
        """The key; it is made if there is none.

        Raises:
            Unavailable: The disk does not take it.
            Misconfigured: Others can read or replace it.
        """
        try:
            if (found := self._read()) is None:
                self._make()
                found = self._read()
        except OSError as error:
            raise Unavailable(
                f"the key of the snapshots, {self.path}, cannot be used: {error.strerror or error}"
            ) from error
        if found is None or len(found) < KEY_BYTES:
            raise Misconfigured(
                f"snapshots.directory: {self.path} holds no key: delete it; the model is then rebuilt from "
                "the examples"
            )
        return found

    def _read(self) -> bytes | None:
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(handle)
            # Kubernetes widens the files of a volume to its group (fsGroup), so a group is let pass.
            plain, others = stat.S_ISREG(facts.st_mode), facts.st_mode & stat.S_IRWXO
            if not plain or others or facts.st_uid != os.geteuid():
                raise Misconfigured(
                    f"snapshots.directory: others can reach the key {self.path}, so they could sign "
                    "snapshots: delete it; the model is then rebuilt from the examples"
                )
            return file.read(MAX_BYTES).strip()

    def _make(self) -> None:
        """Make the file whole, or leave the one that another process has made meanwhile."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = secrets.token_hex(KEY_BYTES).encode()
        with new_file(self.path, key) as temporary, suppress(FileExistsError):
            os.link(temporary, self.path)
