"""Damaged and forged snapshots: files that are cut off, have a flipped bit, or hold code of an attacker.

An attacker knows everything but the key, so a forged snapshot may have a header of the right form.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["attack", "flipped", "opened", "sealed", "torn"]

STEP = 100


def torn(content: bytes, step: int = STEP) -> Iterator[tuple[str, bytes]]:
    """The file after every `step` bytes of writing it."""
    for length in range(0, len(content), step):
        yield f"torn after {length} bytes", content[:length]


def flipped(content: bytes, draw: random.Random, number: int) -> Iterator[tuple[str, bytes]]:
    """The file with one flipped bit. Half of the bits are in the header."""
    header = content.index(b"\n")
    for turn in range(number):
        place = draw.randrange(header + 1 if turn % 2 else len(content))
        changed = bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        yield f"bit flipped in byte {place}", bytes(changed)


def opened(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the body of a file."""
    line, _, body = content.partition(b"\n")
    header: dict[str, Any] = json.loads(line)["header"]
    return header, body


def sealed(header: dict[str, Any], body: bytes, key: bytes) -> bytes:
    """A file with this header and body, rightly signed with a key."""
    header = {**header, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    signed = hmac.new(key, json.dumps(header, sort_keys=True).encode(), "sha256")
    signature = f"hmac-sha256:{signed.hexdigest()}"
    return json.dumps({"header": header, "signature": signature}, sort_keys=True).encode() + b"\n" + body


def attack(mark: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles that create the file `mark` if they are unpickled."""
    yield "os.system", _call("os", "system", f"touch {mark}")
    yield "builtins.exec", _call("builtins", "exec", f"open({str(mark)!r}, 'w').close()")


def _call(module: str, name: str, argument: str) -> bytes:
    """A pickle that imports a function and calls it with a text."""
    return b"\x80\x04" + _text(module) + _text(name) + b"\x93" + _text(argument) + b"\x85R."


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()
