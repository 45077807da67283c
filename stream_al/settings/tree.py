"""What the settings are: names, types, ranges, defaults and meanings.

Every check belongs to one field, also where it compares fields: it sees the valid ones declared before its
own. A check of a whole section would wait until each field is right, and so hide one mistake behind another.
Sections that compare fields check their defaults too, for a default may collide with what was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as short
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from stream_al.errors import Misconfigured
from stream_al.settings.checks import (
    Count,
    Inside,
    Location,
    Name,
    Place,
    Seconds,
    Servers,
    Topic,
    as_metric,
    is_loopback,
    one_of,
)
from stream_al.settings.tokens import Token, listed

Login = str | SecretStr | None


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def _belongs_to_a_certificate(value: Path | None, info: ValidationInfo) -> Path | None:
    if value and not info.data.get("ssl_certfile", value):
        raise ValueError("write ssl_certfile as well, a key without its certificate is of no use")
    return value


class Kafka(_Section):
    """The brokers, and how to log in."""

    model_config = ConfigDict(validate_default=True)

    bootstrap_servers: Servers = Field(
        default="127.0.0.1:9092", description="Brokers to ask first, host:port, separated by commas."
    )
    client_id: str | None = Field(default=None, description="Name shown in the brokers' logs and quotas.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Encryption and login."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        default="PLAIN", description="How to log in, with SASL_PLAINTEXT or SASL_SSL."
    )
    sasl_username: str | None = Field(default=None, description="User to log in as.")
    sasl_password: SecretStr | None = Field(default=None, description="Password of that user.")
    sasl_oauth_token_file: Path | None = Field(
        default=None, description="File that holds the token, for OAUTHBEARER; read again at every login."
    )
    ssl_cafile: Path | None = Field(
        default=None, description="Certificates (PEM) to trust instead of the system's."
    )
    ssl_certfile: Path | None = Field(
        default=None, description="Our certificate and its chain (PEM), for brokers that ask for one."
    )
    ssl_keyfile: Path | None = Field(
        default=None, description="Its private key (PEM), if that is in another file."
    )
    ssl_key_password: SecretStr | None = Field(default=None, description="Password of that key.")
    ssl_check_hostname: bool = Field(
        default=True, description="Whether a broker's certificate has to be for its name; leave it on."
    )
    idempotent: bool = Field(
        default=True, description="Idempotent producer; off only for brokers that do not know it."
    )
    session_timeout_seconds: Seconds = Field(
        default=30, description="Silence after which a replica's partitions go to the others."
    )
    request_timeout_seconds: Seconds = Field(default=30, description="Longest wait for one broker's answer.")
    compression: Literal["none", "gzip"] = Field(default="none", description="Compression of what is sent.")

    @field_validator("sasl_username", "sasl_password", mode="after")
    @classmethod
    def _is_there_to_log_in(cls, value: Login, info: ValidationInfo) -> Login:
        protocol = info.data.get("security_protocol", "")
        by_password = info.data.get("sasl_mechanism") != "OAUTHBEARER"
        if protocol.startswith("SASL_") and by_password and not value:
            raise ValueError(f"write it, {protocol} logs in with it")
        return value

    @field_validator("sasl_oauth_token_file", mode="after")
    @classmethod
    def _is_there_for_a_token(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        logs_in = info.data.get("security_protocol", "").startswith("SASL_")
        if logs_in and info.data.get("sasl_mechanism") == "OAUTHBEARER" and not value:
            raise ValueError("write the file's name, OAUTHBEARER logs in with the token in it")
        return value

    @field_validator("ssl_cafile", "ssl_certfile", "ssl_keyfile", mode="after")
    @classmethod
    def _is_used(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        protocol = info.data.get("security_protocol", "SSL")
        if value and not protocol.endswith("SSL"):
            raise ValueError(
                f"write SSL or SASL_SSL for kafka.security_protocol, {protocol} encrypts nothing"
            )
        return value

    _key_has_a_certificate = field_validator("ssl_keyfile", mode="after")(_belongs_to_a_certificate)


class Topics(_Section):
    """The topics, and how they are created where they do not exist."""

    model_config = ConfigDict(validate_default=True)

    samples: Topic = Field(default="samples", description="Read: the stream to select from.")
    queries: Topic = Field(default="queries", description="Written: requests for labels (compacted).")
    labels: Topic = Field(default="labels", description="Read: the annotators' answers.")
    examples: Topic = Field(
        default="examples", description="Written and read: features with labels, what the model learns from."
    )
    control: Topic = Field(
        default="control",
        description="Written and read: what is changed while the service runs (compacted).",
    )
    predictions: Topic | None = Field(default=None, description="Written when named: every prediction.")
    dead_letter_suffix: Name = Field(
        default=".dlq", description="Put after a topic's name for its records that cannot be used."
    )
    partitions: Count = Field(default=2, description="Partitions of samples and labels, when created.")
    replication_factor: int = Field(default=1, ge=1, le=32767, description="Copies, when created.")

    @field_validator("queries", "labels", "examples", "control", "predictions", mode="after")
    @classmethod
    def _has_a_name_of_its_own(cls, value: str | None, info: ValidationInfo) -> str | None:
        for part, topic in info.data.items():
            if value and topic and as_metric(value) == as_metric(topic):
                raise ValueError(f"write another name, {short(value)} collides with topics.{part}")
        return value

    @field_validator("dead_letter_suffix", mode="after")
    @classmethod
    def _gives_names_of_their_own(cls, suffix: str, info: ValidationInfo) -> str:
        topics = {as_metric(topic) for topic in info.data.values() if topic}
        for letters in (topic + suffix for topic in info.data.values() if topic):
            if len(letters) > 249:
                raise ValueError(
                    f"write a shorter one, or shorter topics: {short(letters)} is over 249 letters"
                )
            if as_metric(letters) in topics:
                raise ValueError(f"write another one, {short(letters)} collides with a topic")
        return suffix


class Input(_Section):
    """Where a sample's parts lie in a record, and how much of it is accepted."""

    id: Inside = Field(
        default="auto",
        description="The sample's id: a path such as transaction.id, key (the record's), position "
        "(topic, partition and offset), or auto.",
    )
    features: Place = Field(
        default="auto", description="The features: a path, . for the whole object, or auto."
    )
    payload: Place | None = Field(default=None, description="What the annotator is shown as well: a path.")
    include: tuple[str, ...] = Field(default=(), description="Features to keep, shell patterns; none: all.")
    exclude: tuple[str, ...] = Field(default=(), description="Features to leave out, shell patterns.")
    start: Literal["earliest", "latest"] = Field(default="earliest", description="Where a new group begins.")
    max_bytes: int = Field(default=1_000_000, ge=1024, le=100 * 1024**2, description="Largest record.")
    max_depth: int = Field(default=8, ge=1, le=100, description="Deepest nesting of a record.")
    max_features: Count = Field(default=10_000, description="Most features of one sample.")
    max_text: Count = Field(default=100_000, description="Most characters of one text feature.")


