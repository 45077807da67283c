"""The guard in front of every route. It decides before any byte of a body is read.

    1  find the route, and the role that it needs       (`roles`)
    2  has this client written too often?               (`rate`)  yes: 429
    3  is the token known?                                        no:  401
    4  is its role sufficient?                                    no:  403
    5  the route responds; the body has a limit of size and time  over a limit: 413, 408
    6  the audit log gets a line

A client is identified by the name of its token, or by its address if it has no token. The address is the
address of the connection, because any client can write any address into a header such as X-Forwarded-For.

If no tokens are set, a web page that a developer visits could still post to the loopback address. Browsers
say which site has sent a request (Fetch Metadata, `Sec-Fetch-Site`). A writing request of another site is
refused.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from typing import Any

import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_al.service.http import docs_page
from stream_al.service.http.rate import RateLimit
from stream_al.service.http.roles import Access, Caller, Role, Rule
from stream_al.service.http.schemas import problem
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.deadline import Deadline

__all__ = ["BodyLimit", "Guard", "add_to_audit", "caller_name"]

audit = structlog.get_logger("stream_al.audit")

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
POLICIES = {"/docs": docs_page.CONTENT_POLICY}  # of the paths with another one
NO_ROUTE = "(no route)"
CLOSE_CONNECTION = {"Connection": "close"}  # the rest of the body is not read


def add_to_audit(request: Request, **facts: Any) -> None:
    """Add facts that only the route knows to the audit line of a request, such as the number of labels."""
    request.scope.setdefault("audit", {}).update(facts)


def caller_name(request: Request) -> str | None:
    """The name of the token of a request; None if the request has no token."""
    name: str | None = request.scope.get("caller")
    return name


class Guard:
    """Passes on the requests that are allowed, and responds to the others.

    Args:
        app: The application behind the guard.
        routes: The application that has the routes.
        access: The tokens and the rules of the routes.
        limit: How often a client may write.
        clock: Measures the rate.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: FastAPI,
        access: Access,
        limit: RateLimit,
        clock: Clock,
    ) -> None:
        self.app = app
        self.access = access
        self.limit = limit
        self._routes = routes
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request, or refuse it."""
        if scope["type"] == "websocket" and self.access.needs_token:
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = self._path(scope)
        rule = self.access.rule(scope["method"], path)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        caller = self.access.caller(headers.get(b"authorization"))
        scope["caller"] = caller.name if caller else None
        status = 500  # if there is no response

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                policy = (b"content-security-policy", POLICIES.get(path, CONTENT_POLICY).encode())
                message = {**message, "headers": [*message["headers"], *HEADERS, policy]}
            await send(message)

        try:
            await (self._refusal(rule, caller, scope, headers) or self.app)(scope, receive, respond)
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
        self, rule: Rule, caller: Caller | None, scope: Scope, headers: dict[bytes, str]
    ) -> ASGIApp | None:
        """The response that refuses a request; None if the request is allowed."""
        if rule.writes and (refusal := self._too_often(caller, scope)):
            return refusal
        if rule.role is Role.OPEN:
            return None
        if caller is None or caller.role < rule.role:
            return _access_refusal(rule.role, caller)
        if not self.access.needs_token and scope["method"] != "GET" and _is_cross_site(headers):
            return _denied(
                403,
                "a page of another site may not send this request: set http.admin_tokens, and send a token",
            )
        return None

    def _too_often(self, caller: Caller | None, scope: Scope) -> ASGIApp | None:
        client = f"token {caller.name}" if caller and caller.name else _client_network(scope)
        if not (seconds := self.limit.wait(client, self._clock.monotonic())):
            return None
        words = f"a client may send at most {self.limit.per_second:g} writing requests per second"
        return problem(429, "Too many requests", words, headers={"Retry-After": str(math.ceil(seconds))})


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


def _access_refusal(needed: Role, caller: Caller | None) -> ASGIApp:
    if caller is None:
        return _denied(401, "this token is unknown", error="invalid_token")
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


def _is_cross_site(headers: dict[bytes, str]) -> bool:
    return headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin")


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
        outcome="refused" if refused else "done" if status < 400 else "failed",
        status=status,
        **scope.get("audit", {}),
    )
