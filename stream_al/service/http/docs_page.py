"""The page `/docs`: the HTTP interface for people, made from the OpenAPI document.

It is one page of HTML without a script. It loads nothing, so it works without the internet, and its content
policy allows its own style sheet and nothing else. Every route has a command to copy.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from shlex import quote
from typing import Any

__all__ = ["CONTENT_POLICY", "page"]

CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #f6f6f4; margin: 0 }
main { max-width: 900px; margin: 2rem auto; padding: 0 1rem }
section { background: #fff; border: 1px solid #e2e2df; border-radius: 8px; padding: .2rem 1.2rem 1rem }
section { margin: 1rem 0 } h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; text-transform: capitalize }
h3 { font: 600 1rem ui-monospace, monospace; margin: 1.4rem 0 .2rem } h3 b { color: #06c }
pre { background: #f6f6f4; padding: .6rem .8rem; border-radius: 6px; overflow-x: auto; margin: .4rem 0 }
pre, table { font-size: .85rem } td { padding: .1rem .8rem .1rem 0; vertical-align: top }
p { margin: .2rem 0 } .quiet { color: #666 }
"""
_HASH = b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
CONTENT_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'"

METHODS = ("get", "post", "put", "patch", "delete")


def page(document: dict[str, Any], url: str) -> str:
    """The page.

    Args:
        document: The OpenAPI document.
        url: Where the interface is, for the commands.
    """
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method in (method for method in METHODS if method in operations):
            operation = operations[method]
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).extend(_route(document, path, method, operation, url))
    info = document["info"]
    name = escape(f"{info['title']} {info['version']}")
    body = "\n".join(
        f"<section><h2>{escape(tag)}</h2>{''.join(made)}</section>" for tag, made in groups.items()
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{CSS}</style></head>\n<body><main><h1>{name}</h1>\n"
        '<p>For programs: <a href="openapi.json">openapi.json</a>. Errors are '
        f"<code>application/problem+json</code> (RFC 9457).</p>\n{body}\n</main></body></html>\n"
    )


def _route(
    document: dict[str, Any], path: str, method: str, operation: dict[str, Any], url: str
) -> Iterator[str]:
    yield f"<h3><b>{method.upper()}</b> {escape(path)}</h3>"
    for paragraph in operation.get("description", operation.get("summary", "")).split("\n\n"):
        yield f"<p>{escape(paragraph)}</p>"
    roles = [role for one in operation.get("security", []) for scopes in one.values() for role in scopes]
    if roles:
        yield f'<p class="quiet">Where tokens are set, it needs the role {escape(" or ".join(roles))}.</p>'
    yield f"<pre>{escape(_command(document, path, method, operation, url, token=bool(roles)))}</pre>"
    yield "<table>"
    for given in operation.get("parameters", []):
        schema = json.dumps(given.get("schema", {}).get("default"))
        yield f"<tr><td><code>?{escape(given['name'])}=</code></td><td>default {escape(schema)}</td></tr>"
    for code, response in operation["responses"].items():
        members = ", ".join(_members(document, response))
        text = escape(response.get("description", "")) + (
            f" <code>{escape(members)}</code>" if members else ""
        )
        yield f"<tr><td>{escape(code)}</td><td>{text}</td></tr>"
    yield "</table>"


def _command(
    document: dict[str, Any], path: str, method: str, operation: dict[str, Any], url: str, *, token: bool
) -> str:
    words = ["curl"] if method in ("get", "post") else ["curl", "-X", method.upper()]
    if "requestBody" in operation:
        words += ["--json", quote(json.dumps(_example(document, operation["requestBody"])))]
    elif method == "post":
        words += ["-X", "POST"]
    if token:
        words += ["-H", '"Authorization: Bearer $TOKEN"']
    return " ".join([*words, quote(url + path)])


def _example(document: dict[str, Any], body: dict[str, Any]) -> Any:
    """A body to begin with: the example of the document, or else the members with their types."""
    schema = _resolved(document, body["content"]["application/json"]["schema"])
    if examples := schema.get("examples"):
        return examples[0]
    return {name: _kind(member) for name, member in schema.get("properties", {}).items()}


def _members(document: dict[str, Any], response: dict[str, Any]) -> list[str]:
    """The names of the members of a response in JSON; an error has the same everywhere."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return list(_resolved(document, schema).get("properties", {}))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while reference := schema.get("$ref"):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _kind(member: dict[str, Any]) -> Any:
    kinds = [one.get("type") for one in member.get("anyOf", [member])]
    return {"boolean": False, "integer": 0, "number": 0.0, "string": "..."}.get(str(kinds[0]))
