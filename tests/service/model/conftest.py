"""The places where snapshots are kept in the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stores import DirectoryPlace, Place, S3Place, S3Server, point_at


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    made = S3Server()
    yield made
    made.close()


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    point_at(server, monkeypatch)
    return S3Place(server)


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.long)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "directory":
        return DirectoryPlace(tmp_path / "snapshots")
    found: S3Place = request.getfixturevalue("s3")
    return found
