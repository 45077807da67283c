"""The file of bearer tokens, which may change while the service runs, as a renewed Kubernetes secret does.

A file that cannot be used grants nothing: if it is deleted, emptied, torn, or open to others, its tokens are
revoked until it can be used again. Whoever takes a token out of the file by deleting the file has to be sure
that the token is out. A file is torn if its last line does not end: half a token would be another token.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import structlog

from stream_al.errors import Misconfigured
from stream_al.settings.tokens import Token, different, of_file

__all__ = ["TokensFile"]

log = structlog.get_logger(__name__)

TOO_OPEN = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO  # what is more than 0640
MAX_BYTES = 1_000_000


class TokensFile:
    """The tokens in a file.

    Args:
        path: The file.
        others: The tokens of the settings: no secret and no name of them may be in the file too.

    Raises:
        Misconfigured: The file cannot be used.
    """

    def __init__(self, path: Path, others: Sequence[Token] = ()) -> None:
        self._path = path
        self._others = others
        self._seen = self._state()
        try:
            self.tokens = self._read()
        except ValueError as error:
            raise Misconfigured(f"http.tokens_file: {path}: {error}") from None

    def changed(self) -> bool:
        """Read the file again if it has changed; return whether it has."""
        if (state := self._state()) == self._seen:
            return False
        self._seen = state
        try:
            self.tokens = self._read()
        except ValueError as error:
            self.tokens = []
            log.warning("the tokens of the file are revoked", file=str(self._path), why=str(error))
        else:
            log.info("tokens reloaded", file=str(self._path), tokens=len(self.tokens))
        return True

    def _state(self) -> tuple[int, ...] | None:
        """What differs after every change of the file; None if there is no file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size, found.st_mode

    def _read(self) -> list[Token]:
        try:
            found = self._path.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
                raise ValueError(f"is no file of up to {MAX_BYTES} bytes; name one")
            if found.st_mode & TOO_OPEN:
                mode = stat.S_IMODE(found.st_mode)
                raise ValueError(
                    f"has the mode {mode:04o}, so others may read or change it; set 0640 or less"
                )
            text = self._path.read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"cannot be read ({error.strerror}); name a file that is readable") from None
        except UnicodeError:
            raise ValueError("is not in UTF-8; save it in UTF-8") from None
        tokens = of_file(text)
        different([*tokens, *self._others])
        return tokens
