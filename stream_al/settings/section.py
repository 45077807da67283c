"""What all sections of the settings have in common.

Every check belongs to one field, also where it compares fields: it sees the valid ones declared before its
own. A check of a whole section would wait until each field is right, and so hide one mistake behind another.
Sections that compare fields check their defaults too, for a default may collide with what was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationInfo

from stream_al.errors import Misconfigured

__all__ = ["Section", "belongs_to_a_certificate", "words"]


class Section(BaseModel):
    """Frozen, and closed to names that are not its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def belongs_to_a_certificate(value: Path | None, info: ValidationInfo) -> Path | None:
    """A check: no key without a certificate."""
    if value and not info.data.get("ssl_certfile", value):
        raise ValueError("write ssl_certfile as well, a key without its certificate is of no use")
    return value


@contextmanager
def words() -> Iterator[None]:
    """Turn an error of the engine into words alone: the path is put in front where all mistakes meet."""
    try:
        yield
    except Misconfigured as error:
        mistakes = error.mistakes
    else:
        return
    raise ValueError(*(text.removeprefix("model.definition: ") for text in mistakes))
