"""Roles: which route needs which role, and which role the token of a request has.

    open    everybody: probes that an orchestrator sends without a secret, the OpenAPI document, the files of
            the desk, which hold no data
    read    observers: metrics, status, pending queries, predictions
    label   annotators and producers: also send labels and samples
    admin   operators: everything

Each role includes the roles before it. A route that is not in the table needs `admin`. So a new route that
somebody forgets to add here is closed, not open.

Tokens are kept and compared as their SHA-256, so that all have the same length. Each request is compared with
every token, in constant time and without an early exit. So the time of a response tells an attacker neither
how much of a token was right, nor which token it was.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import IntEnum
from typing import NamedTuple

from stream_al.service.http.access.tokens_file import TokensFile
from stream_al.settings import HTTPSettings

__all__ = ["DEFAULT_RULE", "RULES", "Access", "Caller", "Role", "Rule", "why_unknown"]


class Role(IntEnum):
    """What a caller may do; each role includes the lower ones."""

    OPEN = 0
    READ = 1
    LABEL = 2
    ADMIN = 3


class Rule(NamedTuple):
    """What a route needs.

    Attributes:
        role: The lowest role that may use the route.
        audited: Whether each request gets a line in the audit log.
        limited: Whether the rate of each client is limited. Those of the probes are not, because a probe that
            is refused ends the service.
    """

    role: Role
    audited: bool = False
    limited: bool = True


DEFAULT_RULE = Rule(Role.ADMIN)
"""The rule for paths that do not exist, and for routes that are missing in the table."""

RULES = {
    ("GET", "/livez"): Rule(Role.OPEN, limited=False),
    ("GET", "/readyz"): Rule(Role.OPEN, limited=False),
    ("GET", "/openapi.json"): Rule(Role.OPEN),  # the source code is public too
    ("GET", "/docs"): Rule(Role.OPEN),
    ("GET", "/"): Rule(Role.OPEN),
    ("GET", "/desk"): Rule(Role.OPEN),  # the files hold no data
    ("GET", "/desk/{name}"): Rule(Role.OPEN),
    ("GET", "/v1/desk"): Rule(Role.READ),
    ("GET", "/v1/explanations"): Rule(Role.READ),
    ("GET", "/metrics"): Rule(Role.READ),  # or open, by `http.open_metrics`
    ("GET", "/v1/status"): Rule(Role.READ),
    ("GET", "/v1/model"): Rule(Role.READ),
    ("GET", "/v1/queries"): Rule(Role.READ),
    ("GET", "/v1/quality"): Rule(Role.READ),
    ("GET", "/v1/quality/items"): Rule(Role.READ),
    ("GET", "/v1/quality/segments"): Rule(Role.READ),
    ("POST", "/v1/quality/relabel"): Rule(Role.ADMIN, audited=True),  # it decides what the budget buys
    ("POST", "/v1/predict"): Rule(Role.READ),  # changes nothing
    ("GET", "/v1/watch"): Rule(Role.READ),
    ("GET", "/v1/explore/points"): Rule(Role.READ),
    ("GET", "/v1/explore/items"): Rule(Role.READ),
    ("GET", "/v1/explore/items/{id}"): Rule(Role.READ),
    ("POST", "/v1/explore/export"): Rule(Role.READ),  # changes nothing
    ("POST", "/v1/explore/ask"): Rule(Role.ADMIN, audited=True),  # it decides what the budget buys
    ("POST", "/v1/samples"): Rule(Role.LABEL),
    ("POST", "/v1/labels"): Rule(Role.LABEL, audited=True),
    ("POST", "/v1/corrections"): Rule(Role.LABEL, audited=True),
    ("POST", "/v1/leases"): Rule(Role.LABEL, audited=True),
    ("PUT", "/v1/leases/{lease}"): Rule(Role.LABEL, audited=True),
    ("DELETE", "/v1/leases/{lease}"): Rule(Role.LABEL, audited=True),
    ("GET", "/v1/settings"): Rule(Role.READ),
    ("PATCH", "/v1/settings"): Rule(Role.ADMIN, audited=True),
    ("POST", "/v1/model/rollback"): Rule(Role.ADMIN, audited=True),
    ("POST", "/v1/model/restore"): Rule(Role.ADMIN, audited=True),
    ("POST", "/v1/pause"): Rule(Role.ADMIN, audited=True),
    ("POST", "/v1/resume"): Rule(Role.ADMIN, audited=True),
}


class Caller(NamedTuple):
    """The sender of a request: the name of the token, and its role."""

    name: str | None
    role: Role


def why_unknown(authorization: str) -> str:
    """What may be wrong with a header whose token is unknown, told by the header alone.

    >>> why_unknown("Token abc"), why_unknown("Bearer team:abc")
    ('send the header `Authorization: Bearer TOKEN`, with the word Bearer', \
'this token is unknown: send the part behind the colon, without the name')
    >>> why_unknown("Bearer abc")
    'this token is unknown'
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return "send the header `Authorization: Bearer TOKEN`, with the word Bearer"
    if ":" in token:  # a token has none
        return "this token is unknown: send the part behind the colon, without the name"
    return "this token is unknown"


WITHOUT_TOKEN = Caller(None, Role.OPEN)
UNRESTRICTED = Caller(None, Role.ADMIN)


class Access:
    """The tokens that the settings name, and the rules of the routes.

    Args:
        settings: The settings of HTTP.

    Raises:
        Misconfigured: The file with the tokens cannot be used.
    """

    def __init__(self, settings: HTTPSettings) -> None:
        self._from_settings = settings.tokens()
        self._file = TokensFile(settings.tokens_file, self._from_settings) if settings.tokens_file else None
        self.needs_token = bool(self._from_settings or self._file)
        self.open_metrics = settings.open_metrics
        self.open = settings.open
        self.allowed_hosts = frozenset(settings.allowed_hosts)
        self._callers: list[tuple[bytes, Caller]] = []
        self._load()

    def rule(self, method: str, path: str) -> Rule:
        """The rule of a route, by its path as it was declared."""
        if path == "/metrics" and self.open_metrics:
            return Rule(Role.OPEN)
        return RULES.get((method, path), DEFAULT_RULE)

    def caller(self, authorization: str | None) -> Caller | None:
        """The caller who sent this header; None if the token is unknown. Without tokens all are admins."""
        if not self.needs_token:
            return UNRESTRICTED
        if authorization is None:
            return WITHOUT_TOKEN
        if self._file and self._file.changed():
            self._load()
        scheme, _, token = authorization.partition(" ")
        given = _digest(token.strip())
        found = None
        for digest, caller in self._callers:
            if hmac.compare_digest(digest, given):
                found = caller
        return found if scheme.lower() == "bearer" else None

    def _load(self) -> None:
        tokens = [*self._from_settings, *(self._file.tokens if self._file else [])]
        self._callers = [
            (_digest(token.secret), Caller(token.name, Role[token.role.upper()])) for token in tokens
        ]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
