"""The OpenAPI document, completed with the roles from `access.roles`, so that no route repeats its role."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from stream_al.service.http.access.roles import DEFAULT_RULE, RULES, Role
from stream_al.service.http.json_body import CHECKED
from stream_al.service.http.schemas import problems

__all__ = ["describe_access"]

SCHEME = "token"


def describe_access(web: FastAPI) -> None:
    """Let the OpenAPI document of an application say which role each route needs, and how it refuses."""
    generate = web.openapi

    def described() -> dict[str, Any]:
        if web.openapi_schema is None:
            _add_access(generate())
        return generate()

    web.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way


def _add_access(document: dict[str, Any]) -> None:
    document.setdefault("components", {})["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "Roles: read, label, admin. Each role includes the roles before it.",
        }
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            rule = RULES.get((method.upper(), path), DEFAULT_RULE)
            codes = []
            if rule.role is not Role.OPEN:
                operation["security"] = [{SCHEME: [rule.role.name.lower()]}]
                codes.append(401)
            codes.append(403)
            if "requestBody" in operation:
                codes.append(415)
            if path.startswith(CHECKED):
                codes.append(422)
            if rule.limited:
                codes.append(429)
            for code, response in problems(*codes).items():
                operation["responses"][str(code)] = response