class Model(_Section):
    """The classifier."""

    definition: str = Field(
        default="HoeffdingTreeClassifier(grace_period=50)",
        description="A River expression, or module:factory. A change replays the examples.",
    )
    name: Name = Field(default="model", description="Its name in queries and predictions.")
    max_classes: int = Field(default=1000, ge=2, description="Most classes; labels beyond them are refused.")
    committee: tuple[str, ...] = Field(
        default=(),
        description="Definitions of two or more other classifiers, learned beside the model for the "
        "strategies that compare opinions; none: the members of the model, if it is an ensemble.",
    )

    @field_validator("definition", mode="after")
    @classmethod
    def _can_be_built(cls, value: str) -> str:
        from stream_al.engine import expression  # noqa: PLC0415 (River is slow to import)

        with _words():
            expression.load(value, seed=0)
        return value

    @field_validator("committee", mode="after")
    @classmethod
    def _can_all_be_built(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) == 1:
            raise ValueError("write two definitions or more: one member has nobody to disagree with")
        for definition in value:
            cls._can_be_built(definition)
        return value


class Budget(_Section):
    """How many labels may be bought; the lowest cap binds."""

    share: float = Field(default=0.05, gt=0, le=1, description="Share of the samples to ask labels for.")
    manager: str = Field(default="stratified", description="The budget manager.")
    exploration: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of the budget bought uniformly at random; 0 makes it impossible to estimate the "
        "accuracy over the whole stream.",
    )
    pending: Count = Field(default=10_000, description="Most pending queries; selection pauses above.")
    per_hour: Count | None = Field(
        default=None, description="Most labels to ask for in an hour of the log's time, over all partitions."
    )
    total: Count | None = Field(default=None, description="Most labels to ask for in all.")

    @field_validator("manager", mode="after")
    @classmethod
    def _is_a_manager(cls, value: str) -> str:
        from stream_al.engine.budgets import MANAGERS  # noqa: PLC0415 (the engine is not needed to print help)

        return one_of(value, MANAGERS)


class Queries(_Section):
    """Requests for labels."""

    life_hours: float = Field(
        default=168, gt=0, description="Hours after which a query without a label expires."
    )
    tombstones: bool = Field(
        default=True, description="A null closes a query in its topic; off for clients that cannot take one."
    )


