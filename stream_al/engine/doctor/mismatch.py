"""The mismatch: examples whose features the samples do not have.

A model learns the features of its examples and predicts from those of the samples. Where no name is in both,
every label was paid for in vain: the columns of an imported file have other names than the members of the
stream, or the topic holds the examples of another stream. Nothing fails then. So names are compared, by field
(`engine.doctor.fields`): `vector.0` and `vector.7` are one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from stream_al.engine.doctor.fields import MAX_FIELDS, field_of

__all__ = ["ENOUGH", "Mismatch", "mismatch"]

ENOUGH = 20  # samples that show which fields a stream has


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How the fields of examples differ from those of samples.

    Attributes:
        examples: How many examples were compared.
        strange: How many of them have no field that a sample has.
        unknown: The fields that half of the examples have and no sample has.
        known: The fields of the samples.
    """

    examples: int
    strange: int
    unknown: tuple[str, ...]
    known: tuple[str, ...]


def mismatch(samples: Iterable[Iterable[str]], examples: Iterable[Iterable[str]]) -> Mismatch | None:
    """Compare examples with samples, each given by the names of its features. None if there is no sample.

    With fewer samples than `ENOUGH` nothing is `unknown`, since a field may be rare.

    >>> mismatch([["amount", "country"]] * 20, [["amount", "kind"], ["Betrag"], ["Betrag"]])
    Mismatch(examples=3, strange=2, unknown=('Betrag',), known=('amount', 'country'))
    """
    known: dict[str, None] = {}
    seen = 0
    for names in samples:
        seen += 1
        if len(known) < MAX_FIELDS:
            known.update(dict.fromkeys(map(field_of, names)))
    if not known:
        return None
    found: Counter[str] = Counter()
    number = strange = 0
    for names in examples:
        fields = set(map(field_of, names))
        number += 1
        strange += bool(fields) and known.keys().isdisjoint(fields)
        if len(found) < MAX_FIELDS:
            found.update(sorted(fields))
    unknown = [name for name, times in found.items() if 2 * times >= number and name not in known]
    return Mismatch(number, strange, tuple(unknown) if seen >= ENOUGH else (), tuple(known))
