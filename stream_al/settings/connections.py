"""The settings of connections: the brokers, and the HTTP interface."""

from __future__ import annotations

from pathlib import Path
from reprlib import repr as short
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from stream_al.settings.checks import (
    Count,
    Seconds,
    Servers,
    is_loopback,
)
from stream_al.settings.section import Section, belongs_to_a_certificate
from stream_al.settings.tokens import Token, of_text

__all__ = ["HTTPSettings", "KafkaSettings"]

HostName = Annotated[str, Field(pattern=r"^[a-z0-9_.:-]{1,253}$")]
"""A host as in a `Host` header, without its port, in lower case."""

Login = str | SecretStr | None


class KafkaSettings(Section):
    """The Kafka brokers, and how to log in to them."""

    model_config = ConfigDict(validate_default=True)

    bootstrap_servers: Servers = Field(
        default="127.0.0.1:9092", description="Brokers to connect to first, host:port, separated by commas."
    )
    client_id: str | None = Field(default=None, description="Our name in the brokers' logs and quotas.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Whether to encrypt (SSL), to log in (SASL), or both."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        default="PLAIN", description="How to log in if security_protocol is SASL_PLAINTEXT or SASL_SSL."
    )
    sasl_username: str | None = Field(default=None, description="User to log in as.")
    sasl_password: SecretStr | None = Field(default=None, description="Password of that user.")
    sasl_oauth_token_file: Path | None = Field(
        default=None, description="File that holds the token for OAUTHBEARER. It is read at every login."
    )
    ssl_cafile: Path | None = Field(
        default=None, description="File of certificates (PEM) to trust instead of the system's."
    )
    ssl_certfile: Path | None = Field(
        default=None, description="File of our certificate and its chain (PEM), if the brokers ask for one."
    )
    ssl_keyfile: Path | None = Field(
        default=None, description="File of the certificate's private key (PEM), if it is another file."
    )
    ssl_key_password: SecretStr | None = Field(default=None, description="Password of the private key.")
    ssl_check_hostname: bool = Field(
        default=True, description="Whether a broker's certificate must match its host name. Leave it true."
    )
    idempotent: bool = Field(
        default=True,
        description="Whether to use an idempotent producer. Write false only for brokers that do not "
        "support it.",
    )
    session_timeout_seconds: Seconds = Field(
        default=30,
        description="Seconds without a heartbeat after which a replica's partitions go to the others.",
    )
    request_timeout_seconds: Seconds = Field(
        default=30, description="Longest wait for the response to one request."
    )
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        default="none",
        description="Compression of the records that are sent. All of these are read, whatever is set here.",
    )

    @field_validator("sasl_username", "sasl_password", mode="after")
    @classmethod
    def _is_there_to_log_in(cls, value: Login, info: ValidationInfo) -> Login:
        protocol = info.data.get("security_protocol", "")
        by_password = info.data.get("sasl_mechanism") != "OAUTHBEARER"
        if protocol.startswith("SASL_") and by_password and not value:
            raise ValueError(f"write a value: {protocol} logs in with it")
        return value

    @field_validator("sasl_oauth_token_file", mode="after")
    @classmethod
    def _is_there_for_a_token(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        logs_in = info.data.get("security_protocol", "").startswith("SASL_")
        if logs_in and info.data.get("sasl_mechanism") == "OAUTHBEARER" and not value:
            raise ValueError("write the name of a file: OAUTHBEARER logs in with the token in it")
        return value

    @field_validator("ssl_cafile", "ssl_certfile", "ssl_keyfile", mode="after")
    @classmethod
    def _is_used(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        protocol = info.data.get("security_protocol", "SSL")
        if value and not protocol.endswith("SSL"):
            raise ValueError(
                f"write SSL or SASL_SSL for kafka.security_protocol: {protocol} does not encrypt"
            )
        return value

    _key_has_a_certificate = field_validator("ssl_keyfile", mode="after")(belongs_to_a_certificate)


class HTTPSettings(Section):
    """The HTTP interface, and who may use it."""

    model_config = ConfigDict(validate_default=True)

    enabled: bool = Field(default=True, description="Whether to serve HTTP.")
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_body_bytes: Count = Field(default=1_000_000, description="Largest body of a request, in bytes.")
    max_records: Count = Field(default=10_000, description="Most samples or labels of one request.")
    max_page_bytes: Count = Field(
        default=2_000_000,
        description="Most bytes of a page of queries. A page ends earlier than asked for, but not before its "
        "first query.",
    )
    body_seconds: Seconds = Field(default=10, description="Longest wait for the whole body of a request.")
    header_seconds: Seconds = Field(
        default=10,
        description="Longest wait for the head of a request, for the TLS handshake before it, and for a "
        "client that takes none of its response. Then the connection is ended.",
    )
    max_connections: Count = Field(
        default=500,
        description="Most open connections, and never more than half the files that the process may open. "
        "One more ends the one that has waited longest for a request.",
    )
    requests_per_second: float = Field(
        default=1000,
        gt=0,
        description="Most requests of one client per second, on average; probes are not counted. Others get "
        "status 429.",
    )
    records_per_second: float = Field(
        default=10_000,
        gt=0,
        description="Most samples and labels of one client per second, on average. Others get status 429.",
    )
    allowed_hosts: tuple[HostName, ...] = Field(
        default=(),
        description="Names in `Host` that are served without tokens, besides this machine's own addresses, "
        "such as [selector.internal]. Where tokens are set, any name is.",
    )
    read_tokens: SecretStr | None = Field(
        default=None, description="Bearer tokens that may read: name:token, separated by commas."
    )
    label_tokens: SecretStr | None = Field(
        default=None, description="Bearer tokens that may also send labels and samples."
    )
    admin_tokens: SecretStr | None = Field(default=None, description="Bearer tokens that may do everything.")
    tokens_file: Path | None = Field(
        default=None,
        description="File of more tokens, one per line: role name token. It is read again when it changes.",
    )
    open_metrics: bool = Field(default=False, description="Whether /metrics needs no token.")
    open: bool = Field(
        default=False,
        description="Whether everyone may do everything without a token on an address that others can reach.",
    )
    ssl_certfile: Path | None = Field(
        default=None, description="File of the certificate and its chain (PEM), to serve HTTPS."
    )
    ssl_keyfile: Path | None = Field(
        default=None, description="File of the certificate's private key (PEM), if it is another file."
    )
    ssl_key_password: SecretStr | None = Field(default=None, description="Password of the private key.")

    def tokens(self) -> list[Token]:
        """The bearer tokens in the settings, without those of the file."""
        texts = {"read": self.read_tokens, "label": self.label_tokens, "admin": self.admin_tokens}
        return [
            token for role, text in texts.items() if text for token in of_text(role, text.get_secret_value())
        ]

    @field_validator("read_tokens", "label_tokens", "admin_tokens", mode="after")
    @classmethod
    def _are_tokens(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            given = of_text(str(info.field_name).partition("_")[0], value.get_secret_value())
            secrets = {token.secret for token in given}
            names = {token.name for token in given}
            for other in ("read", "label"):
                text = info.data.get(f"{other}_tokens")
                for token in of_text(other, text.get_secret_value()) if text else []:
                    if token.secret in secrets or token.name in names:
                        raise ValueError(f"write other names and tokens than in http.{other}_tokens")
        return value

    @field_validator("open", mode="after")
    @classmethod
    def _is_said_where_others_reach_it(cls, value: bool, info: ValidationInfo) -> bool:
        closed = any(
            info.data.get(name) for name in ("read_tokens", "label_tokens", "admin_tokens", "tokens_file")
        )
        if value and closed:
            raise ValueError("write false, or take the tokens away: with true, nobody needs a token")
        # A setting that is itself wrong is missing in `info.data` and has its own mistake.
        complete = {"host", "read_tokens", "label_tokens", "admin_tokens", "tokens_file"} <= info.data.keys()
        if complete and info.data.get("enabled") and not (value or closed or is_loopback(info.data["host"])):
            raise ValueError(
                f"{short(info.data['host'])} can be reached by others: set http.admin_tokens or "
                "http.tokens_file so that they need a token, or set http.host=127.0.0.1; write true to let "
                "everyone do everything"
            )
        return value

    _key_has_a_certificate = field_validator("ssl_keyfile", mode="after")(belongs_to_a_certificate)
