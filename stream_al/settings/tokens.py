"""Bearer tokens for HTTP, written as `name:token`. The audit log shows the name and never the token.

A token consists of the characters of RFC 6750's `b64token`, so it contains no colon, comma or blank. A
short token can be guessed, so it is refused. No message here quotes what was written, because that may be a
token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["ROLES", "Token", "different", "of_file", "of_text"]

ROLES = ("read", "label", "admin")
"""The roles. Each role may do everything that the roles before it may do."""

SHORTEST = 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


@dataclass(frozen=True)
class Token:
    """One bearer token: its role, the name of its owner, and the token itself."""

    role: str
    name: str
    secret: str = field(repr=False)


def of_text(role: str, text: str) -> list[Token]:
    """The tokens of a role in one text, separated by commas or blanks, with or without names.

    Raises:
        ValueError: With a sentence that says what to write.

    >>> of_text("read", "grafana:0123456789abcdef, fedcba9876543210")
    [Token(role='read', name='grafana'), Token(role='read', name='read-2')]
    """
    tokens = []
    for number, part in enumerate(re.split(r"[,\s]+", text.strip(", \t\r\n")), 1):
        name, colon, secret = part.rpartition(":")
        tokens.append(_checked(role, name if colon else f"{role}-{number}", secret, f"number {number}"))
    return different(tokens)


def of_file(text: str) -> list[Token]:
    r"""The tokens in a file, one per line as `role name token`. A comment begins with `#`.

    Raises:
        ValueError: With a sentence that says what to write. The last line has to end: if it does not, a part
            of the file may be missing, and half a token would be another token.

    >>> of_file("admin ann 0123456789abcdef  # until May\n")
    [Token(role='admin', name='ann')]
    """
    tokens = []
    if text.strip() and not text.endswith("\n"):
        raise ValueError("end the last line with a line break: a part of the file may be missing")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 3 or words[0] not in ROLES:
            raise ValueError(f"write `role name token` in line {number}, the role one of {', '.join(ROLES)}")
        tokens.append(_checked(words[0], words[1], words[2], f"in line {number}"))
    if not tokens:
        raise ValueError("write at least one token into it, one per line: `role name token`")
    return different(tokens)


def _checked(role: str, name: str, secret: str, where: str) -> Token:
    if not _NAME.fullmatch(name):
        raise ValueError(f"write 1 to 64 letters, digits, '_', '.', '@' or '-' for the name of token {where}")
    if not _TOKEN.fullmatch(secret) or len(secret) < SHORTEST:
        raise ValueError(
            f"write {SHORTEST} letters, digits or -._~+/ or more for token {where}, as made by "
            "`openssl rand -hex 32`"
        )
    return Token(role, name, secret)


def different(tokens: list[Token]) -> list[Token]:
    """Refuse a token or a name that occurs twice, because its owner or its role would be unclear.

    Raises:
        ValueError: With a sentence that says what to write.
    """
    if len({token.secret for token in tokens}) < len(tokens):
        raise ValueError("write every token once: one of them occurs twice")
    if len({token.name for token in tokens}) < len(tokens):
        raise ValueError("write a different name for each token: one of them occurs twice")
    return tokens
