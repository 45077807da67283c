"""docker-compose.yml as Compose reads it: with the variables of `.env.example` filled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def variables(text: str) -> dict[str, str]:
    """The variables of an environment file."""
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


PUBLISHED = variables((ROOT / ".env.example").read_text(encoding="utf-8"))
EXAMPLE = {
    name: value.replace("REPLACE", f"x{number:031}") for number, (name, value) in enumerate(PUBLISHED.items())
}
"""The variables as a user fills them in."""
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def compose(environ: dict[str, str]) -> dict[str, Any]:
    """The file with its variables filled in, as `docker compose config` shows it."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if kind == "?":
            assert environ.get(name), f"{name}: {rest}"
        return environ.get(name) or (rest if kind == "-" else "")

    document: dict[str, Any] = yaml.safe_load(VARIABLE.sub(value, TEXT))
    return document


FILE = compose(EXAMPLE)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: given for name, given in SERVICES.items() if given["image"].startswith("stream-al:")}
REPLICAS = {name: given for name, given in OURS.items() if name.startswith("stream-al-")}


def environ(service: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = service.get("environment", {})
    assert all(isinstance(text, str) for text in found.values()), "Compose takes texts"
    return found
