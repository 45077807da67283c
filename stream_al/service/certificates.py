"""TLS contexts from certificates and keys in files; a file that cannot be used raises `Misconfigured`."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import SecretStr

from stream_al.errors import Misconfigured
from stream_al.settings import HTTPSettings, KafkaSettings

__all__ = ["client_context", "server_context"]


def client_context(given: KafkaSettings) -> ssl.SSLContext:
    """The TLS context for connections to the brokers. Raises Misconfigured."""
    if given.ssl_cafile:
        _check_readable("kafka.ssl_cafile", given.ssl_cafile)
    try:
        context = ssl.create_default_context(cafile=given.ssl_cafile)
    except ssl.SSLError:
        raise Misconfigured(
            f"kafka.ssl_cafile: {given.ssl_cafile} holds no certificate in PEM: name a file with one or more "
            "blocks of BEGIN CERTIFICATE"
        ) from None
    context.check_hostname = given.ssl_check_hostname
    if given.ssl_certfile:
        _load_certificate(context, "kafka", given.ssl_certfile, given.ssl_keyfile, given.ssl_key_password)
    return context


def server_context(given: HTTPSettings) -> ssl.SSLContext | None:
    """The TLS context of the HTTP server; None if the settings name no certificate. Raises Misconfigured."""
    if not given.ssl_certfile:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_certificate(context, "http", given.ssl_certfile, given.ssl_keyfile, given.ssl_key_password)
    return context


def _load_certificate(
    context: ssl.SSLContext, section: str, certfile: Path, keyfile: Path | None, password: SecretStr | None
) -> None:
    """Let a context present a certificate."""
    _check_readable(f"{section}.ssl_certfile", certfile)
    if keyfile:
        _check_readable(f"{section}.ssl_keyfile", keyfile)
    # Without a callback, OpenSSL asks for the password on the terminal and waits.
    secret = password.get_secret_value() if password else ""
    asked = False

    def give_password() -> str:
        nonlocal asked
        asked = True
        return secret

    try:
        context.load_cert_chain(certfile, keyfile, give_password)
    except (ssl.SSLError, ValueError) as error:
        where = keyfile or certfile
        if asked:
            sentence = (
                f"{section}.ssl_key_password: it does not open the key in {where}: write the password of "
                "this key"
            )
        elif getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            sentence = (
                f"{section}.ssl_keyfile: the key in {where} does not belong to the certificate in {certfile}"
            )
        else:
            sentence = (
                f"{section}.ssl_certfile: {certfile} and {where} do not hold a certificate and its key in "
                "PEM: name files with BEGIN CERTIFICATE and BEGIN PRIVATE KEY"
            )
        raise Misconfigured(sentence) from None


def _check_readable(setting: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise Misconfigured(
            f"{setting}: {path} cannot be read ({error.strerror}): name a file that is readable"
        ) from None
