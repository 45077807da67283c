"""What all sections of the settings have in common.

Every check belongs to one field, even if it compares several fields: it sees the valid fields declared before
its own. A check of a whole section would run only after all fields are valid, and so one mistake would hide
another. Sections that compare fields also check their defaults, because a default may collide with a value
that was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationInfo

from stream_al.errors import Misconfigured

__all__ = ["Section", "belongs_to_a_certificate", "sentences"]


class Section(BaseModel):
    """A section of the settings. It is frozen and accepts no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def belongs_to_a_certificate(value: Path | None, info: ValidationInfo) -> Path | None:
    """Check that a private key has a certificate."""
    if value and not info.data.get("ssl_certfile", value):
        raise ValueError("write ssl_certfile as well: a key needs its certificate")
    return value


@contextmanager
def sentences() -> Iterator[None]:
    """Turn an error of the engine into a `ValueError` of its sentences. `sources` adds the path."""
    try:
        yield
    except Misconfigured as error:
        raise ValueError(*(text.removeprefix("model.definition: ") for text in error.mistakes)) from None
