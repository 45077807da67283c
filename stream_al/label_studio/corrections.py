"""Corrections: an annotation that was changed after its label was sent corrects this label in the service.

A second label of a sample would be a contradiction that changes nothing. So with `label_studio.service_url`,
the bridge sends the changed class to `POST /v1/corrections`, with the token of
`label_studio.service_token_file`. Whether it may is decided by the service, as for every token.

Only the first annotation of a task that gives a class corrects: the label that counts is its own. A change
into a skip corrects nothing, since labels are not taken back. What corrects nothing is sent as a label, as
without these settings.

What the service says, and what becomes of the correction:

    accepted, or this label counts already      done
    no response, 429, 5xx                       it waits; labels and tasks go on meanwhile
    refused, and the query is open              the first label was not joined yet: it waits
    refused                                     sent as a label: a contradiction, recorded; the log says why

Those that wait are kept in memory, at most `MOST_WAITING`. After a restart of the bridge a change that was
not delivered is sent as a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from stream_al.errors import Misconfigured, StreamAlError, Unavailable
from stream_al.label_studio.annotations import Annotation, Task
from stream_al.label_studio.certificates import trusted
from stream_al.label_studio.tasks import Key
from stream_al.messages import Label
from stream_al.service.timing.deadline import within

if TYPE_CHECKING:
    from stream_al.settings import LabelStudioSettings

__all__ = ["Corrections", "corrects"]

log = structlog.get_logger(__name__)

MOST_WAITING = 1000
AT_ONCE = 20  # in one step
MAX_RESPONSE_BYTES = 100_000
MOST_CHARACTERS = 300  # of what the service says


class NotTaken(StreamAlError):
    """The service refuses a correction."""


def corrects(task: Task, annotation: Annotation) -> bool:
    """Whether a changed annotation corrects the label of its sample: it is the first that gives a class."""
    given = [one.id for one in task.annotations if not one.was_cancelled]
    return bool(given) and annotation.id == min(given)


class Corrections:
    """The corrections that have to be sent to the service.

    Args:
        settings: Where the service is, and the file with the token.
        seconds: Longest wait for one response.
    """

    def __init__(self, settings: LabelStudioSettings, seconds: float) -> None:
        self._settings = settings
        self._seconds = seconds
        self._waiting: dict[int, tuple[Key, Label]] = {}
        self._http: Any = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def are_sent(self) -> bool:
        """Whether the settings say where to."""
        return self._settings.service_url is not None

    def add(self, annotation: int, key: Key, label: Label) -> bool:
        """Let the correction of an annotation wait; false if it cannot, and has to be sent as a label."""
        if not self.are_sent or (len(self._waiting) >= MOST_WAITING and annotation not in self._waiting):
            return False
        self._waiting[annotation] = key, label
        return True

    async def step(self, is_open: Callable[[Key], bool]) -> tuple[int, dict[int, Label]]:
        """Send some; return how many were accepted, and the labels that have to be sent instead.

        These wait until `sent` says that they were sent.
        """
        accepted, refused = 0, dict[int, Label]()
        for annotation, (key, label) in list(self._waiting.items())[:AT_ONCE]:
            try:
                await self._send(label)
            except Unavailable as error:
                log.warning("a correction waits", id=key[0], waiting=len(self._waiting), why=str(error))
                break
            except NotTaken as error:
                if is_open(key):  # its first label is on its way
                    self._waiting[annotation] = self._waiting.pop(annotation)
                    continue
                log.warning("a changed annotation corrects nothing", id=key[0], why=str(error))
                refused[annotation] = label
            else:
                accepted += 1
                del self._waiting[annotation]
        return accepted, refused

    def sent(self, annotations: Iterable[int]) -> None:
        """Note that these were sent as labels."""
        for annotation in annotations:
            del self._waiting[annotation]

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _send(self, label: Label) -> None:
        import httpx  # noqa: PLC0415 - of the extra labelstudio

        if self._http is None:
            verify = trusted(self._settings.ssl_cafile)
            self._http = httpx.AsyncClient(timeout=self._seconds, trust_env=False, verify=verify)
        url = f"{(self._settings.service_url or '').rstrip('/')}/v1/corrections"
        wanted = {
            "id": label.id,
            "label": label.label,
            "version": label.version,
            "annotator": label.annotator,
        }
        try:
            headers = {
                "Content-Type": "application/json",
                **_authorization(self._settings.service_token_file),
            }
            body = msgspec.json.encode({name: value for name, value in wanted.items() if value is not None})
            exchange = self._exchange(url, body, headers)
            status, said = await within(self._seconds, f"POST {url}", exchange)
        except (httpx.HTTPError, httpx.InvalidURL, Misconfigured) as error:
            raise Unavailable(
                f"the service does not take corrections at {url} (label_studio.service_url): "
                f"{str(error) or type(error).__name__}"
            ) from error
        if status == 429 or status >= 500:
            raise Unavailable(f"the service at {url} is not ready: status {status}")
        if not 200 <= status < 300:
            raise NotTaken(f"status {status}: {said}")

    async def _exchange(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        async with self._http.stream("POST", url, content=body, headers=headers) as response:
            content = b""
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MAX_RESPONSE_BYTES:
                    break
            return response.status_code, _detail(content)


def _detail(content: bytes) -> str:
    """What a response says, in one line."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        found = None
    text = found.get("detail") if isinstance(found, dict) else None
    shown = text if isinstance(text, str) else content.decode("utf-8", "replace")
    return " ".join(shown[:MOST_CHARACTERS].split())


def _authorization(path: Path | None) -> dict[str, str]:
    """The header with the token, read anew from its file."""
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")[:10_000].strip()
    except (OSError, UnicodeError) as error:
        raise Misconfigured(f"label_studio.service_token_file: {path} cannot be read ({error})") from None
    if not text or any(character.isspace() or not character.isascii() for character in text):
        raise Misconfigured(f"label_studio.service_token_file: {path} has to hold one token and nothing else")
    return {"Authorization": f"Bearer {text}"}
