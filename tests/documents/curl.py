"""What curl makes of its arguments, as far as the documents use it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Request", "request"]


class Request(NamedTuple):
    """What curl would send."""

    method: str
    path: str
    body: str | None


def request(arguments: list[str]) -> Request:
    """The request that these arguments stand for.

    >>> request(["--json", "{}", "http://127.0.0.1:8080/v1/labels"])
    Request(method='POST', path='/v1/labels', body='{}')
    """
    *options, url = arguments
    given = dict(zip(options[::2], options[1::2], strict=True))
    body = given.pop("--json", None)
    method = given.pop("-X", "GET" if body is None else "POST")
    assert not given, f"nobody knows {given}"
    return Request(method, urlsplit(url).path, body)
