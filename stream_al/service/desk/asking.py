"""Asking by hand: a person asks for the labels of samples on the map.

They are paid for by the next purchases of the budget (`engine.budgets.manual`), so nothing is asked for
that no purchase will pay for: a sentence says why instead, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stream_al.errors import StreamAlError
from stream_al.identity import version_of
from stream_al.service.app import App
from stream_al.service.desk.recent_samples import Kept
from stream_al.service.loops.asked import MOST, Wanted

__all__ = ["NoPurchase", "ask", "refusal"]

RAISE = {
    "pending": "wait until labels have come, or raise budget.pending",
    "per_hour": "wait until the next hour, or raise budget.per_hour",
    "total": "raise budget.total",
}


class NoPurchase(StreamAlError):
    """The budget buys nothing now."""


def refusal(app: App) -> str | None:
    """Why no label can be asked for now; None if it can."""
    if app.select.paused:
        return "selection is paused in this process, so the budget buys nothing: resume it first"
    partitions = app.select.partitions
    if not partitions:
        return (
            "this process reads no partition of the samples: ask one that does, or wait for samples to come"
        )
    bindings = {app.selection.binding(p, one.state)["binding"] for p, one in partitions.items()}
    if "share" in bindings:
        return None
    cap = min(bindings)
    return f"the cap budget.{cap} leaves no room for a label: {RAISE[cap]}"


async def ask(app: App, numbers: Sequence[int], by: str | None) -> dict[str, Any]:
    """Ask for the labels of samples, by their numbers.

    Raises:
        NoPurchase: The budget buys nothing now.
        Unavailable: The broker does not confirm the requests in time; ask again.
    """
    why = refusal(app)
    if why is not None:
        raise NoPurchase(why)
    asked, refused = list[Wanted](), list[dict[str, Any]]()
    for number in dict.fromkeys(numbers):
        kept = app.desk.recent.get(number)
        fault = _fault(app, number, kept)
        if fault is None and kept is not None:
            found = _wait(app, kept)
            if isinstance(found, Wanted):
                asked.append(found)
                continue
            fault = found
        if fault is not None:
            refused.append({"number": number, "id": kept.arrival.id if kept else None, "why": fault})
    await app.requests.keep_label(asked, by)
    return {"asked": len(asked), "waiting": len(app.selection.asked), "refused": refused}


def _fault(app: App, number: int, kept: Kept | None) -> str | None:
    """Why a sample cannot be asked for; None if it can."""
    if number < 0:
        return "its query is pending already"
    if kept is None:
        return "it is not among the last samples of this process any more"
    if number in app.selection.asked:
        return "it was asked for already"
    return None


def _wait(app: App, kept: Kept) -> Wanted | str:
    """Let a sample wait, or say why it cannot."""
    sample = app.desk.recent.read(kept.record)
    if isinstance(sample, Exception):
        return "its record can no longer be read"
    if app.desk.explorer.items.has_query(sample):
        return "it has a query or a label already"
    version = version_of(sample.features)
    wanted = Wanted.of(kept.number, kept.record, sample, version, kept.arrival, kept.decision)
    if not app.selection.asked.add(wanted):
        return (
            f"{MOST} samples, or a few large ones, wait already: ask again when the budget has paid for some"
        )
    return wanted
