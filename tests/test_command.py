"""The command `stream-al` as a process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

VARIABLE = "OPENBLAS_NUM_THREADS"
PROGRAM = f"import stream_al.__main__, os; print(os.environ['{VARIABLE}'])"


@pytest.mark.parametrize(("given", "found"), [(None, "1"), ("2", "2")])
def test_matrix_products_take_one_thread_unless_the_environment_says_otherwise(
    given: str | None, found: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment |= {VARIABLE: given} if given else {}
    done = subprocess.run(  # noqa: S603 - our own arguments only
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found


def test_the_variables_are_set_before_numpy_is_loaded() -> None:
    """NumPy's libraries read them when they are loaded; later is too late."""
    program = (
        "import sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        import os; assert name != 'numpy' or '{VARIABLE}' in os.environ\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import stream_al.__main__\n"
        "assert 'stream_al.cli' in sys.modules\n"
        "import numpy\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)  # noqa: S603 - our own
