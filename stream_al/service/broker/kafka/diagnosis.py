"""Why no connection comes about, in a sentence that says what to write instead.

aiokafka tries one broker after the other, and in the end says only that none would do; the cause is in its
log. So the connection is tried once more here, step by step, and the step that fails tells which setting is
wrong. Only what no patience mends is a diagnosis: a broker that is away gives none.

The bootstrap servers are asked first, then the brokers that they name: a certificate may be good for the
one name and not for the other.
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
"""OpenSSL's codes of a certificate's verification (x509_vfy.h)."""

REFUSED = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")
"""What a broker's alert has in its name when it is our certificate that it does not like."""

FAILURES = (OSError, KafkaError, ValueError, KeyError)
"""How a connection fails; the last two when a broker does not prove that it knows the password (SCRAM)."""


async def diagnosis(given: KafkaSettings, options: dict[str, Any], seconds: float) -> str | None:
    """What is wrong with the settings, or None if nothing is known to be.

    Args:
        given: The settings.
        options: What every client of aiokafka is told.
        seconds: How long to look for it, all in all.
    """
    servers = [(host, port) for host, port, _ in collect_hosts(options["bootstrap_servers"], randomize=False)]
    told = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    try:
        async with asyncio.timeout(seconds):
            for server in servers:  # more are found on the way
                found, brokers = await _look(given, told, *server)
                if found:
                    return found
                servers += [broker for broker in brokers if broker not in servers]
    except TimeoutError:
        pass
    return None


async def _look(
    given: KafkaSettings, told: dict[str, Any], host: str, port: int
) -> tuple[str | None, list[tuple[str, int]]]:
    """What is wrong with one server, and the brokers that it names."""
    where = f"{host}:{port}"
    try:
        return None, await _brokers(told, host, port)
    except _HungUp:
        # A broker that is just stopping hangs up too, and takes no second call.
        with suppress(*FAILURES):
            try:
                await _brokers(told, host, port)
            except _HungUp:
                return _hung_up(given, where), []
    except FAILURES as error:
        return _sentence(given, where, error) or await _other_language(given, where, host, port), []
    return None, []


async def _brokers(told: dict[str, Any], host: str, port: int) -> list[tuple[str, int]]:
    connection = await create_conn(host, port, **told)
    try:
        metadata = await connection.send(MetadataRequest([]))
    except KafkaConnectionError as error:
        # Under TLS 1.3 a certificate of ours is refused only now, when all seemed well.
        refused = any(isinstance(cause, ssl.SSLError) for cause in _causes(error))
        raise (error if refused else _HungUp()) from error
    finally:
        connection.close()
    if not metadata.brokers and told.get("sasl_mechanism") == "OAUTHBEARER":
        # A refused token is answered, not refused; aiokafka passes over that, and goes on as if logged in.
        raise _HungUp
    return [(broker[1], broker[2]) for broker in metadata.brokers]


class _HungUp(Exception):
    """A server has taken our login, if there was one, and answers no question."""


def _sentence(given: KafkaSettings, where: str, error: BaseException) -> str | None:
    for cause in _causes(error):
        for kind, say in CAUSES.items():
            if isinstance(cause, kind):
                return say(given, where, cause)
    return None


def _certificate(given: KafkaSettings, where: str, error: Any) -> str:
    code = error.verify_code
    subject = f"the certificate of {where}"
    if code in OTHER_NAME:
        return (
            f"kafka.bootstrap_servers: {subject} is not for this name: write a name that it is for, or have "
            "one made for this one"
        )
    if code in UNTRUSTED:
        return (
            f"kafka.ssl_cafile: {subject} is from an authority that is not trusted: name the file with that "
            "authority's certificate"
        )
    if code in (EXPIRED, NOT_YET_VALID):
        state = "has expired" if code == EXPIRED else "is not valid yet"
        return f"kafka.bootstrap_servers: {subject} {state}: renew it there, or set the clock of this machine"
    return f"kafka.ssl_cafile: {subject} is not accepted ({error.verify_message}): have another one made"


def _handshake(given: KafkaSettings, where: str, error: Any) -> str | None:
    reason = error.reason or ""
    if not any(sign in reason for sign in REFUSED):
        return None
    ours = "is not accepted" if given.ssl_certfile else "is missing"
    return (
        f"kafka.ssl_certfile: {where} broke off the handshake, our certificate {ours}: name one from an "
        f"authority that it trusts ({reason.lower().replace('_', ' ')})"
    )


def _login(given: KafkaSettings, where: str, error: Any = None) -> str:
    if given.sasl_mechanism == "OAUTHBEARER":
        return (
            f"kafka.sasl_oauth_token_file: {where} refuses the token in {given.sasl_oauth_token_file}: write "
            "one that is valid and not expired"
        )
    return (
        f"kafka.sasl_password: {where} refuses the login of {given.sasl_username} by {given.sasl_mechanism}: "
        "correct kafka.sasl_username or this password"
    )


def _no_mechanism(given: KafkaSettings, where: str, error: Any) -> str:
    return f"kafka.sasl_mechanism: {where} knows no {given.sasl_mechanism}: write one that it offers"


def _no_login(given: KafkaSettings, where: str, error: Any) -> str:
    less = given.security_protocol.removeprefix("SASL_")
    return f"kafka.security_protocol: {where} asks for no login: write {less}"


def _our_own(given: KafkaSettings, where: str, error: Any) -> str:
    return str(error.args[0])  # of the token's file


CAUSES: dict[
    type[Exception] | tuple[type[Exception], ...], Callable[[KafkaSettings, str, Any], str | None]
] = {
    ssl.SSLCertVerificationError: _certificate,
    ssl.SSLError: _handshake,
    SaslAuthenticationFailed: _login,
    AuthenticationFailedError: _our_own,
    UnsupportedSaslMechanismError: _no_mechanism,
    IllegalSaslStateError: _no_login,
    (ValueError, KeyError): _login,
}
"""What a cause means, the first that fits: an error of verification is an SSLError and a ValueError too."""


def _hung_up(given: KafkaSettings, where: str) -> str:
    if given.security_protocol.startswith("SASL"):
        return _login(given, where)
    more = "SASL_SSL" if given.security_protocol == "SSL" else "SASL_PLAINTEXT, or SASL_SSL"
    return f"kafka.security_protocol: {where} hangs up on who does not log in: write {more}"


async def _other_language(given: KafkaSettings, where: str, host: str, port: int) -> str | None:
    """Whether one of the two speaks TLS and the other one does not."""
    encrypted = given.security_protocol.endswith("SSL")
    if encrypted and await _speaks_plainly(host, port):
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


async def _speaks_plainly(host: str, port: int) -> bool:
    """Whether a server tells, without TLS, which versions of the protocol it knows."""
    try:
        connection = await create_conn(host, port)
    except FAILURES:
        return False
    connection.close()
    return True


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether a server answers a TLS handshake; its certificate does not matter, nothing is sent."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:
        return False
    writer.close()
    return True
