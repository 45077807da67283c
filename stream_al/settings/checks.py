"""Checks of values beyond their type and range.

A check returns the value or raises `ValueError(*sentences)`. Each sentence says what to write instead.
`sources` puts the path of the setting in front of it.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "SMALLEST_SHARE",
    "Count",
    "Inside",
    "Location",
    "Name",
    "Place",
    "Seconds",
    "Servers",
    "Share",
    "Topic",
    "as_metric",
    "did_you_mean",
    "is_loopback",
    "one_of",
]

SMALLEST_SHARE = 1e-9


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,200}", value) or value in {".", ".."}:  # it names a folder too
        raise ValueError(f"write 1 to 200 letters, digits, '.', '_' or '-', not {short(value)}")
    return value


def _share(value: float) -> float:
    if value < SMALLEST_SHARE:  # groups of 1/share samples, whose numbers no float holds
        raise ValueError(f"write at least {SMALLEST_SHARE:g}: one label in a billion samples")
    return value


def _topic(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", value) or value in {".", ".."}:
        raise ValueError(
            f"write a topic name of 1 to 249 letters, digits, '.', '_' or '-', not {short(value)}"
        )
    return value


def _inside(value: str) -> str:
    if not all(value.split(".")):
        raise ValueError(f"write a path such as transaction.id, not {short(value)}")
    return value


def _place(value: str) -> str:
    return value if value == "." else _inside(value)


def _servers(value: str) -> str:
    for server in value.split(","):
        found = re.fullmatch(r"\s*(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})\s*", server)
        if not found or not 1 <= int(found[1]) <= 65535:
            raise ValueError(f"write host:port, several separated by commas, not {short(server)}")
    return value


def _location(value: str) -> str:
    """A path, or a URL without credentials and parameters."""
    scheme, found, rest = value.partition("://")
    if not value:
        raise ValueError("write a directory or a URL")
    if not found:
        return value
    if "@" in rest or "?" in rest or "#" in rest:  # the message does not repeat it: it may be a secret
        raise ValueError(
            "write the URL without user, password or parameters; set credentials in the environment, "
            "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    place, _, path = rest.partition("/")
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) or not (place or path):
        raise ValueError(f"write a URL such as s3://bucket/path, not {short(value)}")
    if scheme == "file" and (place not in ("", "localhost") or not path):
        raise ValueError(f"write the URL of a file as file:///path, not {short(value)}")
    return value


def one_of(value: str, names: Iterable[str]) -> str:
    """Check that a name is in a registry."""
    known = list(names)
    if value not in known:
        raise ValueError(f"write one of {', '.join(known)}, not {short(value)}{did_you_mean(value, known)}")
    return value


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def as_metric(topic: str) -> str:
    """A topic's name in Kafka's metrics, which do not distinguish '.' and '_'; it must be unique."""
    return topic.replace(".", "_")


def did_you_mean(name: str, known: Sequence[str], prefix: str = "") -> str:
    """A question that follows an unknown name: the same name in another section, else the nearest spelling.

    >>> did_you_mean("share", ["seed", "budget.share"]), did_you_mean("sede", ["seed", "budget.share"])
    ('; did you mean budget.share?', '; did you mean seed?')
    """
    leaf = name.rpartition(".")[2]
    same = [path for path in known if path.rpartition(".")[2] == leaf]
    found = same or difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {' or '.join(prefix + path for path in found)}?" if found else ""


Name = Annotated[str, AfterValidator(_name)]
Topic = Annotated[str, AfterValidator(_topic)]
Inside = Annotated[str, AfterValidator(_inside)]
Place = Annotated[str, AfterValidator(_place)]
Location = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value),
    AfterValidator(_location),
]
Servers = Annotated[str, AfterValidator(_servers)]
Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1), AfterValidator(_share)]
Count = Annotated[int, Field(ge=1)]
