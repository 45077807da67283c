"""The settings of the bridge to Label Studio."""

from __future__ import annotations

import re
from pathlib import Path
from reprlib import repr as short
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from stream_al.settings.checks import Count, Seconds
from stream_al.settings.section import Section

__all__ = ["LabelStudioSettings"]

SHORTEST_SECRET = 16


class LabelStudioSettings(Section):
    """The bridge to Label Studio (`stream-al label-studio`, extra labelstudio). The service ignores it."""

    model_config = ConfigDict(validate_default=True)

    url: str | None = Field(
        default=None, description="Address of Label Studio, such as http://localhost:8081."
    )
    project: str | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        description="Title or number of the project. A title that does not exist is created. null: the name "
        "of the application.",
    )
    token: SecretStr | None = Field(
        default=None, description="Access token of Label Studio: a personal one or a legacy one."
    )
    token_file: Path | None = Field(
        default=None, description="File with the token instead. It is read again for every request."
    )
    ssl_cafile: Path | None = Field(
        default=None, description="File of certificates (PEM) to trust instead of the system's."
    )
    service_url: str | None = Field(
        default=None,
        description="HTTP address of the service, such as http://stream-al:8080. Then an annotation that is "
        "changed corrects its label. null: the change is a contradiction, recorded and not learned.",
    )
    service_token_file: Path | None = Field(
        default=None,
        description="File with the token of the service, of the role admin. It is read again for every "
        "correction. null: the service asks for none.",
    )
    predictions: bool = Field(
        default=True,
        description="Whether tasks carry the model's prediction. Samples drawn at random never do.",
    )
    new_classes: bool = Field(
        default=True,
        description="Whether annotators may type a class that is not listed. If labels.classes is set, they "
        "may not.",
    )
    max_tasks: Count = Field(
        default=1000,
        description="Most tasks that wait for an annotator. The most useful queries are imported first.",
    )
    poll_seconds: Seconds = Field(
        default=10, description="Longest time between two looks at what has changed in Label Studio."
    )
    reconcile_seconds: Seconds = Field(
        default=600, description="Time between two comparisons of all tasks with all open queries."
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on, for webhooks, /metrics, /livez and /readyz.",
    )
    port: int = Field(default=8090, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    webhook_url: str | None = Field(
        default=None,
        description="Where Label Studio reaches this process, such as http://bridge.internal:8090/webhook. "
        "The bridge creates the webhook there. null: it creates none, and finds changes by looking alone.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="What the header X-Stream-Al-Secret of a webhook has to hold, of at least 16 characters. "
        "null: a new one at every start, which suits the webhook that the bridge creates.",
    )

    @field_validator("url", "service_url", "webhook_url", mode="after")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", value):
            shown = "" if "@" in value else f", not {short(value)}"  # it may hold a password
            raise ValueError(f"write an address such as http://localhost:8081{shown}")
        return value

    @field_validator("webhook_url", mode="after")
    @classmethod
    def _is_one_that_label_studio_takes(cls, value: str | None) -> str | None:
        host = urlsplit(value).hostname if value else None
        if host and host != "localhost" and "." not in host and ":" not in host:
            raise ValueError(
                f"write a host with a dot in its name, such as {host}.internal: Label Studio takes no other"
            )
        return value

    @field_validator("token", mode="after")
    @classmethod
    def _is_one_word(cls, value: SecretStr | None) -> SecretStr | None:
        text = "" if value is None else value.get_secret_value().strip()
        if any(character.isspace() or not character.isascii() for character in text):
            raise ValueError("write the token alone, without the word Token or Bearer")
        return value if text else None

    @field_validator("token_file", mode="after")
    @classmethod
    def _is_the_only_token(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("token") is not None:
            raise ValueError("write label_studio.token or label_studio.token_file, not both")
        return value

    @field_validator("service_token_file", mode="after")
    @classmethod
    def _has_an_address(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("service_url") is None:
            raise ValueError("write label_studio.service_url as well: the token is for that address")
        return value

    @field_validator("webhook_secret", mode="after")
    @classmethod
    def _is_no_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(
                f"write at least {SHORTEST_SECRET} characters, such as `openssl rand -hex 32` prints"
            )
        return value
