"""The laws of stream_al."""

import pkgutil

import pytest

# A helper's assertion shows its values too, as a test's does.
pytest.register_assert_rewrite(*(f"{__name__}.{one.name}" for one in pkgutil.iter_modules(__path__)))
