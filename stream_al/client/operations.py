"""The operations of a client, as plans: which request each is, and how its response is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import msgspec

from stream_al.client.batches import MAX_BYTES, MAX_RECORDS, Batches
from stream_al.client.errors import ClientError, LeaseOver, Overloaded, Refused, Unreachable
from stream_al.client.exchange import Attempt, Pace, Pause, Plan, Request, Response, call, read
from stream_al.client.responses import Expected, LeasedQuery, LeasePage, Predicted
from stream_al.messages import ClassLabel, encode

__all__ = ["Operations", "Target", "label_record"]

PROBE_SECONDS = 5.0
PROBE_PAUSE_SECONDS = 0.2

Target = LeasedQuery | str
"""A query that was leased, or the id of a query."""


class _AcceptedSamples(msgspec.Struct):
    ids: list[str]


class _AcceptedLabels(msgspec.Struct):
    labels: list[Expected]


def label_record(target: Target, label: ClassLabel | None, **more: Any) -> dict[str, Any]:
    """A label as the service reads it. Members that are None or False are left out.

    >>> label_record("txn-1", "fraud", annotator="ada", flagged=False, comment=None)
    {'id': 'txn-1', 'label': 'fraud', 'annotator': 'ada'}
    >>> label_record("txn-1", None, skipped=True, skip_reason="blurred")
    {'id': 'txn-1', 'skipped': True, 'skip_reason': 'blurred'}
    """
    record: dict[str, Any] = {"id": target if isinstance(target, str) else target.id}
    if label is not None:
        record["label"] = label
    if isinstance(target, LeasedQuery) and target.query.version:
        record["version"] = target.query.version  # so no other query takes the label
    unsaid = {name for name, value in more.items() if value is None or (value is False and name == "flagged")}
    return record | {name: value for name, value in more.items() if name not in unsaid}


@dataclass(frozen=True)
class Operations:
    """Makes plans.

    Attributes:
        pace: The time that a request may take.
        holder: The session for which queries are leased.
        annotator: Who labels; None if the token says it.
        resumes: Whether the session is that of an earlier client, which may hold queries.
        max_bytes: The largest body of a request, in bytes, to begin with.
        max_records: The most records of a request, to begin with.
    """

    pace: Pace
    holder: str
    annotator: str | None = None
    resumes: bool = False
    max_bytes: int = MAX_BYTES
    max_records: int = MAX_RECORDS

    def within(self, seconds: float) -> Operations:
        """The same with another deadline."""
        return replace(self, pace=replace(self.pace, seconds=seconds))

    def predict(self, features: Mapping[str, Any]) -> Plan[Predicted]:
        """Predict a class."""
        response = yield from self._call("POST", "/v1/predict", encode(dict(features)))
        return read(response, Predicted)

    def send(self, samples: Iterable[Mapping[str, Any]]) -> Plan[list[str]]:
        """Send samples; their ids."""
        ids: list[str] = []
        cut = self._cut(samples)
        while body := cut.take():
            # The service knows a sample again by its id. Without one, a repetition would be another sample.
            known = all(isinstance(one, dict) and "id" in one for one in msgspec.json.decode(body))
            response = yield from self._batch("/v1/samples", cut, body, known, len(ids))
            if response is not None:
                ids += read(response, _AcceptedSamples).ids
        return ids

    def send_labels(self, labels: Iterable[Mapping[str, Any]]) -> Plan[list[Expected]]:
        """Send labels; what is expected to become of each."""
        expected: list[Expected] = []
        cut = self._cut(labels)
        while body := cut.take():
            response = yield from self._batch("/v1/labels", cut, body, True, len(expected))
            if response is not None:
                expected += read(response, _AcceptedLabels).labels
        return expected

    def label(self, record: Mapping[str, Any]) -> Plan[str]:
        """Send one label; what is expected to become of it."""
        (expected,) = yield from self.send_labels([record])
        return expected.expected

    def correct(self, target: Target, label: ClassLabel, annotator: str | None) -> Plan[None]:
        """Replace the label of a sample."""
        record = label_record(target if isinstance(target, str) else target.id, label, annotator=annotator)
        yield from self._call("POST", "/v1/corrections", encode(record))

    def lease(self, count: int) -> Plan[LeasePage]:
        """Lease queries: what the holder holds already, then free ones."""
        asked = {"count": count, "holder": self.holder} | (
            {"annotator": self.annotator} if self.annotator else {}
        )
        response = yield from self._call("POST", "/v1/leases", encode(asked))
        return read(response, LeasePage)

    def renew(self, lease: str) -> Plan[None]:
        """Renew a lease. Raises LeaseOver."""
        yield from self._call("PUT", f"/v1/leases/{quote(lease, safe='')}")

    def release(self, lease: str) -> Plan[None]:
        """Give a query back. A lease that is over needs no release."""
        try:
            yield from self._call("DELETE", f"/v1/leases/{quote(lease, safe='')}")
        except LeaseOver:
            return

    def get(self, path: str) -> Plan[dict[str, Any]]:
        """A JSON object."""
        response = yield from self._call("GET", path)
        return read(response, dict[str, Any])

    def explain(self, query_id: str) -> Plan[dict[str, Any]]:
        """What moves the prediction for a pending query."""
        return (yield from self.get(f"/v1/explanations?id={quote(query_id, safe='')}"))

    def wait_until_ready(self, seconds: float) -> Plan[None]:
        """Wait until the service does its work.

        Raises:
            Unreachable: It is away.
            Overloaded: It says why it is not ready.
        """
        deadline = self.pace.clock() + seconds
        while True:
            left = deadline - self.pace.clock()
            event = yield Attempt(Request("GET", "/readyz"), max(0.0, min(left, PROBE_SECONDS)))
            if isinstance(event, Response) and event.status == 200:
                return
            if self.pace.clock() + PROBE_PAUSE_SECONDS >= deadline:
                raise _not_ready(event)
            yield Pause(PROBE_PAUSE_SECONDS)

    def _cut(self, records: Iterable[Mapping[str, Any]]) -> Batches:
        return Batches(map(dict, records), self.max_bytes, self.max_records)

    def _batch(
        self, path: str, cut: Batches, body: bytes, repeatable: bool, before: int
    ) -> Plan[Response | None]:
        """Send a batch; None if it was too large and is cut anew."""
        try:
            return (yield from self._call("POST", path, body, repeatable=repeatable))
        except Refused as error:
            if error.too_large and cut.split():
                return None
            error.accepted = before
            raise
        except ClientError as error:
            error.accepted = before
            raise

    def _call(
        self, method: str, path: str, body: bytes | None = None, *, repeatable: bool = True
    ) -> Plan[Response]:
        return (yield from call(Request(method, path, body, repeatable), self.pace))


def _not_ready(event: Any) -> ClientError:
    if isinstance(event, Response):
        words = " ".join(event.body.decode("utf-8", "replace").split())[:500]
        return Overloaded(f"the service is not ready: {words or event.status}", status=event.status)
    return Unreachable(event.message if event else "there was no response")