class Labels(_Section):
    """Answers."""

    remember: Count = Field(
        default=50_000, description="Ids whose label is remembered, to recognise duplicates and conflicts."
    )


class Snapshots(_Section):
    """Copies of the model; only a cache, for a quick start."""

    directory: Location = Field(
        default="snapshots",
        description="Where they are kept: a directory, one for each replica, or a URL such as "
        "s3://bucket/path, one for all of them (extra remote).",
    )
    every_examples: Count = Field(default=1000, description="Examples learnt after which one is taken.")
    every_seconds: Seconds = Field(
        default=60, description="Seconds after which one is taken, when anything was learnt."
    )
    keep: Count = Field(default=3, description="How many are kept.")
    max_bytes: int = Field(
        default=2**30, ge=1024, description="Largest snapshot; a larger one is neither written nor read."
    )
    key: SecretStr | None = Field(
        default=None, description="Signs snapshots; any other signature is refused."
    )


class HTTP(_Section):
    """The HTTP interface: health, metrics, state, and who may use it."""

    model_config = ConfigDict(validate_default=True)

    enabled: bool = Field(default=True, description="Whether to serve HTTP.")
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_body_bytes: Count = Field(default=1_000_000, description="Largest body of a request.")
    body_seconds: Seconds = Field(default=10, description="Longest wait for the whole body of a request.")
    requests_per_second: float = Field(
        default=1000,
        gt=0,
        description="Writing requests of one client each second, on average; more are answered with 429.",
    )
    read_tokens: SecretStr | None = Field(
        default=None, description="Bearer tokens that may look: name:token, separated by commas."
    )
    label_tokens: SecretStr | None = Field(
        default=None, description="Bearer tokens that may also send labels and samples."
    )
    admin_tokens: SecretStr | None = Field(default=None, description="Bearer tokens that may do everything.")
    tokens_file: Path | None = Field(
        default=None, description="File of more tokens, a line each: role name token; read again on change."
    )
    open_metrics: bool = Field(default=False, description="Whether /metrics asks for no token.")
    open: bool = Field(
        default=False, description="Whether everyone may do everything, on an address that others reach."
    )
    ssl_certfile: Path | None = Field(
        default=None, description="Certificate and its chain (PEM), to serve HTTPS."
    )
    ssl_keyfile: Path | None = Field(
        default=None, description="Its private key (PEM), if that is in another file."
    )
    ssl_key_password: SecretStr | None = Field(default=None, description="Password of that key.")

    def tokens(self) -> list[Token]:
        """The bearer tokens written in the settings themselves."""
        texts = {"read": self.read_tokens, "label": self.label_tokens, "admin": self.admin_tokens}
        return [
            token for role, text in texts.items() if text for token in listed(role, text.get_secret_value())
        ]

    @field_validator("read_tokens", "label_tokens", "admin_tokens", mode="after")
    @classmethod
    def _are_tokens(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            given = listed(str(info.field_name).partition("_")[0], value.get_secret_value())
            secrets = {token.secret for token in given}
            names = {token.name for token in given}
            for other in ("read", "label"):
                text = info.data.get(f"{other}_tokens")
                for token in listed(other, text.get_secret_value()) if text else []:
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
            raise ValueError("write false, or take the tokens away: whoever has none could not be kept out")
        # A setting that is itself a mistake is missing here, and has a sentence of its own.
        complete = {"host", "read_tokens", "label_tokens", "admin_tokens", "tokens_file"} <= info.data.keys()
        if complete and info.data.get("enabled") and not (value or closed or is_loopback(info.data["host"])):
            raise ValueError(
                f"{short(info.data['host'])} can be reached by others: set http.admin_tokens or "
                "http.tokens_file so that they need a token, or http.host=127.0.0.1; write true to let "
                "everyone do everything"
            )
        return value

    _key_has_a_certificate = field_validator("ssl_keyfile", mode="after")(_belongs_to_a_certificate)


class Limits(_Section):
    """How long anything may take, and how much of it there may be."""

    model_config = ConfigDict(validate_default=True)

    batch_records: Count = Field(default=1000, description="Most records of one batch.")
    batch_seconds: Seconds = Field(
        default=0.02,
        description="Work of one batch; a query is sent when all of its batch is decided.",
    )
    poll_seconds: Seconds = Field(default=0.2, description="Longest wait for records.")
    deadline_seconds: Seconds = Field(
        default=30, description="Longest wait for the broker, or for the store of snapshots, each time."
    )
    stop_seconds: Seconds = Field(default=10, description="Longest orderly stop.")
    watchdog_seconds: Seconds = Field(
        default=60,
        description="Standstill, with records waiting, after which the service exits to be restarted.",
    )
    bad_records: Count = Field(default=100, description="Bad records in a row that stop a partition.")
    backoff_seconds: Seconds = Field(default=0.1, description="Pause after a first failure; it doubles.")
    backoff_max_seconds: Seconds = Field(default=10, description="Longest pause after failures.")

    @field_validator("backoff_max_seconds", mode="after")
    @classmethod
    def _is_no_less_than_the_first(cls, value: float, info: ValidationInfo) -> float:
        if value < (first := info.data.get("backoff_seconds", 0)):
            raise ValueError(f"write at least limits.backoff_seconds, which is {first:g}")
        return value


class Log(_Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least to log."
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto is text on a terminal and JSON elsewhere."
    )


class Tracing(_Section):
    """OpenTelemetry; what is exported where, its own variables (OTEL_...) say."""

    enabled: bool = Field(
        default=False, description="Whether to trace the way of each selected sample (extra otel)."
    )


class Settings(_Section):
    """Everything a replica is told."""

    application: Name = Field(
        default="stream_al",
        description="Names the consumer groups, with .select and .intake behind it.",
    )
    seed: int = Field(
        default=0, ge=0, le=2**32 - 1, description="Of every random choice; the same on all replicas."
    )
    kafka: Kafka = Field(default=Kafka(), description=Kafka.__doc__)
    topics: Topics = Field(default=Topics(), description=Topics.__doc__)
    input: Input = Field(default=Input(), description=Input.__doc__)
    model: Model = Field(default=Model(), description=Model.__doc__)
    strategy: str = Field(
        default="margin",
        description="The query strategy: one factor or a product of several, each with a strength if it "
        "needs one, such as margin * diversity^0.5.",
    )
    class_target: str | None = Field(
        default=None,
        description="Shares of the classes that class_balance works towards, such as spam=0.5, ham=0.5; "
        "null: equal shares.",
    )
    budget: Budget = Field(default=Budget(), description=Budget.__doc__)
    queries: Queries = Field(default=Queries(), description=Queries.__doc__)
    labels: Labels = Field(default=Labels(), description=Labels.__doc__)
    snapshots: Snapshots = Field(default=Snapshots(), description=Snapshots.__doc__)
    http: HTTP = Field(default=HTTP(), description=HTTP.__doc__)
    limits: Limits = Field(default=Limits(), description=Limits.__doc__)
    log: Log = Field(default=Log(), description=Log.__doc__)
    tracing: Tracing = Field(default=Tracing(), description=Tracing.__doc__)

    def target(self) -> dict[str, float] | None:
        """The shares that `class_target` asks for, by class."""
        return None if self.class_target is None else _shares(self.class_target)

    @field_validator("strategy", mode="after")
    @classmethod
    def _suits_the_model(cls, value: str, info: ValidationInfo) -> str:
        from stream_al.engine.strategies import (  # noqa: PLC0415 (as for the budget manager)
            STRATEGIES,
            factors,
            strategy,
        )

        with _words():
            for name, _ in factors(value):
                one_of(name, STRATEGIES)
            chosen = strategy(value)
            if model := info.data.get("model"):
                chosen.model(model.definition, seed=0, committee=model.committee)
        return value

    @field_validator("class_target", mode="before")
    @classmethod
    def _is_made_of_shares(cls, value: Any) -> Any:
        if isinstance(value, dict):  # as YAML writes it
            value = json.dumps(value)
        if isinstance(value, str):
            _shares(value)
        return value


@contextmanager
def _words() -> Iterator[None]:
    """Turn an error of the engine into words alone: the path is put in front where all mistakes meet."""
    try:
        yield
    except Misconfigured as error:
        mistakes = error.mistakes
    else:
        return
    raise ValueError(*(text.removeprefix("model.definition: ") for text in mistakes))


def _shares(text: str) -> dict[str, float]:
    """Shares of classes, as `spam=0.5, ham=0.5` or as a JSON object."""
    try:
        given = json.loads(text) if text.lstrip().startswith("{") else None
        if given is None:
            pairs = (part.rpartition("=") for part in text.split(","))
            given = {name.strip(): share for name, _, share in pairs}
        found = {str(name): float(share) for name, share in given.items()}
    except (TypeError, ValueError, RecursionError):
        found = {}
    if not found or "" in found or not all(0.0 <= share <= 1.0 for share in found.values()):
        raise ValueError(
            f"write a share from 0 to 1 for each class, such as spam=0.5, ham=0.5, not {short(text)}"
        )
    if not sum(found.values()) > 0.0:
        raise ValueError("write a share above 0 for one class at least")
    return found
