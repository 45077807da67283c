"""`python -m stream_al`, and the command `stream-al`.

Matrix products take one thread, unless the environment says otherwise. The matrices of a batch are small: a
second thread mostly waits, and while it waits it uses the processor. NumPy's libraries read these variables
when they are loaded, so they are set before anything else is imported.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from stream_al.cli import main  # noqa: E402 - after the variables

__all__ = ["main"]

if __name__ == "__main__":
    main()
