"""Damaged and forged snapshots: files that are cut off, have a flipped bit, or hold code of an attacker.

An attacker knows everything but the key, so a forged snapshot may have a valid checksum.
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


def sealed(header: dict[str, Any], body: bytes, key: str | None = None) -> bytes:
    """A file with this header and body, and with their checksum, or their HMAC if there is a key."""
    header = {**header, "length": len(body)}
    what = json.dumps(header, sort_keys=True).encode() + b"\n" + body
    plain = "sha256:" + hashlib.sha256(what).hexdigest()
    check = plain if key is None else "hmac-sha256:" + hmac.new(key.encode(), what, "sha256").hexdigest()
    return json.dumps({"header": header, "check": check}, sort_keys=True).encode() + b"\n" + body


def attack(mark: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles that create the file `mark` if they run, by every known way around the rules."""
    touch, write = f"touch {mark}", f"open({str(mark)!r}, 'w').close()"
    yield "os.system", _call("os", "system", touch)
    yield "posix.system", _call("posix", "system", touch)
    yield "subprocess.getoutput", _call("subprocess", "getoutput", touch)
    yield "builtins.exec", _call("builtins", "exec", write)
    yield "builtins.eval", _call("builtins", "eval", write)
    yield "a module that ours imports", _call("stream_al.service.model.stores.directory", "os.system", touch)
    yield "a module that River's imports", _call("river.datasets.base", "os.system", touch)
    yield "a function of ours that unpickles", _nested(_call("os", "system", touch))
    yield "the builtins behind a method", _through_a_method(write)
    yield "a file that numpy creates", _memmap("numpy", mark)
    yield "a file that numpy creates, by its home", _memmap("numpy._core.memmap", mark)


def _memmap(module: str, mark: Path) -> bytes:
    """`memmap(mark, "uint8", "w+", 0, 1)`."""
    arguments = _text(str(mark)) + _text("uint8") + _text("w+") + b"K\x00K\x01"
    return b"\x80\x04" + _global(module, "memmap") + b"(" + arguments + b"tR."


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def _global(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


def _call(module: str, name: str, argument: str) -> bytes:
    """A pickle that imports a function and calls it with a text."""
    return b"\x80\x04" + _global(module, name) + _text(argument) + b"\x85R."


def _nested(inner: bytes) -> bytes:
    """A pickle that unpickles another one through a function of this program."""
    head = b"\x80\x04" + _global("stream_al.engine.model.pickling", "loads")
    return head + b"B" + len(inner).to_bytes(4, "little") + inner + b"\x85R."


def _through_a_method(expression: str) -> bytes:
    """`dict.get(dict.get(BadMessage.__init__.__globals__, "__builtins__"), "eval")(expression)`."""
    attribute = _global("builtins", "getattr")
    method = attribute + _global("stream_al.errors", "BadMessage") + _text("__init__") + b"\x86R"
    everything = attribute + method + _text("__globals__") + b"\x86R"
    get = attribute + _global("builtins", "dict") + _text("get") + b"\x86R"
    builtins = get + everything + _text("__builtins__") + b"\x86R"
    evaluate = get + builtins + _text("eval") + b"\x86R"
    return b"\x80\x04" + evaluate + _text(expression) + b"\x85R."
