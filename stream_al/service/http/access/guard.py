"""The guard in front of every route. It decides before any byte of a body is read.

    1  find the route, and the role that it needs       (`roles`)
    2  has this client sent too much?                   (`rate`)  yes: 429
    3  may it be the work of a foreign web page?    (`browsers`)  yes: 403
    4  is the token known?                                        no:  401
    5  is its role sufficient?                                    no:  403
    6  is the body JSON, by its content type, not compressed?     no:  415
       and has it one length?                                     no:  400
    7  the route responds; the body has a limit of size and time  over a limit: 413, 408
    8  the audit log gets a line

A client is identified by the name of its token, or by its address if it has no token. The address is the
address of the connection, because any client can write any address into a header such as X-Forwarded-For.

Whatever fails behind the guard becomes a problem (RFC 9457) with the security headers, as every response has.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_al.service.http.access.browsers import foreign
from stream_al.service.http.access.rate import RateLimit
from stream_al.service.http.access.roles import Access, Caller, Role, Rule, why_unknown
from stream_al.service.http.schemas import problem
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.deadline import Deadline

__all__ = [
    "HEADERS",
    "BodyLimit",
    "Guard",
    "add_to_audit",
    "caller_name",
    "caller_role",
    "charge_records",
    "secured",
]

log = structlog.get_logger(__name__)
audit = structlog.get_logger("stream_al.audit")

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
NO_ROUTE = "(no route)"
CLOSE_CONNECTION = {"Connection": "close"}  # the rest of the body is not read


def secured(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of a response, with those of every response; a page has its own policy and may be kept."""
    own = {name.lower() for name, _ in headers}
    common = (*HEADERS, (b"content-security-policy", CONTENT_POLICY.encode()))
    return [*headers, *(header for header in common if header[0] not in own)]


def add_to_audit(request: Request, **facts: Any) -> None:
    """Add facts that only the route knows to the audit line of a request, such as the number of labels."""
    request.scope.setdefault("audit", {}).update(facts)


def caller_name(request: Request) -> str | None:
    """The name of the token of a request; None if the request has no token."""
    name: str | None = request.scope.get("caller")
    return name


def charge_records(request: Request, number: int) -> None:
    """Count the records that a request brings. Raises HTTPException (429) if its client has sent too many."""
    if seconds := request.scope["charge"](number):
        raise HTTPException(429, "Too many records", headers=_retry(seconds))


def caller_role(request: Request) -> Role:
    """The role of the sender of a request."""
    role: Role = request.scope["role"]
    return role


class Guard:
    """Passes on the requests that are allowed, and responds to the others.

    Args:
        app: The application behind the guard.
        routes: The application that has the routes.
        access: The tokens and the rules of the routes.
        limit: How many requests a client may send.
        records: How many records a client may send.
        clock: Measures the rate.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: FastAPI,
        access: Access,
        limit: RateLimit,
        records: RateLimit,
        clock: Clock,
    ) -> None:
        self.app = app
        self.access = access
        self.limit = limit
        self.records = records
        self._routes = routes
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = self._path(scope)
        rule = self.access.rule(scope["method"], path)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        caller = self.access.caller(headers.get(b"authorization"))
        client = f"token {caller.name}" if caller and caller.name else _client_network(scope)
        scope["caller"] = caller.name if caller else None
        scope["role"] = caller.role if caller else Role.OPEN
        scope["charge"] = lambda number: self.records.wait(client, self._clock.monotonic(), number)
        status = 0  # until the response begins

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": secured(message["headers"])}
            await send(message)

        try:
            refusal = self._refusal(rule, client, caller, scope["method"], headers)
            await (refusal or self.app)(scope, receive, respond)
        except ClientDisconnect:
            pass  # there is nobody to respond to
        except Exception:
            if status:
                raise
            log.exception("a request failed", what=f"{scope['method']} {path}")
            await problem(500, "Internal Server Error", "the log has the cause")(scope, receive, respond)
        finally:
            if rule.audited and status != 429:  # a 429 changes nothing, and there may be very many
                _log_audit(scope, path, caller, status)

    def _path(self, scope: Scope) -> str:
        """The path of the requested route, as it was declared."""
        for route in self._routes.router.routes:
            if route.matches(scope)[0] is Match.FULL:
                return str(getattr(route, "path", NO_ROUTE))
        return NO_ROUTE

    def _refusal(
        self, rule: Rule, client: str, caller: Caller | None, method: str, headers: dict[bytes, str]
    ) -> ASGIApp | None:
        """The response that refuses a request; None if the request is allowed."""
        if rule.limited and (seconds := self.limit.wait(client, self._clock.monotonic())):
            words = f"a client may send at most {self.limit.per_second:g} requests per second"
            return problem(429, "Too many requests", words, headers=_retry(seconds))
        if not self.access.needs_token and (why := self._foreign(method, headers)):
            return problem(403, "Forbidden", why, headers=CLOSE_CONNECTION)
        if rule.role > Role.OPEN and (caller is None or caller.role < rule.role):
            return _access_refusal(rule.role, caller, headers.get(b"authorization", ""))
        return _refused_body(headers)

    def _foreign(self, method: str, headers: dict[bytes, str]) -> str | None:
        return foreign(method, headers, self.access.allowed_hosts, addresses=self.access.open)


class BodyLimit:
    """Refuses bodies that are too large or too slow. It checks the announced size and the actual size.

    Args:
        app: The application that reads the bodies.
        limit_bytes: The size of the largest body.
        limit_seconds: The longest time from the first read of the body to its end.
        clock: Measures this time.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, limit_seconds: float, clock: Clock) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.limit_seconds = limit_seconds
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request with a limited body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced) > self.limit_bytes:
            words = f"a body may have at most {self.limit_bytes} bytes"
            await problem(413, "Too large", words, headers=CLOSE_CONNECTION)(scope, receive, send)
            return
        received, complete = 0, False
        deadline: Deadline | None = None

        async def limited() -> Message:
            nonlocal received, complete, deadline
            if complete:  # the next message is the disconnect, which has no deadline
                return await receive()
            deadline = deadline or Deadline(self.limit_seconds, self._clock)
            try:
                async with asyncio.timeout(deadline.left):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "Too slow", headers=CLOSE_CONNECTION) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self.limit_bytes:
                raise HTTPException(413, "Too large", headers=CLOSE_CONNECTION)
            return message

        await self.app(scope, limited, send)


