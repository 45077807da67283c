"""The file of tokens: what cannot be used grants nothing, and what is taken out is revoked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_al.errors import Misconfigured
from stream_al.service.http.access.roles import Access
from stream_al.settings import HTTPSettings

ANN, BOB = "ann-0123456789abcdef", "bob-0123456789abcdef"
GOOD = f"# ours\nadmin ann {ANN}  # until May\n\n"

UNUSABLE = {
    "empty": "",
    "blank": " \n",
    "only a role": "admin\n",
    "no such role": f"king ann {ANN}\n",
    "a short token": "admin ann short\n",
    "one token with two roles": f"read a {ANN}\nadmin b {ANN}\n",
    "one name with two tokens": f"read a {ANN}\nread a {BOB}\n",
    "torn in the last token": f"read bob {BOB}\nadmin ann {ANN}"[:-1],
    "torn after the last token": f"admin ann {ANN}",
    "a token of the settings": "admin ann settings-0123456789\n",
    "a name of the settings": f"admin set {ANN}\n",
    "no UTF-8": "\udcff",
}
unusable = pytest.mark.parametrize("text", UNUSABLE.values(), ids=UNUSABLE.keys())


def written(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace the file in one step, as Kubernetes does."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text, encoding="utf-8", errors="surrogateescape")
    fresh.chmod(mode)
    os.replace(fresh, path)  # noqa: PTH105 - the function that replaces in one step


def access_to(path: Path) -> Access:
    return Access(
        HTTPSettings.model_validate({"tokens_file": path, "read_tokens": "set:settings-0123456789"})
    )


def named(access: Access) -> list[str]:
    """The names of the tokens that are known, of those that are tried."""
    tried = (ANN, ANN[:-1], BOB, "settings-0123456789", "short")
    callers = [access.caller(f"Bearer {token}") for token in tried]
    return [caller.name for caller in callers if caller and caller.name]


def test_a_file_of_tokens_is_read_again_when_it_changes(tmp_path: Path) -> None:
    written(path := tmp_path / "tokens", GOOD)
    access = access_to(path)
    assert named(access) == ["ann", "set"]
    written(path, f"read bob {BOB}\n")
    assert named(access) == ["bob", "set"]


@unusable
def test_a_file_that_becomes_unusable_revokes_its_tokens_and_grants_none(tmp_path: Path, text: str) -> None:
    """Nobody can tell a mistake from a token that was taken out. The tokens of the settings stay."""
    written(path := tmp_path / "tokens", GOOD)
    access = access_to(path)
    written(path, text)
    assert named(access) == ["set"]
    assert access.needs_token
    written(path, GOOD)
    assert named(access) == ["ann", "set"]


def become_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir(0o600)


def become_a_pipe(path: Path) -> None:
    """Whoever reads it waits for a writer."""
    path.unlink()
    os.mkfifo(path, 0o600)


REMOVALS: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "a directory": become_a_directory,
    "a pipe": become_a_pipe,
    "open to others": lambda path: path.chmod(0o604),
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS.keys())
def test_a_file_that_is_deleted_or_replaced_revokes_its_tokens(
    tmp_path: Path, remove: Callable[[Path], None]
) -> None:
    written(path := tmp_path / "tokens", GOOD)
    access = access_to(path)
    remove(path)
    assert named(access) == ["set"]
    assert access.needs_token


@unusable
def test_a_file_that_cannot_be_used_at_the_start_is_a_mistake(tmp_path: Path, text: str) -> None:
    written(path := tmp_path / "tokens", text)
    with pytest.raises(Misconfigured) as caught:
        access_to(path)
    assert str(caught.value).startswith(f"http.tokens_file: {path}: ")
    for secret in (ANN, BOB, "settings-"):
        assert secret not in str(caught.value)


def test_a_file_that_is_not_there_at_the_start_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"http\.tokens_file: .* cannot be read"):
        access_to(tmp_path / "tokens")


def test_no_mode_wider_than_0640_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    for mode in range(0o400, 0o1000):
        if not mode & 0o400:
            continue
        written(path, GOOD, mode)
        if mode & ~0o740:
            with pytest.raises(Misconfigured, match=f"has the mode {mode:04o}.* set 0640 or less"):
                access_to(path)
        else:
            access_to(path)
