"""Fixtures for the tests of HTTP."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from tests.support.http_server import CLOSED, application


@pytest.fixture
def closed() -> FastAPI:
    """The interface of an idle application with a token for each role."""
    return application(*CLOSED)