def _access_refusal(needed: Role, caller: Caller | None, authorization: str) -> ASGIApp:
    if caller is None:
        return _denied(401, why_unknown(authorization), error="invalid_token")
    if caller.role is Role.OPEN:
        return _denied(401, "send the header `Authorization: Bearer TOKEN`")
    role = needed.name.lower()
    words = f"this request needs a token with the role {role}"
    return _denied(403, words, error="insufficient_scope", scope=role)


def _denied(code: int, words: str, **challenge: str) -> ASGIApp:
    """A refusal with its challenge (RFC 6750, section 3)."""
    how = ", ".join(f'{name}="{value}"' for name, value in {"realm": "stream_al", **challenge}.items())
    title = {401: "Unauthorized", 403: "Forbidden"}[code]
    return problem(code, title, words, headers={"WWW-Authenticate": f"Bearer {how}"})


def _retry(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(math.ceil(seconds))}


def _refused_body(headers: dict[bytes, str]) -> ASGIApp | None:
    """The response to a body that its head says cannot be used; None if it may be read."""
    code, title, words = 415, "Unsupported Media Type", ""
    if _has_other_body(headers):
        words = "send the body as JSON, with the header `Content-Type: application/json`"
    elif headers.get(b"content-encoding", "identity").strip().lower() != "identity":
        words = "send the body as it is: without the header `Content-Encoding`, and not compressed"
    elif b"content-length" in headers and b"transfer-encoding" in headers:
        code, title = 400, "Bad Request"
        words = "a body has one length: send either `Content-Length` or `Transfer-Encoding`"
    return problem(code, title, words, headers=CLOSE_CONNECTION) if words else None


def _has_other_body(headers: dict[bytes, str]) -> bool:
    """Whether a request has a body that its sender does not call JSON."""
    if headers.get(b"content-length", "0") == "0" and b"transfer-encoding" not in headers:
        return False
    return headers.get(b"content-type", "").partition(";")[0].strip().lower() != "application/json"


def _client_network(scope: Scope) -> str:
    """The client's IPv4 address, or its IPv6 network: one client has a whole network of IPv6 addresses."""
    host = scope["client"][0] if scope.get("client") else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _log_audit(scope: Scope, path: str, caller: Caller | None, status: int) -> None:
    """Log one line: caller, request and outcome. It has no token, and no path that a client has written."""
    refused = status in (401, 403)
    audit.info(
        "audit",
        who=caller.name if caller else None,
        role=caller.role.name.lower() if caller else None,
        client=scope["client"][0] if scope.get("client") else None,
        what=f"{scope['method']} {path}",
        outcome="refused" if refused else "done" if 0 < status < 400 else "failed",
        status=status or None,  # None if the client was gone before the response
        **scope.get("audit", {}),
    )
