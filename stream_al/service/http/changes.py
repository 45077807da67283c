"""Operations: what an operator may have changed, for all replicas, while they run.

Each checks what it is asked for against what is in force now, writes that down (`service.control`) and
answers when this replica has applied it. The others follow within a poll, and whoever starts later begins
with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.errors import Misconfigured
from stream_al.messages import MAX_RANGES
from stream_al.service.app import App
from stream_al.service.model.replay import PARTITION
from stream_al.settings.runtime_changes import CHANGEABLE, changed

__all__ = ["change_settings", "count_again", "roll_back", "settings_in_force", "snapshot_offset"]


def settings_in_force(app: App) -> dict[str, Any]:
    """What may be changed, as it is in force and as it is configured; what is changed, by whom and when."""
    control, record = app.control, app.control.settings_record
    return {
        "budget": {name: getattr(control.budget, name) for name in CHANGEABLE},
        "configured": {"budget": {name: getattr(app.settings.budget, name) for name in CHANGEABLE}},
        "changed": {"budget": control.members},
        "changed_at": record.changed_at if record else None,
        "by": record.by if record else None,
    }


async def change_settings(app: App, request: Mapping[str, Any], by: str | None) -> dict[str, Any]:
    """Change settings; what was changed, from and to.

    Raises:
        Misconfigured: With every mistake in the request.
        Unavailable: The broker did not take it in time.
    """
    control = app.control
    changed(app.settings, control.members, request)  # what is refused is so before anybody is asked
    await control.catch_up()
    before = control.budget
    await control.change_budget(lambda members: changed(app.settings, members, request), by)
    return {
        f"budget.{name}": {"from": getattr(before, name), "to": getattr(control.budget, name)}
        for name in CHANGEABLE
        if getattr(before, name) != getattr(control.budget, name)
    }


async def snapshot_offset(app: App, name: str) -> int:
    """The offset that a snapshot stands for: what was learned before it.

    Raises:
        Misconfigured: This replica has no such snapshot.
    """
    found = await app.local_model.snapshots.listed()
    if name not in found:
        known = ", ".join(found) or "none"
        raise Misconfigured(f"snapshot: write one that this replica has ({known}), or to_offset instead")
    return found[name]


async def roll_back(app: App, offset: int, by: str | None, *, dry_run: bool = False) -> dict[str, Any]:
    """Have no example from an offset on count, up to what is the end of the log now.

    Returns:
        The range, how many examples in it counted until now, and whether the model of this replica is
        there already.

    Raises:
        Misconfigured: There is no such offset, or the log no longer holds what the model is made of.
        Unavailable: The broker did not take it in time.
    """
    await app.control.catch_up()
    end = (await app.local_model.reader.end_offsets())[PARTITION]
    if offset > end:
        raise Misconfigured(f"to_offset: write 0 to {end}, where the examples end, not {offset}")
    return await _change_exclusions(app, (offset, end), Exclusions.adding, by, dry_run=dry_run)


async def count_again(
    app: App, begin: int, end: int, by: str | None, *, dry_run: bool = False
) -> dict[str, Any]:
    """Have voided examples count again: those from an offset, up to but not including another one.

    Returns and raises as `roll_back`.
    """
    await app.control.catch_up()
    first = (await app.local_model.reader.beginning_offsets())[PARTITION]
    if begin < first:
        raise Misconfigured(f"from_offset: write {first} or more, the log holds no example before that")
    return await _change_exclusions(app, (begin, end), Exclusions.without, by, dry_run=dry_run)


async def _change_exclusions(
    app: App,
    between: tuple[int, int],
    change: Callable[[Exclusions, int, int], Exclusions],
    by: str | None,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    local_model, before = app.local_model, app.control.exclusions

    def made(before: Exclusions) -> Exclusions:
        after = change(before, *between)
        if len(after.ranges) > MAX_RANGES:
            raise Misconfigured(
                f"there would be more than {MAX_RANGES} ranges of examples that count no more"
            )
        return after

    await local_model.check_rebuild(made(before))
    moved = abs(len(made(before)) - len(before))
    if moved and not dry_run:
        await app.control.change_exclusions(made, by)
    return {
        "from_offset": between[0],
        "to_offset": between[1],
        "examples": moved,
        "dry_run": dry_run,
        "rebuilt": not dry_run and await local_model.is_current_within(app.clock.pace.rebuild_seconds),
    }
