"""HTTP: the interface of one process for people, probes, and programs without Kafka.

Posted samples and labels are sent to the topics. The response comes when the broker has them, so HTTP gives
the same guarantees as Kafka. Nothing is decided here. Errors are `application/problem+json` (RFC 9457).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from stream_al import __version__
from stream_al.engine.samples.sample import flat_features, position_id, read_sample
from stream_al.errors import BadMessage, Misconfigured, StreamAlError, Unavailable
from stream_al.identity import id_text, version_of
from stream_al.messages import Label, class_names, decode, decode_json, encode
from stream_al.service.app import App
from stream_al.service.broker.protocols import Headers, Outgoing
from stream_al.service.engine_settings import allowed_classes, input_rules
from stream_al.service.http.access.guard import (
    BodyLimit,
    Guard,
    add_to_audit,
    caller_name,
    caller_role,
    charge_records,
)
from stream_al.service.http.access.rate import RateLimit
from stream_al.service.http.access.roles import Access, Role
from stream_al.service.http.desk import desk_routes
from stream_al.service.http.docs_page import CONTENT_POLICY, page
from stream_al.service.http.expectation import expectations, refuse_unsolicited
from stream_al.service.http.json_body import JSONRoute
from stream_al.service.http.openapi import describe_access
from stream_al.service.http.operators.admin import admin_routes
from stream_al.service.http.operators.corrections import correction_routes
from stream_al.service.http.people.explore import explore_routes
from stream_al.service.http.people.leases import lease_routes
from stream_al.service.http.people.quality import quality_routes
from stream_al.service.http.people.quality_items import quality_items_routes
from stream_al.service.http.people.watch import watch_routes
from stream_al.service.http.schemas import (
    AcceptedLabels,
    AcceptedSamples,
    Predicted,
    QueryPage,
    problem,
    problems,
)
from stream_al.service.http.status import status
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["api"]

MAX_PAGE = 1000
NOT_OK: dict[int | str, dict[str, Any]] = {
    503: {"description": "No; the body says why.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


def api(app: App) -> FastAPI:
    """The HTTP interface of an application. Raises Misconfigured if its tokens cannot be read."""
    web = FastAPI(
        title="stream_al",
        version=__version__,
        summary="Streaming selective sampling",
        docs_url=None,  # FastAPI's page loads scripts from another host
        redoc_url=None,
    )
    web.router.route_class = JSONRoute
    given = app.settings.http
    web.add_middleware(
        BodyLimit, limit_bytes=given.max_body_bytes, limit_seconds=given.body_seconds, clock=app.clock
    )
    web.add_middleware(
        Guard,
        routes=web,
        access=Access(given),
        limit=RateLimit(given.requests_per_second),
        records=RateLimit(given.records_per_second),
        clock=app.clock,
    )
    _error_handlers(web)
    _docs_route(web)
    _probe_routes(web, app)
    _read_routes(web, app)
    _write_routes(web, app)
    correction_routes(web, app)
    quality_routes(web, app)
    quality_items_routes(web, app)
    lease_routes(web, app)
    admin_routes(web, app)
    desk_routes(web, app)
    if app.desk.enabled:
        watch_routes(web, app)
        explore_routes(web, app)
    describe_access(web)
    return web


def _docs_route(web: FastAPI) -> None:
    @web.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    async def docs(request: Request) -> Response:
        shown = page(web.openapi(), str(request.base_url).rstrip("/"))
        return HTMLResponse(shown, headers={"Content-Security-Policy": CONTENT_POLICY})


def _probe_routes(web: FastAPI, app: App) -> None:
    @web.get("/livez", tags=["probes"], response_class=PlainTextResponse, responses=NOT_OK)
    async def livez() -> Response:
        """Whether the process makes progress; 503 means that it should be restarted."""
        return _probe(app.live(), "live", f"no progress for {app.stalled_seconds():.0f} s")

    @web.get("/readyz", tags=["probes"], response_class=PlainTextResponse, responses=NOT_OK)
    async def readyz() -> Response:
        """Whether the process does its work; the body names the conditions that hold (`/v1/status`)."""
        held = [one for one in app.conditions.observe() if one.holds]
        good = app.ready and not any(one.unready for one in held)
        lines = "".join(f"\n{one.type.value}: {one.reason}" for one in held)
        starting = "" if app.ready else ": starting or stopping"
        return _probe(good, "ready" + lines, f"not ready{starting}{lines}")

    @web.get("/metrics", tags=["probes"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(app.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _read_routes(web: FastAPI, app: App) -> None:
    @web.get("/v1/status", tags=["status"])
    async def get_status() -> dict[str, Any]:
        """The state of this process: loops, budget, labels and model."""
        await app.local_model.prepare_digest()
        return status(app)

    @web.get("/v1/queries", tags=["labelling"], response_model=QueryPage, responses=problems(422))
    async def get_queries(
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50, offset: Annotated[int, Query(ge=0)] = 0
    ) -> Response:
        """Pending queries, the most useful first.

        A page may hold fewer than `limit`: it has at most `http.max_page_bytes` bytes.
        """
        page = await app.pending.most_useful(limit, offset, app.settings.http.max_page_bytes)
        found = {"total": len(app.pending), "offset": offset, "queries": page}
        return Response(encode(found), media_type="application/json")  # written once, not checked again

    @web.post("/v1/predict", tags=["model"], response_model=Predicted, responses=problems(408, 413, 422))
    async def predict(
        features: Annotated[dict[str, Any], Body(examples=[{"amount": 12.5}])],
    ) -> dict[str, Any]:
        """Predict a class from features. Nothing is stored, and no label is asked for."""
        flat, failure = flat_features(features, input_rules(app.settings)), None
        try:
            probabilities = app.local_model.model.probabilities(flat)
        except BadMessage as error:  # what the model cannot do is no fault of the request
            probabilities, failure = {}, str(error)
        return {
            "label": app.local_model.learner.rule.label(probabilities),
            "probabilities": dict(zip(class_names(*probabilities), probabilities.values(), strict=True)),
            "model": msgspec.to_builtins(app.local_model.stamp()),
            "failure": failure,
        }


def _write_routes(web: FastAPI, app: App) -> None:
    settings, topics, allowed = app.settings, app.settings.topics, allowed_classes(app.settings)

    @web.post(
        "/v1/samples",
        tags=["stream"],
        status_code=202,
        response_model=AcceptedSamples,
        responses=problems(408, 413, 422, 503),
    )
    async def post_samples(
        request: Request, samples: Annotated[list[dict[str, Any]] | dict[str, Any], Body()]
    ) -> dict[str, Any]:
        """Send one sample or a list of samples to the stream, in the form that the settings describe."""
        outgoing, trace = [], _trace_headers(app, request)
        async for given in _sliced(app, request, samples):
            value = encode(given)
            record = decode_json(value, max_bytes=settings.input.max_bytes)
            key = (id_text(given.get("id")) or "").encode() or None
            sample = read_sample(record, input_rules(settings), key=key, position="")
            outgoing.append(Outgoing(topics.samples, sample.id.encode() or None, value, trace))
        acks = await app.broker.send(outgoing)
        ids = [
            out.key.decode() if out.key else position_id(topics.samples, ack.partition, ack.offset)
            for out, ack in zip(outgoing, acks, strict=True)
        ]
        return {"accepted": len(acks), "ids": ids}

    @web.post(
        "/v1/labels",
        tags=["labelling"],
        status_code=202,
        response_model=AcceptedLabels,
        responses=problems(408, 413, 422, 503),
    )
    async def post_labels(
        request: Request, labels: Annotated[list[dict[str, Any]] | dict[str, Any], Body()]
    ) -> dict[str, Any]:
        """Send one label or a list: `{"id": ..., "label": ...}` or `{"id": ..., "skipped": true}`.

        Send back the `version` of the query too: then no other query takes the label. The response says for
        each label what is expected to become of it. A label with features of its own, for an id without a
        query, needs the role admin or `labels.unsolicited`; other features only say which version is meant.
        `via` is set to the name of the token.
        """
        outgoing, trace, read = [], _trace_headers(app, request), []
        asked_only = not settings.labels.unsolicited and caller_role(request) < Role.ADMIN
        async for one in _sliced(app, request, labels):
            given = {**one, "via": caller_name(request)}
            label = decode(Label, encode(given), max_bytes=settings.input.max_bytes)
            if label.features is not None:
                features = flat_features(label.features, input_rules(settings))  # raises as the service would
                label = msgspec.structs.replace(label, features=dict(features))
            if label.label is not None:  # intake takes it for the class; here it may still be refused
                label = msgspec.structs.replace(label, label=allowed.named_by(label.label))
            read.append(label)
            if asked_only and label.features is not None:  # its query may be over by the time it is read
                sent = {name: value for name, value in given.items() if name != "features"}
                given = {**sent, "version": label.version or version_of(label.features)}
            outgoing.append(Outgoing(topics.labels, label.id.encode(), encode(given), trace))
        expected = await expectations(app, read)  # before they are sent, since they may be learned at once
        if asked_only:
            refuse_unsolicited(expected)
        accepted = len(await app.broker.send(outgoing))
        add_to_audit(request, accepted=accepted)
        return {"accepted": accepted, **expected}


def _error_handlers(web: FastAPI) -> None:
    @web.exception_handler(BadMessage)
    async def bad_message(request: Request, error: BadMessage) -> Response:
        return problem(422, "Unusable message", str(error), reason=error.reason)

    @web.exception_handler(Misconfigured)
    async def mistakes(request: Request, error: Misconfigured) -> Response:
        return problem(422, "Invalid request", "; ".join(error.mistakes), mistakes=error.mistakes)

    @web.exception_handler(Unavailable)
    async def unavailable(request: Request, error: Unavailable) -> Response:
        return problem(503, "Unavailable", str(error))

    @web.exception_handler(StreamAlError)
    async def other(request: Request, error: StreamAlError) -> Response:
        return problem(500, type(error).__name__, str(error))

    @web.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        title = HTTPStatus(error.status_code).phrase
        return problem(error.status_code, title, str(error.detail), headers=error.headers)

    @web.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        mistakes = [
            f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in error.errors()[:10]
        ]
        return problem(422, "Invalid request", "; ".join(mistakes))


async def _sliced(
    app: App, request: Request, given: list[dict[str, Any]] | dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """The records of a request, which count for its rate, in slices between which other tasks run."""
    records, most = given if isinstance(given, list) else [given], app.settings.http.max_records
    charge_records(request, len(records))
    if len(records) > most:
        raise BadMessage("too_many_records", f"the request has {len(records)} records, and may have {most}")
    async for record in TimeSlices(app.clock).one_by_one(records):
        yield record


def _trace_headers(app: App, request: Request) -> Headers:
    """The headers of a request that name its trace."""
    return app.tracing.carried(tuple((name.decode("latin-1"), value) for name, value in request.headers.raw))


def _probe(good: bool, yes: str, no: str) -> Response:
    return PlainTextResponse(yes if good else no, status_code=200 if good else 503)
