"""Bodies in JSON, read as the service reads records: by the one decoder of `stream_al.json_records`.

So HTTP takes exactly the JSON that Kafka takes: no NaN, no Infinity, no half of a surrogate pair, no depth
that the decoder cannot follow. FastAPI's own decoder takes the first three, and the service would fail on
them later.

A list holds objects and nothing else. This is checked here, because FastAPI makes an error for each element.
A body of half a million numbers would hold the event loop for 1.8 s. For the same reason an object with
members that the route does not know is refused here, where its model allows no such members.

A parameter that the route does not know is refused likewise: `?filter=` for `?where=` would give everything,
and nobody would notice. Only the routes of `/v1` do so, since probes and pages may get any from proxies.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from stream_al.errors import BadMessage
from stream_al.messages import decode_json

__all__ = ["CHECKED", "JSONRoute"]

CHECKED = "/v1/"  # how the paths begin whose parameters are checked
MOST_SHOWN = 60  # characters of a name
_OBJECTS = frozenset({dict})


class _Decoded(Request):
    """A request whose body is decoded."""

    value: Any = None

    async def json(self) -> Any:
        """The body."""
        return self.value


class JSONRoute(APIRoute):
    """A route that knows its parameters and whose body is decoded as a record.

    Its handler raises BadMessage for another parameter, and for what is no JSON.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route."""
        handle, known = super().get_route_handler(), self._members()
        parameters = sorted(one.alias for one in self.dependant.query_params)

        async def checked(given: Request) -> Response:
            _refuse_unknown_parameter(given, parameters)
            return await (decoded if self.body_field else handle)(given)

        async def decoded(given: Request) -> Response:
            request = _Decoded(given.scope, given.receive)
            if body := await request.body():
                request.value = decode_json(body, max_bytes=len(body))
                if isinstance(request.value, list) and not _OBJECTS.issuperset(map(type, request.value)):
                    raise BadMessage("not_an_object", "the body is a list that does not hold objects alone")
                if known is not None and isinstance(request.value, dict):
                    _refuse_unknown(request.value, known)
            return await handle(request)

        return checked if self.path.startswith(CHECKED) else handle

    def _members(self) -> list[str] | None:
        """The members that the body may have; None if it may have any."""
        wanted = self.body_field.field_info.annotation if self.body_field else None
        if not (isinstance(wanted, type) and issubclass(wanted, BaseModel)):
            return None
        return list(wanted.model_fields) if wanted.model_config.get("extra") == "forbid" else None


def _refuse_unknown_parameter(request: Request, known: list[str]) -> None:
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        some = f"may have {', '.join(known)} alone" if known else "has none"
        what = f"there is no parameter {unknown[:MOST_SHOWN]!r}: the address {some}"
        raise BadMessage("unknown_parameter", what)


def _refuse_unknown(value: dict[str, Any], known: list[str]) -> None:
    unknown = next((name for name in value if name not in known), None)
    if unknown is not None:
        what = f"the body has a member {unknown[:MOST_SHOWN]!r}, and may have {', '.join(known)} alone"
        raise BadMessage("unknown_member", what)
