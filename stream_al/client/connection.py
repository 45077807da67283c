"""The address of a service, the token, and whom to trust: from arguments, or from the environment.

    argument    | environment variable           | otherwise
    ------------|--------------------------------|------------------------
    url         | STREAM_AL_CLIENT_URL           | http://127.0.0.1:8080
    token       | STREAM_AL_CLIENT_TOKEN         | no token
    token_file  | STREAM_AL_CLIENT_TOKEN_FILE    | no file
    ca_file     | STREAM_AL_CLIENT_CA_FILE       | the authorities of the system

An argument wins over a variable, and a token over a file. A token never shows in a text of this object.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from stream_al.errors import Misconfigured

__all__ = ["PREFIX", "Connection", "connection"]

PREFIX = "STREAM_AL_CLIENT_"
DEFAULT_URL = "http://127.0.0.1:8080"
MAX_TOKEN_BYTES = 4096
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Connection:
    """How to reach a service.

    Attributes:
        url: Its address, without a slash at the end.
        token: The token to send; empty if none is sent.
        ca_file: File of certificates (PEM) to trust instead of the system's; None for those.
    """

    url: str
    token: str = field(default="", repr=False)
    ca_file: Path | None = None

    @property
    def local(self) -> bool:
        """Whether the service is on this machine, so that no proxy is asked."""
        return urlsplit(self.url).hostname in LOOPBACK

    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        given = {"accept": "application/json", "content-type": "application/json"}
        return given | ({"authorization": f"Bearer {self.token}"} if self.token else {})

    def trust(self) -> ssl.SSLContext:
        """Whom to trust. Raises Misconfigured if the file cannot be used."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"ca_file: name a file of certificates in PEM, not {self.ca_file} ({error})"
            ) from None


def connection(
    url: str | None = None,
    *,
    token: str | None = None,
    token_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Connection:
    """How to reach a service.

    Raises:
        Misconfigured: The address, a file or the token cannot be used.

    >>> connection(environ={"STREAM_AL_CLIENT_URL": "https://example.com/", "STREAM_AL_CLIENT_TOKEN": "s3"})
    Connection(url='https://example.com', ca_file=None)
    """
    given = os.environ if environ is None else environ
    address = (url or given.get(f"{PREFIX}URL") or DEFAULT_URL).rstrip("/")
    _check_address(address)
    file = token_file or (given.get(f"{PREFIX}TOKEN_FILE") if token is None else None)
    secret = token if token is not None else (None if token_file else given.get(f"{PREFIX}TOKEN"))
    if secret is None and file:
        secret = _from_file(Path(file))
    secret = (secret or "").strip()
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise Misconfigured("token: write it in printable ASCII and without blanks")
    authorities = ca_file or given.get(f"{PREFIX}CA_FILE")
    return Connection(address, secret, Path(authorities) if authorities else None)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        )
        _ = parts.port  # raises ValueError if it is no number
    except ValueError:
        good = False
    if not good:
        raise Misconfigured(f"url: write an address such as {DEFAULT_URL} or https://host, not {url[:200]!r}")
    if parts.username or parts.password:
        raise Misconfigured("url: leave the name and the password out; the service takes a token")


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(MAX_TOKEN_BYTES + 1)
        text = found.decode("ascii")
    except OSError as error:
        raise Misconfigured(f"token_file: {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or len(found) > MAX_TOKEN_BYTES:
        raise Misconfigured(f"token_file: write one token into {path}, in ASCII")
    return text
