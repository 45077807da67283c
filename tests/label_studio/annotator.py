"""An annotator: a person in front of Label Studio, who uses its HTTP interface as the web page does."""

from __future__ import annotations

from typing import Any

import httpx

from tests.label_studio.server import LabelStudio

__all__ = ["Annotator"]


class Annotator:
    """Labels, skips, changes and deletes.

    Args:
        server: The server.
        project: The title of the project.
    """

    def __init__(self, server: LabelStudio, project: str) -> None:
        self.project = project
        headers = {"Authorization": f"Token {server.token}"}
        self.http = httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60, trust_env=False)
        self._number: int | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def call(self, method: str, path: str, **given: Any) -> Any:
        """A request that has to succeed."""
        response = await self.http.request(method, path, **given)
        assert response.is_success, response.text
        return response.json() if response.content else None

    async def number(self) -> int | None:
        """The id of the project; None while there is none."""
        if self._number is None:
            found = (await self.call("GET", "/api/projects/", params={"title": self.project}))["results"]
            self._number = found[0]["id"] if found else None
        return self._number

    async def tasks(self) -> list[dict[str, Any]]:
        """All tasks."""
        if (number := await self.number()) is None:
            return []
        params = {"project": number, "fields": "all", "page_size": 10_000}
        found: list[dict[str, Any]] = (await self.call("GET", "/api/tasks/", params=params))["tasks"]
        return found

    async def task(self, sample_id: str) -> dict[str, Any]:
        """The task of a sample."""
        (found,) = [task for task in await self.tasks() if task["data"]["stream_al_id"] == sample_id]
        return found

    async def label(self, task: dict[str, Any], choice: str, name: str = "label") -> int:
        """Label a task; the id of the annotation."""
        body = {"result": _result(choice, name)}
        made = await self.call("POST", f"/api/tasks/{task['id']}/annotations/", json=body)
        return int(made["id"])

    async def skip(self, task: dict[str, Any]) -> None:
        """Skip a task."""
        body = {"result": [], "was_cancelled": True}
        await self.call("POST", f"/api/tasks/{task['id']}/annotations/", json=body)

    async def change(self, annotation: int, choice: str) -> None:
        """Change an annotation."""
        await self.call("PATCH", f"/api/annotations/{annotation}/", json={"result": _result(choice, "label")})

    async def delete(self, annotation: int) -> None:
        """Delete an annotation."""
        await self.call("DELETE", f"/api/annotations/{annotation}/")


def _result(choice: str, name: str) -> list[dict[str, Any]]:
    kind = "choices" if name == "label" else "textarea"
    value = {"choices" if name == "label" else "text": [choice]}
    return [{"from_name": name, "to_name": "text", "type": kind, "value": value}]
