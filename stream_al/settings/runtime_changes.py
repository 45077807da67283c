"""The settings that may be changed while the service runs: the numbers of the budget, and nothing else.

A change is checked by the same tree of settings as the configuration. So ranges and mistakes are the same for
both. The values of a change have JSON's types: a number must be a number, not a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_al.errors import Misconfigured
from stream_al.settings.description import fields
from stream_al.settings.selection import BudgetSettings
from stream_al.settings.sources import Given, Reading
from stream_al.settings.tree import Settings

__all__ = ["CHANGEABLE", "LARGEST", "changed", "in_force"]

CHANGEABLE = ("share", "exploration", "pending", "per_hour", "total")
"""The settings under `budget` that may be changed."""

LARGEST = 2**31 - 1
MOST_MEMBERS = 100  # of one object in a request
MOST_SHOWN = 100

_PATHS = {path for path, _ in fields()}
_ALLOWED = ", ".join(f"budget.{name}" for name in CHANGEABLE)


def changed(settings: Settings, before: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """All changed settings of the budget after a request.

    Args:
        settings: The configuration.
        before: The settings that were changed before the request.
        request: The request, such as `{"budget": {"share": 0.1}}`; null restores the configured value.

    Raises:
        Misconfigured: With every mistake in the request.

    >>> changed(Settings(), {"share": 0.1, "total": 9}, {"budget": {"share": None, "pending": 50}})
    {'total': 9, 'pending': 50}
    """
    reading = Reading()
    budget = request.get("budget")
    if (
        max(len(request), len(budget) if isinstance(budget, dict) else 0) > MOST_MEMBERS
    ):  # each would be named
        raise Misconfigured(
            f"the request has more than {MOST_MEMBERS} members: write only those to change, out of {_ALLOWED}"
        )
    given: dict[str, Any] = {}
    for name, value in request.items():
        if name == "budget" and isinstance(value, dict):
            for member, inner in value.items():
                if member in CHANGEABLE:
                    given[member] = inner
                else:
                    _refuse(reading, f"budget.{member}")
        elif name == "budget":
            reading.mistakes.append('budget: write an object, such as {"share": 0.1}')
        elif name.removeprefix("budget.") in CHANGEABLE and name.startswith("budget."):
            reading.mistakes.append(f'{name}: write it inside "budget", as {{"budget": {{...}}}}')
        else:
            _refuse(reading, name)
    if not given and not reading.mistakes:
        reading.mistakes.append('write what to change, such as {"budget": {"share": 0.1}}')
    _check(reading, settings, given, "the request")
    return {name: value for name, value in {**before, **given}.items() if value is not None}


def in_force(settings: Settings, changes: Mapping[str, Any]) -> BudgetSettings:
    """The budget with recorded changes.

    Raises:
        Misconfigured: The changes are not valid; `changed` never returns such changes.

    >>> in_force(Settings(), {"share": 0.1}).share
    0.1
    """
    return _check(Reading(), settings, changes, "the record")


def _refuse(reading: Reading, path: str) -> None:
    """Note a path that is no setting, or a setting that cannot be changed."""
    path = ascii(path)[1:-1][:MOST_SHOWN]  # the path comes from a request and may hold any characters
    if path in _PATHS or any(known.startswith(f"{path}.") for known in _PATHS):
        reading.mistakes.append(
            f"{path}: cannot be changed while the service runs ({_ALLOWED} can); configure it and restart"
        )
    else:
        reading.take(path, None, "the request")


def _check(reading: Reading, settings: Settings, values: Mapping[str, Any], source: str) -> BudgetSettings:
    for name, value in values.items():
        path = f"budget.{name}"
        reading.given[path] = Given(value, source)
        if value is not None and not isinstance(value, int | float):
            reading.refuse(path, ())
        elif isinstance(value, int) and value > LARGEST:
            reading.refuse(path, [f"write at most {LARGEST}"])
        elif value is not None:
            continue
        del reading.given[path]
    found = reading.settings(typed=True)
    if found is None or reading.mistakes:
        raise Misconfigured(*reading.mistakes)
    members = {path.removeprefix("budget.") for path in reading.given}
    return settings.budget.model_copy(update={name: getattr(found.budget, name) for name in members})
