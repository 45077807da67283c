"""Identity: which sample an id names, and which label belongs to which query.

*An id names one sample*, and a sample is its features as they were shown. Streams break this: records are
keyed by customer, `id` is a device's, a row is updated, a topic that is created anew counts from offset 0. A
label that is joined by such an id teaches the model the label of another sample. So the rules are these.

1. A sample has a *version*: a digest of its features (`version_of`).
2. An id that names another version already is *taken*. A sample whose id is taken gets an id of its own,
   `id#version` (`own_id`). That depends on its content alone: the same record read again has the same id, and
   a repetition of the same features is the same sample. Selection, labels that bring features, and the fold
   over examples apply this one rule, so whatever one of them could not know yet is made right by the next.
   A stream may write such an id itself: one that ends with another sample's version is taken at any time, so
   nobody can occupy the id that a later sample is to get.
3. An id is known as taken by the queries of the batch, the pending queries, the labels that the model
   remembers, and the queries that were closed last. All of these are bounded.
4. A label names the id of its *query*. It may bring the version of the query back, and is then joined with
   the query of that version or with none. So may a label that brings features: they have a version. A label
   without either is joined with the pending query of its id.
5. Two replicas may publish queries of one id with different features at once. The later one keeps the id, and
   the earlier one is published again under an id of its own. A label for the shared id that says no version
   is ambiguous, and refused (`service.pending.shared_ids`).
6. What is remembered of ids is bounded, so an id may be forgotten: its query was skipped or has expired, and
   then many others were closed, or the topic has dropped its tombstone before a restart. If a later sample
   has this id then, it gets the id itself; and if the late label brings no version, it is joined with this
   sample. Nothing tells the two cases apart but a version, and to give every query an id of its own would
   refuse every label that names the stream's id. So there is no rule against it: whoever labels samples whose
   ids repeat has to bring the version back.

*An id is text* (`id_text`). A whole number is the text of its digits, however it is written: 7, 7.0, 7e0 and
"7" are one id, while "7.0" and "007" are other texts. A number that is not whole, or that a program may have
rounded (a float of 2^53 or more), is no id. Samples, labels, examples and HTTP read ids by this rule, and
annotators' names too.

*A key is bytes* (`key_text`). If they are UTF-8 without control characters, the text is the id. Any other key
becomes `base64:` and its bytes in URL-safe base64, and so does a text key that itself begins with `base64:`.
So every id of a key can be turned back (`key_of`), and no two keys have the same.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

__all__ = [
    "MAX_ID_CHARACTERS",
    "distinct_id",
    "id_text",
    "is_encoded",
    "is_of_another",
    "key_of",
    "key_text",
    "own_id",
    "version_of",
]

MAX_ID_CHARACTERS = 512
MAX_ID_BITS = 128
VERSION_BYTES = 8
EXACT = 2**53  # from it on, floats do not hold every whole number
ENCODED = "base64:"

_OWN = re.compile(rf"#(v[0-9a-f]{{{2 * VERSION_BYTES}}})\Z")  # the end of an id of its own
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENCODER = msgspec.json.Encoder(order="deterministic")


def version_of(features: Mapping[str, Any]) -> str:
    """The version of a sample: a digest of its features, in whatever order they are written.

    Clients of other languages write 5.0 as 5, so whole numbers count as floats, and -0.0 as 0.0.

    >>> version_of({"x": 5, "y": "a"}) == version_of({"y": "a", "x": 5.0}) != version_of({"x": 6, "y": "a"})
    True
    """
    plain = {name: value + 0.0 if _is_exact(value) else value for name, value in features.items()}
    return "v" + blake2b(_ENCODER.encode(plain), digest_size=VERSION_BYTES).hexdigest()


def _is_exact(value: object) -> bool:
    return type(value) is float or (type(value) is int and -EXACT < value < EXACT)


def distinct_id(given: str, version: str) -> str:
    """The id that the sample of a version has if the given one names another sample.

    >>> distinct_id("customer-7", "v2")
    'customer-7#v2'
    """
    return f"{given[: MAX_ID_CHARACTERS - 1 - len(version)]}#{version}"


def own_id(given: str, version: str, versions: Callable[[str], str | None]) -> str:
    """The id of a sample: the one given, unless it names another sample.

    Args:
        given: The id that the sample came with.
        version: The version of the sample.
        versions: Returns the version that an id names; None if it names none.

    >>> names = {"customer-7": "v1"}
    >>> [own_id("customer-7", version, names.get) for version in ("v1", "v2")]
    ['customer-7', 'customer-7#v2']
    """
    own = distinct_id(given, version)
    if versions(own) == version or is_of_another(given, version):  # it was found taken before, or always is
        return own
    return given if versions(given) in (None, version) else own


def is_of_another(given: str, version: str) -> bool:
    """Whether an id has the form of an id of its own, and another version in it.

    >>> own = distinct_id("a", version_of({"x": 1}))
    >>> [is_of_another(own, version_of({"x": x})) for x in (1, 2)], is_of_another("a#vat", "v1")
    ([False, True], False)
    """
    found = _OWN.search(given)
    return found is not None and found[1] != version


def id_text(value: object) -> str | None:
    """An id as text; None if the value is no id.

    >>> id_text(7), id_text(7.0), id_text("7"), id_text("7.0"), id_text(7.5), id_text(True)
    ('7', '7', '7', '7.0', None, None)
    """
    if isinstance(value, str):
        return value if 0 < len(value) <= MAX_ID_CHARACTERS else None
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= MAX_ID_BITS:
        return str(value)
    return None


def key_text(key: bytes) -> str:
    """The id that a record's key is.

    >>> key_text("kö-7".encode()), key_text(bytes(7) + b"*"), key_text(b"base64:")
    ('kö-7', 'base64:AAAAAAAAACo=', 'base64:YmFzZTY0Og==')
    """
    try:
        text = key.decode()
    except UnicodeDecodeError:
        text = ENCODED
    if text.startswith(ENCODED) or _CONTROL.search(text):
        return ENCODED + urlsafe_b64encode(key).decode()
    return text


def is_encoded(text: str) -> bool:
    r"""Whether an id stands for a key that is no text.

    >>> is_encoded(key_text(b"\x00\x01")), is_encoded(key_text(b"plain"))
    (True, False)
    """
    return text.startswith(ENCODED)


def key_of(text: str) -> bytes:
    r"""The key whose id this is.

    Raises:
        ValueError: No key has this id.

    >>> key_of(key_text(b"\xff\x00")), key_of("plain")
    (b'\xff\x00', b'plain')
    """
    if is_encoded(text):
        return urlsafe_b64decode(text.removeprefix(ENCODED))
    return text.encode()
