"""The records and requests of which attacks consist."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.benchmarks.hostile.target import Target

__all__ = ["as_json", "example", "get", "names", "post", "query"]


def as_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def example(number: int, features: dict[str, Any], label: str | None = None) -> bytes:
    return as_json({"id": f"e{number}", "label": label or f"class {number % 2}", "features": features})


def query(number: int, features: dict[str, Any]) -> bytes:
    now = datetime.now(UTC)
    times = {"sampled_at": now, "queried_at": now, "expires_at": now + timedelta(days=7)}
    return as_json(
        {
            "id": f"q{number}",
            "features": features,
            "prediction": {"label": None, "probabilities": {}},
            "utility": 1.0,
            "threshold": 0.5,
            "propensity": 0.5,
            "reason": "warmup",
            "strategy": "margin",
            "model": {"name": "model", "version": "1", "examples": 0},
            **{name: time.isoformat() for name, time in times.items()},
        }
    )


def names(number: int, each: int) -> dict[str, Any]:
    """Names of features that no other record has."""
    return {f"name{number}-{place}": float(place) for place in range(each)}


async def get(target: Target, path: str) -> None:
    await target.http.get(path)


async def post(target: Target, path: str, body: bytes) -> None:
    try:
        await target.http.post(path, content=body, headers={"content-type": "application/json"})
    except httpx.TransportError:  # it was refused before all of it was sent
        return
