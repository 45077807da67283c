"""The guard in front of every route: it decides before one byte of a body is read.

    1  which route is meant, and what it asks for        (`access`, the table)
    2  whose token the request bears                      none or nobody's -> 401
    3  whether the role is enough                         too low          -> 403
    4  whether this client has written too often          (`rate`)         -> 429
    5  the route answers, under a limit of size and time for the body      -> 413, 408
    6  the audit log gets its line

A client is known by the name of its token, and by its address as long as it has none. An address is that of
the connection: what a header such as X-Forwarded-For claims, anyone can write.

Where no tokens are set, a web page that a developer happens to visit could still post to the loopback
address. Browsers say where a request comes from (Fetch Metadata, `Sec-Fetch-Site`); what comes from another
site and writes is refused.
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

from stream_al.service.http.rate import RateLimit
from stream_al.service.http.roles import Access, Caller, Role, Rule
from stream_al.service.http.schemas import problem
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.deadline import Deadline

__all__ = ["BodyLimit", "Guard", "audit_also", "who"]

audit = structlog.get_logger("stream_al.audit")

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
NO_CONTENT = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
PAGES = ("/docs",)  # which load a script and a style
NO_ROUTE = "(no route)"
HANG_UP = {"Connection": "close"}  # the rest of a body that nobody will read


def audit_also(request: Request, **facts: Any) -> None:
    """Add to the audit line of a request what only its route knows, such as how many labels it brought."""
    request.scope.setdefault("audit", {}).update(facts)


def who(request: Request) -> str | None:
    """The name of the token that a request bears; None where none is needed."""
    name: str | None = request.scope.get("caller")
    return name


class Guard:
    """Lets through what may pass.

    Args:
        app: What is guarded.
        routes: The application whose routes are asked for.
        access: Who may do what.
        limit: How often one client may write.
        clock: Measures how often.
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
        """Answer one request, or have it answered."""
        if scope["type"] == "websocket" and self.access.closed:
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
        status = 500  # unless there is an answer

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = (*HEADERS, *(() if path.startswith(PAGES) else (NO_CONTENT,)))
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        try:
            await (self._refusal(rule, caller, scope, headers) or self.app)(scope, receive, answer)
        finally:
            if rule.audited and status != 429:  # nothing happened then, and there may be very many
                _write(scope, path, caller, status)

    def _path(self, scope: Scope) -> str:
        """The path of the route that is meant, as it was declared."""
        for route in self._routes.router.routes:
            if route.matches(scope)[0] is Match.FULL:
                return str(getattr(route, "path", NO_ROUTE))
        return NO_ROUTE

    def _refusal(
        self, rule: Rule, caller: Caller | None, scope: Scope, headers: dict[bytes, str]
    ) -> ASGIApp | None:
        """What to answer instead; None to what may pass."""
        if rule.writes and (refusal := self._too_often(caller, scope)):
            return refusal
        if rule.role is Role.OPEN:
            return None
        if caller is None or caller.role < rule.role:
            return _too_low(rule.role, caller)
        if not self.access.closed and scope["method"] != "GET" and _from_elsewhere(headers):
            return _denied(403, "a page of another site may not do this: set http.admin_tokens")
        return None

    def _too_often(self, caller: Caller | None, scope: Scope) -> ASGIApp | None:
        client = f"token {caller.name}" if caller and caller.name else _network(scope)
        if not (seconds := self.limit.wait(client, self._clock.monotonic())):
            return None
        words = f"one client may send {self.limit.per_second:g} writing requests a second"
        return problem(429, "Too many requests", words, headers={"Retry-After": str(math.ceil(seconds))})


class BodyLimit:
    """Refuses bodies over the limit, by what they announce and by what they turn out to be, and slow ones.

    Args:
        app: What reads the bodies.
        limit_bytes: Largest body.
        limit_seconds: Longest time from the first question for the body to its end.
        clock: Measures it.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, limit_seconds: float, clock: Clock) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.limit_seconds = limit_seconds
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have one request answered, as far as its body goes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced) > self.limit_bytes:
            words = f"a body may have {self.limit_bytes} bytes at most"
            await problem(413, "Too large", words, headers=HANG_UP)(scope, receive, send)
            return
        received, complete = 0, False
        deadline: Deadline | None = None

        async def limited() -> Message:
            nonlocal received, complete, deadline
            if complete:  # only the client's leaving can come now, and that may take its time
                return await receive()
            deadline = deadline or Deadline(self.limit_seconds, self._clock)
            try:
                async with asyncio.timeout(deadline.left):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "Too slow", headers=HANG_UP) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self.limit_bytes:
                raise HTTPException(413, "Too large", headers=HANG_UP)
            return message

        await self.app(scope, limited, send)


def _too_low(needed: Role, caller: Caller | None) -> ASGIApp:
    if caller is None:
        return _denied(401, "this token is nobody's", error="invalid_token")
    if caller.role is Role.OPEN:
        return _denied(401, "send the header `Authorization: Bearer TOKEN`")
    role = needed.name.lower()
    words = f"this takes a token with the role {role}"
    return _denied(403, words, error="insufficient_scope", scope=role)


def _denied(code: int, words: str, **challenge: str) -> ASGIApp:
    """A refusal with its challenge (RFC 6750, section 3)."""
    how = ", ".join(f'{name}="{value}"' for name, value in {"realm": "stream_al", **challenge}.items())
    title = {401: "Unauthorized", 403: "Forbidden"}[code]
    return problem(code, title, words, headers={"WWW-Authenticate": f"Bearer {how}"})


def _from_elsewhere(headers: dict[bytes, str]) -> bool:
    return headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin")


def _network(scope: Scope) -> str:
    """Whom to count a request for: an address, and of IPv6 the network, for that is what one client has."""
    host = scope["client"][0] if scope.get("client") else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _write(scope: Scope, path: str, caller: Caller | None, status: int) -> None:
    """One line: who, what, outcome. Never a token, nor a path as a client wrote it."""
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
