"""The description of the interface, with what the table of routes asks for; no route repeats it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from stream_al.service.http.roles import RULES, UNKNOWN, Role
from stream_al.service.http.schemas import problems

__all__ = ["describe"]

SCHEME = "token"


def describe(web: FastAPI) -> None:
    """Have an application's OpenAPI document say which role each route takes, and how it refuses."""
    plain = web.openapi

    def described() -> dict[str, Any]:
        if web.openapi_schema is None:
            _add(plain())
        return plain()

    web.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way


def _add(document: dict[str, Any]) -> None:
    document.setdefault("components", {})["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "Roles: read, label, admin; each may do all that the ones before it may.",
        }
    }
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            rule = RULES.get((method.upper(), path), UNKNOWN)
            codes = []
            if rule.role is not Role.OPEN:
                operation["security"] = [{SCHEME: [rule.role.name.lower()]}]
                codes += [401, 403]
            if rule.writes:
                codes.append(429)
            for code, said in problems(*codes).items():
                operation["responses"][str(code)] = said
