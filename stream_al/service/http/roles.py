"""Access: which route asks for which role, and whose token a request bears.

    open    everyone: probes that an orchestrator sends without a secret, and the description of the interface
    read    whoever may look: metrics, status, pending queries, predictions
    label   annotators and producers: also sends labels and samples
    admin   operators: everything

A role may do all that the ones before it may. A route that is not in the table asks for `admin`: one that is
added and forgotten here is closed, not open.

Tokens are kept and compared as their SHA-256, which gives all the same length; each request is compared with
every token, in constant time and without an early exit, so that the time of an answer tells nothing about
how much of a token was right, nor about which token it was.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import structlog

from stream_al.errors import Misconfigured
from stream_al.settings import HTTPSettings
from stream_al.settings.tokens import Token, of_file

__all__ = ["RULES", "UNKNOWN", "Access", "Caller", "Role", "Rule"]

log = structlog.get_logger(__name__)


class Role(IntEnum):
    """What a caller may do; each may do all that the smaller ones may."""

    OPEN = 0
    READ = 1
    LABEL = 2
    ADMIN = 3


class Rule(NamedTuple):
    """What a route asks for.

    Attributes:
        role: The least role that may use it.
        writes: Whether the rate of one client's requests is limited.
        audited: Whether each request is recorded.
    """

    role: Role
    writes: bool = False
    audited: bool = False


UNKNOWN = Rule(Role.ADMIN)
"""For what is in no table: paths that do not exist, and routes that somebody forgot."""

RULES = {
    ("GET", "/livez"): Rule(Role.OPEN),
    ("GET", "/readyz"): Rule(Role.OPEN),
    ("GET", "/openapi.json"): Rule(Role.OPEN),  # says nothing that the source does not say
    ("GET", "/docs"): Rule(Role.OPEN),
    ("GET", "/docs/oauth2-redirect"): Rule(Role.OPEN),
    ("GET", "/metrics"): Rule(Role.READ),  # or open, by `http.open_metrics`
    ("GET", "/v1/status"): Rule(Role.READ),
    ("GET", "/v1/model"): Rule(Role.READ),
    ("GET", "/v1/queries"): Rule(Role.READ),
    ("POST", "/v1/predict"): Rule(Role.READ),  # stores nothing and asks nothing
    ("POST", "/v1/samples"): Rule(Role.LABEL, writes=True),
    ("POST", "/v1/labels"): Rule(Role.LABEL, writes=True, audited=True),
    ("GET", "/v1/settings"): Rule(Role.READ),
    ("PATCH", "/v1/settings"): Rule(Role.ADMIN, writes=True, audited=True),
    ("POST", "/v1/model/rollback"): Rule(Role.ADMIN, writes=True, audited=True),
    ("POST", "/v1/model/restore"): Rule(Role.ADMIN, writes=True, audited=True),
    ("POST", "/v1/pause"): Rule(Role.ADMIN, writes=True, audited=True),
    ("POST", "/v1/resume"): Rule(Role.ADMIN, writes=True, audited=True),
}


class Caller(NamedTuple):
    """Who sent a request: the name of the token, and its role."""

    name: str | None
    role: Role


ANYONE = Caller(None, Role.OPEN)
EVERYTHING = Caller(None, Role.ADMIN)


class Access:
    """The callers that the settings know.

    Args:
        settings: The settings of HTTP.

    Raises:
        Misconfigured: The file of tokens cannot be used.
    """

    def __init__(self, settings: HTTPSettings) -> None:
        self._own = settings.tokens()
        self._file = _TokensFile(settings.tokens_file) if settings.tokens_file else None
        self.closed = bool(self._own or self._file)
        self.open_metrics = settings.open_metrics
        self._known: list[tuple[bytes, Caller]] = []
        self._learn()

    def rule(self, method: str, path: str) -> Rule:
        """What a route asks for, by its path as it was declared."""
        if path == "/metrics" and self.open_metrics:
            return Rule(Role.OPEN)
        return RULES.get((method, path), UNKNOWN)

    def caller(self, authorization: str | None) -> Caller | None:
        """Who bears this header; None if its token is nobody's. Without tokens everyone may do everything."""
        if not self.closed:
            return EVERYTHING
        if authorization is None:
            return ANYONE
        if self._file and self._file.changed():
            self._learn()
        scheme, _, token = authorization.partition(" ")
        given = _digest(token.strip())
        found = None
        for digest, caller in self._known:
            if hmac.compare_digest(digest, given):
                found = caller
        return found if scheme.lower() == "bearer" else None

    def _learn(self) -> None:
        tokens = [*self._own, *(self._file.tokens if self._file else [])]
        self._known = [
            (_digest(token.secret), Caller(token.name, Role[token.role.upper()])) for token in tokens
        ]


class _TokensFile:
    """The tokens in a file, which may change while we run: a mounted secret does when it is renewed.

    A change for the worse leaves the tokens as they were, and is logged: a slip of the pen must not lock
    everybody out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.tokens: list[Token] = []
        try:
            self._seen = self._state()
            self.tokens = self._read()
        except ValueError as error:
            raise Misconfigured(f"http.tokens_file: {path}: {error}") from None

    def changed(self) -> bool:
        """Read the file again if it is another one than before; whether it was."""
        try:
            state = self._state()
            if state == self._seen:
                return False
            self._seen = state
            self.tokens = self._read()
        except ValueError as error:
            log.warning("tokens not renewed", file=str(self._path), why=str(error))
            return False
        log.info("tokens renewed", file=str(self._path), tokens=len(self.tokens))
        return True

    def _state(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise ValueError(f"cannot be read ({error.strerror}); name a file that we may read") from None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read(self) -> list[Token]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"cannot be read ({error.strerror}); name a file that we may read") from None
        except UnicodeError:
            raise ValueError("is not in UTF-8; save it so") from None
        return of_file(text)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
