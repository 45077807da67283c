"""The login to the brokers, and a filter that keeps its secrets out of the log."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError

from stream_al.errors import Misconfigured
from stream_al.service.certificates import client_context
from stream_al.settings import KafkaSettings

__all__ = ["login", "logs_in_by_token"]

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def login(given: KafkaSettings) -> dict[str, Any]:
    """The options of a client of aiokafka for encryption and login.

    Raises:
        Misconfigured: A file cannot be used.
    """
    options: dict[str, Any] = {"security_protocol": given.security_protocol}
    if given.security_protocol.endswith("SSL"):
        options["ssl_context"] = client_context(given)
    if given.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = given.sasl_mechanism
        if logs_in_by_token(given):
            provider = _TokenFile(Path(given.sasl_oauth_token_file or ""))
            provider.read()
            options["sasl_oauth_token_provider"] = provider
        elif given.sasl_password is not None:
            options["sasl_plain_username"] = given.sasl_username
            options["sasl_plain_password"] = given.sasl_password.get_secret_value()
    return options


def logs_in_by_token(given: KafkaSettings) -> bool:
    """Whether the login is by a bearer token."""
    return given.security_protocol.startswith("SASL") and given.sasl_mechanism == "OAUTHBEARER"


class _TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is untyped
    """The token in a file. Each login reads the file again, so the token is renewed by writing the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """The token that the file holds now."""
        try:
            return await asyncio.to_thread(self.read)
        except Misconfigured as error:  # any other error would end a task of aiokafka
            raise AuthenticationFailedError(str(error)) from None

    def read(self) -> str:
        """The token that the file holds now. Raises Misconfigured."""
        where = f"kafka.sasl_oauth_token_file: {self._path}"
        try:
            text = self._path.read_bytes().decode("ascii").strip()
        except OSError as error:
            raise Misconfigured(
                f"{where} cannot be read ({error.strerror}): name a file that is readable"
            ) from None
        except UnicodeError:
            text = ""
        if not _TOKEN.fullmatch(text):
            raise Misconfigured(f"{where} holds no bearer token: write the token into it, and nothing else")
        return text


class _NoSecrets(logging.Filter):
    """Removes the requests to log in from the log: at the level `debug`, aiokafka logs every request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line may be written: a line with a request to log in may not."""
        given = record.args if isinstance(record.args, tuple) else ()
        return not any("SaslAuthenticate" in type(part).__name__ for part in given)


logging.getLogger("aiokafka.conn").addFilter(_NoSecrets())
