"""Reads the Dockerfile, and runs its build as far as that is possible without a container engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


class Step(NamedTuple):
    """One instruction: `RUN`, `COPY`, ... and what follows it, as one line."""

    instruction: str
    text: str


def steps() -> list[Step]:
    """The Dockerfile's instructions in order."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines()]


STEPS = steps()
LAST = STEPS[max(place for place, step in enumerate(STEPS) if step.instruction == "FROM") :]


def last(instruction: str) -> str:
    """The text of an instruction that the image has once."""
    (text,) = [step.text for step in LAST if step.instruction == instruction]
    return text


IMAGE_ENVIRON = dict(pair.split("=", 1) for pair in last("ENV").split())


class Image(NamedTuple):
    """What the build makes, in a directory that stands for `/`."""

    root: Path

    def program(self, name: str) -> str:
        """A program of the image's environment."""
        return str(self.root / "opt" / "stream_al" / "bin" / name)

    def files(self) -> dict[Path, int]:
        """Every file and directory, and when it was changed."""
        return {path: path.lstat().st_mtime_ns for path in self.root.rglob("*")}

    def packages(self) -> list[Distribution]:
        """What is installed there."""
        (site,) = (self.root / "opt" / "stream_al" / "lib").glob("python*/site-packages")
        return list(Distribution.discover(path=[str(site)]))


def build(root: Path) -> Image:
    """Run the first stage as the Dockerfile says it, in a directory that stands for `/`."""
    work = root
    environ = {
        name: text for name, text in os.environ.items() if not name.startswith(("STREAM_AL_", "PYTHON"))
    }
    for instruction, text in STEPS[: len(STEPS) - len(LAST)]:
        if instruction == "WORKDIR":
            work = root / text.lstrip("/")
            work.mkdir(parents=True)
        elif instruction == "COPY":
            *sources, target = text.split()
            for source in sources:
                to = work / target / (Path(source).name if target.endswith("/") else "")
                to.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, to)
        elif instruction == "RUN":
            script = re.sub(r"^python ", f"{sys.executable} ", text).replace("/opt/", f"{root}/opt/")
            done = subprocess.run(  # noqa: S603
                ["/bin/sh", "-ec", script], cwd=work, env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        else:
            assert instruction in {"FROM", "ENV"}  # ENV: pip without its cache, which the tests may use
    return Image(root)
