"""Label Studio's HTTP interface: requests with a deadline, and errors that say who must act.

    no response, 429, 5xx        `Unavailable`: wait, and try again
    401, 403, 404, a redirect    `Misconfigured` until the server has accepted us once; later `Unavailable`,
                                 since a token may be renewed and a server restored while we wait
    any other 4xx                `Refused`: this request cannot succeed

A token is a legacy token, which is sent as it is, or a personal access token. The latter is a JSON web token
that buys access tokens of five minutes. A new one is bought when the server no longer accepts the last one.
A file with a token is read for every request.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stream_al.errors import Misconfigured, StreamAlError, Unavailable
from stream_al.label_studio.annotations import Page, Stamp, Stamps, Task, decoded
from stream_al.label_studio.certificates import trusted
from stream_al.service.timing.deadline import within

if TYPE_CHECKING:
    from stream_al.settings import LabelStudioSettings

__all__ = ["Client", "Filter", "Refused", "TooLarge", "changed_since", "these", "untouched"]

MAX_RESPONSE_BYTES = 16_000_000
PAGE = 50
STAMPS = 500
MOST_CHARACTERS = 300  # of what the server says, in the text of an error

Filter = Mapping[str, Any]


class Refused(StreamAlError):
    """Label Studio refuses a request, and would refuse it again."""


class TooLarge(StreamAlError):
    """A response is larger than what is read at once."""


def _filter(column: str, operator: str, kind: str, value: Any) -> Filter:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def untouched() -> list[Filter]:
    """Tasks that nobody has labelled or skipped."""
    return [_filter(name, "equal", "Number", 0) for name in ("total_annotations", "cancelled_annotations")]


def changed_since(time: str) -> list[Filter]:
    """Tasks that were changed after a time, as `2026-11-28T18:58:12.693920Z`."""
    return [_filter("updated_at", "greater", "Datetime", time)]


def these(tasks: Sequence[int]) -> list[Filter]:
    """The tasks with these ids."""
    return [_filter("id", "in_list", "List", list(tasks))]


class Client:
    """A connection to one server.

    Args:
        settings: Where it is, and how to log in.
        deadline_seconds: Longest wait for one response.

    Attributes:
        requests: The number of requests so far, by outcome.
    """

    def __init__(self, settings: LabelStudioSettings, deadline_seconds: float) -> None:
        try:
            import httpx  # noqa: PLC0415 - of the extra labelstudio
        except ImportError:
            raise Misconfigured(
                'label_studio: install the extra labelstudio: python -m pip install "stream_al[labelstudio]"'
            ) from None
        if not settings.url:
            raise Misconfigured(
                "label_studio.url: write the address of Label Studio, such as http://localhost:8081"
            )
        self.url = settings.url.rstrip("/")
        self.requests = {"ok": 0, "refused": 0, "unavailable": 0}
        self._settings = settings
        self._seconds = deadline_seconds
        self._accepted = False
        self._access = ""
        self._httpx = httpx
        self._http = httpx.AsyncClient(
            timeout=deadline_seconds,
            trust_env=False,
            verify=trusted(settings.ssl_cafile),
            limits=httpx.Limits(max_connections=4),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> bytes:
        """One request; the body of the response.

        Raises:
            Unavailable, Misconfigured, Refused, TooLarge: As above.
        """
        token = _token(self._settings)
        header = await self._authorization(token)
        status, content = await self._exchange(method, path, header, params, body)
        if status == 401 and _is_personal(token):
            self._access = ""
            header = await self._authorization(token)
            status, content = await self._exchange(method, path, header, params, body)
        return self._judged(method, path, status, content)

    async def tasks(self, project: int, filters: Sequence[Filter]) -> AsyncIterator[list[Task]]:
        """The tasks of a project that pass all filters, page by page, with their annotations.

        A page continues after the largest id of the one before. So a task that is deleted meanwhile does not
        move another one out of sight, as it would with numbers of pages.
        """
        last, size = 0, PAGE
        while True:
            try:
                body = await self._page(project, filters, last, size, {})
            except TooLarge:
                if size == 1:
                    raise
                size = max(1, size // 4)
                continue
            found = decoded(Page, body).tasks
            if found:
                yield found
            if len(found) < size:
                return
            last = max(task.id for task in found)

    async def stamps(self, project: int, filters: Sequence[Filter]) -> list[Stamp]:
        """When the tasks that pass all filters were last changed."""
        last, stamps = 0, list[Stamp]()
        while True:
            body = await self._page(project, filters, last, STAMPS, {"include": "id,updated_at"})
            found = decoded(Stamps, body).tasks
            stamps += found
            if len(found) < STAMPS:
                return stamps
            last = max(stamp.id for stamp in found)

    async def newest(self, project: int) -> str | None:
        """When a task of the project was last changed; None if there is no task."""
        query = json.dumps({"ordering": ["-tasks:updated_at"]})
        params = {"project": project, "fields": "all", "include": "id,updated_at", "page": 1, "page_size": 1}
        body = await self.request("GET", "/api/tasks/", params={**params, "query": query})
        found = decoded(Stamps, body).tasks
        return found[0].updated_at if found else None

    async def import_tasks(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
        """Import tasks; their ids in this order, or none where the server imports in the background."""
        path = f"/api/projects/{project}/import"
        body = await self.request("POST", path, params={"return_task_ids": "true"}, body=tasks)
        ids = decoded(dict[str, Any], body).get("task_ids")
        return ids if isinstance(ids, list) and len(ids) == len(tasks) else []

    async def delete_untouched(self, project: int, tasks: Sequence[int]) -> int:
        """Delete those of the tasks that nobody has touched; their number. The server checks and deletes."""
        chosen = {"selectedItems": {"all": False, "included": list(tasks)}}
        filters = {"filters": {"conjunction": "and", "items": untouched()}}
        params = {"id": "delete_tasks", "project": project}
        body = await self.request("POST", "/api/dm/actions", params=params, body={**chosen, **filters})
        return int(decoded(dict[str, Any], body).get("processed_items") or 0)

    async def _page(
        self, project: int, filters: Sequence[Filter], after: int, size: int, more: Mapping[str, str]
    ) -> bytes:
        items = [*filters, _filter("id", "greater", "Number", after)]
        query = {"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:id"]}
        params = {
            "project": project,
            "fields": "all",
            "page": 1,
            "page_size": size,
            "query": json.dumps(query),
        }
        return await self.request("GET", "/api/tasks/", params={**params, **more})

    async def _authorization(self, token: str) -> str:
        if not _is_personal(token):
            return f"Token {token}"
        if not self._access:
            path = "/api/token/refresh/"
            status, content = await self._exchange("POST", path, None, None, {"refresh": token})
            body = self._judged("POST", path, status, content)
            self._access = str(decoded(dict[str, Any], body).get("access") or "")
        return f"Bearer {self._access}"

    async def _exchange(
        self, method: str, path: str, header: str | None, params: Mapping[str, Any] | None, body: Any
    ) -> tuple[int, bytes]:
        """The status and the body of a response, read up to the limit."""
        headers = {"Accept": "application/json", **({"Authorization": header} if header else {})}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)

        async def exchanged() -> tuple[int, bytes]:
            request = self._http.stream(
                method, self.url + path, params=dict(params or {}), content=content, headers=headers
            )
            async with request as response:
                parts, size = list[bytes](), 0
                async for part in response.aiter_bytes():
                    parts.append(part)
                    size += len(part)
                    if size > MAX_RESPONSE_BYTES:
                        raise TooLarge(
                            f"{method} {path}: the response has more than {MAX_RESPONSE_BYTES} bytes"
                        )
                return response.status_code, b"".join(parts)

        try:
            return await within(self._seconds, f"{method} {self.url}{path}", exchanged())
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            self.requests["unavailable"] += 1
            why = str(error) or type(error).__name__
            raise Unavailable(
                f"Label Studio does not respond at {self.url}: start it, or set label_studio.url ({why})"
            ) from error
        except Unavailable:
            self.requests["unavailable"] += 1
            raise

    def _judged(self, method: str, path: str, status: int, content: bytes) -> bytes:
        if 200 <= status < 300:
            self.requests["ok"] += 1
            self._accepted = True
            return content
        said = content[:MOST_CHARACTERS].decode("utf-8", "replace")
        what = f"{method} {path} gives status {status}"
        if status == 429 or status >= 500:
            self.requests["unavailable"] += 1
            raise Unavailable(f"Label Studio at {self.url} is not ready: {what}")
        self.requests["refused"] += 1
        mistake = self._mistake(status, what, said)
        if mistake is None:
            raise Refused(f"Label Studio refuses: {what}: {said}")
        raise Unavailable(mistake) if self._accepted else Misconfigured(mistake)

    def _mistake(self, status: int, what: str, said: str) -> str | None:
        if status in (401, 403):
            legacy = "legacy token" in said.lower()
            remedy = (
                "legacy tokens are switched off there: make a personal access token"
                if legacy
                else "copy one from the page Account & Settings of an account that may edit the project"
            )
            return f"label_studio.token: Label Studio at {self.url} does not accept it ({what}): {remedy}"
        if status == 404:
            return (
                f"label_studio.project: Label Studio at {self.url} does not know it ({what}): write "
                "the number or title of another one, or correct label_studio.url"
            )
        if 300 <= status < 400:
            return f"label_studio.url: {self.url} leads to another address ({what}): write that one"
        return None


def _is_personal(token: str) -> bool:
    """Whether a token is a JSON web token: three parts with dots between them."""
    return token.count(".") == 2


def _token(settings: LabelStudioSettings) -> str:
    """The token, read anew from its file, so that a renewed one is taken without a restart."""
    if settings.token is not None:
        return settings.token.get_secret_value().strip()
    path = settings.token_file
    if path is None:
        raise Misconfigured(
            "label_studio.token: set STREAM_AL_LABEL_STUDIO__TOKEN to a token of Label Studio, or "
            "label_studio.token_file to a file that holds one"
        )
    try:
        text = Path(path).read_text(encoding="utf-8")[:10_000].strip()
    except (OSError, UnicodeError) as error:
        raise Misconfigured(f"label_studio.token_file: {path} cannot be read ({error})") from None
    if not text or any(character.isspace() or not character.isascii() for character in text):
        raise Misconfigured(f"label_studio.token_file: {path} has to hold one token and nothing else")
    return text
