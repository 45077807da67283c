"""Certificates and keys from files. A file that cannot be used is a mistake in the settings, said as one."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import SecretStr

from stream_al.errors import Misconfigured
from stream_al.settings import HTTPSettings, KafkaSettings

__all__ = ["client_context", "server_context"]


def client_context(given: KafkaSettings) -> ssl.SSLContext:
    """TLS towards the brokers, as the settings want it. Raises Misconfigured."""
    if given.ssl_cafile:
        _readable("kafka.ssl_cafile", given.ssl_cafile)
    try:
        context = ssl.create_default_context(cafile=given.ssl_cafile)
    except ssl.SSLError:
        raise Misconfigured(
            f"kafka.ssl_cafile: {given.ssl_cafile} holds no certificate in PEM: name a file with one or more "
            "blocks of BEGIN CERTIFICATE"
        ) from None
    context.check_hostname = given.ssl_check_hostname
    if given.ssl_certfile:
        _show(context, "kafka", given.ssl_certfile, given.ssl_keyfile, given.ssl_key_password)
    return context


def server_context(given: HTTPSettings) -> ssl.SSLContext | None:
    """TLS for HTTP, or None where it is not wanted. Raises Misconfigured."""
    if not given.ssl_certfile:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, "http", given.ssl_certfile, given.ssl_keyfile, given.ssl_key_password)
    return context


def _show(
    context: ssl.SSLContext, section: str, certfile: Path, keyfile: Path | None, password: SecretStr | None
) -> None:
    """Have a context show a certificate."""
    _readable(f"{section}.ssl_certfile", certfile)
    if keyfile:
        _readable(f"{section}.ssl_keyfile", keyfile)
    # Without one, OpenSSL would ask for it on the terminal, and wait.
    secret = password.get_secret_value() if password else ""
    asked = False

    def answer() -> str:
        nonlocal asked
        asked = True
        return secret

    try:
        context.load_cert_chain(certfile, keyfile, answer)
    except (ssl.SSLError, ValueError) as error:
        where = keyfile or certfile
        if asked:
            sentence = f"{section}.ssl_key_password: it does not open the key in {where}: write its password"
        elif getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            sentence = (
                f"{section}.ssl_keyfile: the key in {where} is not that of the certificate in {certfile}"
            )
        else:
            sentence = (
                f"{section}.ssl_certfile: {certfile} and {where} do not hold a certificate and its key in "
                "PEM: name files with BEGIN CERTIFICATE and BEGIN PRIVATE KEY"
            )
        raise Misconfigured(sentence) from None


def _readable(setting: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise Misconfigured(
            f"{setting}: {path} cannot be read ({error.strerror}): name a file that we may read"
        ) from None
