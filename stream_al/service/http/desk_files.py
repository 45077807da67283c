"""The files of the desk, as a browser gets them.

They are static and hold no data, so they need no token: the desk asks the API for its data, with the token
that the person types. All are read once, at the start. A browser keeps them and asks each time whether they
are still the same (`ETag`), so that a new version of the service is seen at once.

*The content policy* lets the pages run their own scripts and use their own style sheets, and nothing else: no
inline code, no other host, no frame, no form. Images and sounds may also be data in the payload, or come from
`desk.media_hosts`. `require-trusted-types-for` makes browsers refuse text that would become markup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from fastapi import Request, Response
from starlette.exceptions import HTTPException

__all__ = ["INDEX", "DeskFiles"]

INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    kind: str
    tag: str


class DeskFiles:
    """The files of the desk, in memory.

    Args:
        media_hosts: The hosts of images and sounds, as sources of a content policy.
    """

    def __init__(self, media_hosts: Sequence[str]) -> None:
        self._files: dict[str, _File] = {}
        for file in resources.files("stream_al").joinpath("desk").iterdir():
            name, dot, ending = file.name.rpartition(".")
            if name and (kind := TYPES.get(dot + ending)):
                body = file.read_bytes()
                tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
                self._files[file.name] = _File(body, kind, tag)
        self._policy = _content_policy(media_hosts)

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return name in self._files

    def response(self, name: str, request: Request) -> Response:
        """A file, or 304 if the browser has it. Raises HTTPException (404)."""
        file = self._files.get(name)
        if file is None:
            raise HTTPException(404, "the desk has no such file")
        headers = {"Content-Security-Policy": self._policy, "Cache-Control": "no-cache", "ETag": file.tag}
        known = request.headers.get("if-none-match", "")
        if file.tag in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(file.body, headers=headers, media_type=file.kind)


def _content_policy(media_hosts: Sequence[str]) -> str:
    media = " ".join(["'self'", "data:", *media_hosts])
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            f"img-src {media}",
            f"media-src {media}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )
