"""Changes by an operator that apply to all replicas while they run.

Each change is checked against what is in force now, and written to the control topic (`service.control`). It
returns when this replica has applied it. The other replicas apply it with their next poll, and a replica that
starts later applies it at its start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.errors import Misconfigured
from stream_al.replica_messages import MAX_RANGES
from stream_al.service.app import App
from stream_al.service.model.replay import PARTITION
from stream_al.settings.runtime_changes import CHANGEABLE, changed

__all__ = ["change_settings", "restore", "roll_back", "settings_in_force", "snapshot_offset"]


def settings_in_force(app: App) -> dict[str, Any]:
    """The settings that can be changed: in force, as configured, and as changed, by whom and when."""
    control, record = app.control, app.control.settings_record
    return {
        "budget": {name: getattr(control.budget, name) for name in CHANGEABLE},
        "configured": {"budget": {name: getattr(app.settings.budget, name) for name in CHANGEABLE}},
        "changed": {"budget": control.members},
        "changed_at": record.changed_at if record else None,
        "by": record.by if record else None,
    }


async def change_settings(app: App, request: Mapping[str, Any], by: str | None) -> dict[str, Any]:
    """Change settings; return each setting that has changed, with the value before and after.

    Raises:
        Misconfigured: The request has mistakes; the error names all of them.
        Unavailable: The broker did not confirm the change in time.
    """
    control = app.control
    changed(app.settings, control.members, request)  # refuses a wrong request without a call to the broker
    await control.catch_up()
    before = control.budget
    await control.change_budget(lambda members: changed(app.settings, members, request), by)
    return {
        f"budget.{name}": {"from": getattr(before, name), "to": getattr(control.budget, name)}
        for name in CHANGEABLE
        if getattr(before, name) != getattr(control.budget, name)
    }


async def snapshot_offset(app: App, name: str) -> int:
    """The offset of a snapshot: the model in it has learned the examples before this offset.

    Raises:
        Misconfigured: This replica has no such snapshot.
    """
    found = await app.local_model.snapshots.listed()
    if name not in found:
        known = ", ".join(found) or "none"
        raise Misconfigured(
            f"snapshot: write one that this replica has ({known}), or write to_offset instead"
        )
    return found[name]


async def roll_back(app: App, offset: int, by: str | None, *, dry_run: bool = False) -> dict[str, Any]:
    """Exclude the examples from an offset up to the present end of the topic.

    Returns:
        The range, the number of examples in it that were not excluded until now, and whether the model of
        this replica is rebuilt already.

    Raises:
        Misconfigured: There is no such offset, or the topic no longer holds the examples that the rebuilt
            model needs.
        Unavailable: The broker did not confirm the change in time.
    """
    await app.control.catch_up()
    end = (await app.local_model.reader.end_offsets())[PARTITION]
    if offset > end:
        raise Misconfigured(f"to_offset: write 0 to {end}, where the examples end, not {offset}")
    return await _change_exclusions(app, (offset, end), Exclusions.adding, by, dry_run=dry_run)


async def restore(app: App, begin: int, end: int, by: str | None, *, dry_run: bool = False) -> dict[str, Any]:
    """Let the model learn excluded examples again: from an offset up to, but not including, another one.

    Returns and raises as `roll_back`.
    """
    await app.control.catch_up()
    first = (await app.local_model.reader.beginning_offsets())[PARTITION]
    if begin < first:
        raise Misconfigured(f"from_offset: write {first} or more: the topic holds no example before that")
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

    def changed_from(before: Exclusions) -> Exclusions:
        after = change(before, *between)
        if len(after.ranges) > MAX_RANGES:
            raise Misconfigured(f"there would be more than {MAX_RANGES} ranges of excluded examples")
        return after

    await local_model.check_rebuild(changed_from(before))
    examples = abs(len(changed_from(before)) - len(before))
    if examples and not dry_run:
        await app.control.change_exclusions(changed_from, by)
    return {
        "from_offset": between[0],
        "to_offset": between[1],
        "examples": examples,
        "dry_run": dry_run,
        "rebuilt": not dry_run and await local_model.is_current_within(app.clock.pace.rebuild_seconds),
    }
