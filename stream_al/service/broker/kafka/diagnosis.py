"""Diagnosis: why a client cannot connect, in one sentence that names the setting to change.

aiokafka tries one broker after the other, and in the end raises an error that says only that none would do;
the cause is in its log. So this module connects once more, step by step. The step that fails shows which
setting is wrong. It reports only what waiting cannot repair: a broker that is away is no diagnosis.

The bootstrap servers are tried first, then the brokers that they name, because a certificate may be valid
for the name of one and not for the name of the other.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from stream_al.settings import KafkaSettings

__all__ = ["diagnosis"]

NOT_YET_VALID, EXPIRED = 9, 10
UNTRUSTED = (2, 18, 19, 20, 21)
OTHER_NAME = (62, 64)
"""Codes of OpenSSL for the verification of a certificate (x509_vfy.h)."""

REFUSED = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")
"""Parts of the names of the TLS alerts by which a broker refuses our certificate."""

FAILURES = (OSError, KafkaError, ValueError, KeyError)
"""The errors of a failed connection; the last two when a broker cannot prove that it knows the password."""


async def diagnosis(given: KafkaSettings, options: dict[str, Any], seconds: float) -> str | None:
    """The mistake in the settings; None if no mistake is found.

    Args:
        given: The settings.
        options: The options of every client of aiokafka.
        seconds: How long the whole search may take.
    """
    servers = [(host, port) for host, port, _ in collect_hosts(options["bootstrap_servers"], randomize=False)]
    shared = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    try:
        async with asyncio.timeout(seconds):
            for server in servers:  # the loop appends to the list
                mistake, brokers = await _try_server(given, shared, *server)
                if mistake:
                    return mistake
                servers += [broker for broker in brokers if broker not in servers]
    except TimeoutError:
        pass  # no mistake was found in the time there was
    return None


async def _try_server(
    given: KafkaSettings, shared: dict[str, Any], host: str, port: int
) -> tuple[str | None, list[tuple[str, int]]]:
    """The mistake that one server shows, if any, and the brokers that it names."""
    where = f"{host}:{port}"
    try:
        return None, await _brokers(shared, host, port)
    except _Closed:
        # A broker that is stopping closes the connection too, but then it accepts no second one.
        with suppress(*FAILURES):
            try:
                await _brokers(shared, host, port)
            except _Closed:
                return _closed(given, where), []
    except FAILURES as error:
        return _explain(given, where, error) or await _tls_mismatch(given, where, host, port), []
    return None, []


async def _brokers(shared: dict[str, Any], host: str, port: int) -> list[tuple[str, int]]:
    """The brokers that a server names."""
    connection = await create_conn(host, port, **shared)
    try:
        metadata = await connection.send(MetadataRequest([]))
    except KafkaConnectionError as error:
        # With TLS 1.3 a broker refuses our certificate only after the handshake.
        refused = any(isinstance(cause, ssl.SSLError) for cause in _causes(error))
        raise (error if refused else _Closed()) from error
    finally:
        connection.close()
    if not metadata.brokers and shared.get("sasl_mechanism") == "OAUTHBEARER":
        # The broker refuses a token in the body of a response, which aiokafka does not read.
        raise _Closed
    return [(broker[1], broker[2]) for broker in metadata.brokers]


class _Closed(Exception):
    """A server has accepted the connection, and then responds to no request."""


def _explain(given: KafkaSettings, where: str, error: BaseException) -> str | None:
    for cause in _causes(error):
        for kind, explain in EXPLANATIONS.items():
            if isinstance(cause, kind):
                return explain(given, where, cause)
    return None


def _certificate(given: KafkaSettings, where: str, error: Any) -> str:
    code = error.verify_code
    subject = f"the certificate of {where}"
    if code in OTHER_NAME:
        return (
            f"kafka.bootstrap_servers: {subject} is not valid for this name: write a name for which it is "
            "valid, or get a certificate for this name"
        )
    if code in UNTRUSTED:
        return (
            f"kafka.ssl_cafile: {subject} was issued by an authority that is not trusted: name the file with "
            "the certificate of that authority"
        )
    if code in (EXPIRED, NOT_YET_VALID):
        state = "has expired" if code == EXPIRED else "is not valid yet"
        return f"kafka.bootstrap_servers: {subject} {state}: renew it there, or correct the clock here"
    return f"kafka.ssl_cafile: {subject} is not accepted ({error.verify_message}): get another certificate"


def _handshake(given: KafkaSettings, where: str, error: Any) -> str | None:
    reason = error.reason or ""
    if not any(sign in reason for sign in REFUSED):
        return None
    problem = "does not accept our certificate" if given.ssl_certfile else "asks for a certificate"
    return (
        f"kafka.ssl_certfile: {where} {problem}: name one from an authority that this broker trusts "
        f"({reason.lower().replace('_', ' ')})"
    )


def _login(given: KafkaSettings, where: str, error: Any = None) -> str:
    if given.sasl_mechanism == "OAUTHBEARER":
        return (
            f"kafka.sasl_oauth_token_file: {where} refuses the token in {given.sasl_oauth_token_file}: write "
            "a valid token that has not expired"
        )
    return (
        f"kafka.sasl_password: {where} refuses the login of {given.sasl_username} by {given.sasl_mechanism}: "
        "correct kafka.sasl_username or this password"
    )


def _unknown_mechanism(given: KafkaSettings, where: str, error: Any) -> str:
    return f"kafka.sasl_mechanism: {where} does not offer {given.sasl_mechanism}: write one that it offers"


def _login_not_expected(given: KafkaSettings, where: str, error: Any) -> str:
    less = given.security_protocol.removeprefix("SASL_")
    return f"kafka.security_protocol: {where} expects no login: write {less}"


def _token_file(given: KafkaSettings, where: str, error: Any) -> str:
    return str(error.args[0])  # made by `login`


EXPLANATIONS: dict[
    type[Exception] | tuple[type[Exception], ...], Callable[[KafkaSettings, str, Any], str | None]
] = {
    ssl.SSLCertVerificationError: _certificate,
    ssl.SSLError: _handshake,
    SaslAuthenticationFailed: _login,
    AuthenticationFailedError: _token_file,
    UnsupportedSaslMechanismError: _unknown_mechanism,
    IllegalSaslStateError: _login_not_expected,
    (ValueError, KeyError): _login,
}
"""What a cause means. The first match counts: a failed verification is an SSLError and a ValueError too."""


def _closed(given: KafkaSettings, where: str) -> str:
    if given.security_protocol.startswith("SASL"):
        return _login(given, where)
    more = "SASL_SSL" if given.security_protocol == "SSL" else "SASL_PLAINTEXT, or SASL_SSL"
    return f"kafka.security_protocol: {where} closes connections without a login: write {more}"


async def _tls_mismatch(given: KafkaSettings, where: str, host: str, port: int) -> str | None:
    """The mistake if the settings ask for TLS and the server has none, or the other way round."""
    encrypted = given.security_protocol.endswith("SSL")
    if encrypted and await _speaks_plaintext(host, port):
        less = given.security_protocol.replace("SASL_SSL", "SASL_PLAINTEXT").replace("SSL", "PLAINTEXT")
        return (
            f"kafka.security_protocol: {where} does not speak TLS: write in kafka.bootstrap_servers the port "
            f"on which it does, or write {less}"
        )
    if not encrypted and await _speaks_tls(host, port):
        more = given.security_protocol.replace("PLAINTEXT", "SSL")
        return f"kafka.security_protocol: {where} speaks TLS: write {more}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def _speaks_plaintext(host: str, port: int) -> bool:
    """Whether a server responds to Kafka's first request without TLS."""
    try:
        connection = await create_conn(host, port)
    except FAILURES:
        return False
    connection.close()
    return True


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether a server completes a TLS handshake. Its certificate is not checked, as nothing is sent."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:
        return False
    writer.close()
    return True
