"""The two clients are one client: what the one can do, the other can do."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from stream_al.client import AsyncClient, Client


def methods(kind: type) -> Mapping[str, Any]:
    return {name: member for name, member in vars(kind).items() if not name.startswith("_")}


def test_both_clients_have_the_same_methods() -> None:
    assert methods(Client).keys() == methods(AsyncClient).keys()


def test_the_methods_of_both_clients_take_the_same_arguments() -> None:
    for name, method in methods(Client).items():
        if inspect.isfunction(method):
            other = methods(AsyncClient)[name]
            assert inspect.signature(method).parameters == inspect.signature(other).parameters, name
