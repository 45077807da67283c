"""The image, as far as it can be proven without a container engine.

The steps of the build are run in a directory that stands for `/`. Packages are locked with hashes, so it is
the image's environment, but for the system below it.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from stream_al import __version__, settings
from tests.broker.address import KafkaAddress
from tests.deploy.compose import EXAMPLE, OURS, environ
from tests.deploy.image import DEPLOY, IMAGE_ENVIRON, LAST, ROOT, STEPS, Image, build, last
from tests.ports import free_port
from tests.support.replica import DEADLINE_SECONDS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# What a deployment may ask for, and cannot install into a container that runs.
EXTRAS = ("labelstudio", "otel", "remote")
PROJECT_NAME = canonicalize_name(PROJECT["project"]["name"])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(tmp_path_factory.mktemp("image"))


def locked(name: str) -> dict[str, Version]:
    """The packages of a lock with their versions; each has a hash."""
    text = (DEPLOY / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, Version] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            pinned, *hashes = line.split("--hash=sha256:")
            assert hashes, line
            assert all(re.fullmatch(r"[0-9a-f]{64}", one.strip()) for one in hashes), line
            package, _, version = pinned.strip().partition("==")
            found[canonicalize_name(package)] = Version(version)
    return found


@pytest.mark.long
@pytest.mark.timeout(900)  # on a machine that has none of the packages yet
def test_the_build_installs_what_is_locked_and_the_project_and_nothing_else(image: Image) -> None:
    """Everything in the lock is a requirement of the project, or a requirement of one."""
    found = {canonicalize_name(one.name): one for one in image.packages()}
    lock = locked("requirements.txt")
    assert {name: Version(one.version) for name, one in found.items()} == lock | {
        PROJECT_NAME: Version(__version__)
    }
    needed: set[tuple[str, str]] = set()
    waiting = [(PROJECT_NAME, extra) for extra in ("", *EXTRAS)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in needed:
            needed.add((name, extra))
            for one in map(Requirement, found[name].requires or ()):
                if not one.marker or one.marker.evaluate({"extra": extra}):
                    waiting += [(canonicalize_name(one.name), wanted) for wanted in ("", *one.extras)]
    assert {name for name, _ in needed} == set(found)


def test_the_lock_satisfies_the_project() -> None:
    """If this fails: the first lines of the lock say how to make it again."""
    lock = locked("requirements.txt")
    project = PROJECT["project"]
    extras = [text for extra in EXTRAS for text in project["optional-dependencies"][extra]]
    for wanted in map(Requirement, [*project["dependencies"], *extras]):
        name = canonicalize_name(wanted.name)
        assert name in lock
        assert wanted.specifier.contains(lock[name]), wanted


def test_the_lock_of_the_build_satisfies_the_project_and_holds_nothing_else() -> None:
    (wanted,) = map(Requirement, PROJECT["build-system"]["requires"])
    ((name, version),) = locked("requirements-build.txt").items()
    assert name == wanted.name
    assert wanted.specifier.contains(version)


def test_every_source_that_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    sources = [
        source
        for step in STEPS
        if step.instruction == "COPY" and not step.text.startswith("--from=")
        for source in step.text.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_every_stage_begins_with_one_pinned_python_that_the_project_supports() -> None:
    (image, *others) = {step.text.split()[0] for step in STEPS if step.instruction == "FROM"}
    assert not others
    found = re.fullmatch(r"python:(3\.\d+\.\d+)-slim-\w+", image)
    assert found
    assert Requirement(f"python{PROJECT['project']['requires-python']}").specifier.contains(found[1])


def test_it_runs_as_a_numbered_user_that_is_not_root_and_owns_the_volume() -> None:
    """Kubernetes cannot check whether a named user is root."""
    user = last("USER")
    uid, _, gid = user.partition(":")
    assert int(uid) > 0
    assert int(gid) > 0
    written = last("VOLUME")
    made = f"-o {uid} -g {gid} -m 0700 {written}"  # the key of the snapshots lies beside their directory
    assert made in " ".join(s.text for s in LAST if s.instruction == "RUN")
    assert f"STREAM_AL_SNAPSHOTS__DIRECTORY={written}/snapshots" in last("ENV")
    assert [step.instruction for step in LAST].index("USER") > max(
        place for place, step in enumerate(LAST) if step.instruction in {"COPY", "RUN"}
    )


def test_its_environment_is_accepted_and_listens_on_the_loopback_address_by_default() -> None:
    assert settings.load(environ=IMAGE_ENVIRON).http.host == "127.0.0.1"


def test_it_is_stopped_by_the_signal_that_the_service_obeys() -> None:
    """The commands are in exec form, because a shell as process 1 would not forward the signal."""
    assert last("STOPSIGNAL") == "SIGTERM"
    (entry,) = json.loads(last("ENTRYPOINT"))
    assert entry in PROJECT["project"]["scripts"]
    assert json.loads(last("CMD")) == ["serve"]


@contextmanager
def responding(status: int) -> Iterator[int]:
    """A server that responds to `/livez` with a status; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
def test_the_health_check_distinguishes_a_live_service_from_a_dead_one(status: int, healthy: bool) -> None:
    python, *arguments = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert python == "python"
    assert last("EXPOSE") in arguments[-1]
    with responding(status) as port:
        arguments[-1] = arguments[-1].replace(last("EXPOSE"), str(port))
        done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)  # noqa: S603
    assert (done.returncode == 0) is healthy


def test_the_health_check_fails_where_nobody_listens() -> None:
    _, *arguments = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    with responding(200) as port:
        pass
    arguments[-1] = arguments[-1].replace(last("EXPOSE"), str(port))
    done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)  # noqa: S603
    assert done.returncode != 0


async def until(what: Callable[[], Awaitable[bool]], process: asyncio.subprocess.Process) -> None:
    """Wait for something; fail if the process ends first."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await what():
            assert process.returncode is None
            await asyncio.sleep(0.1)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_what_compose_starts_works_together(image: Image, kafka: KafkaAddress, tmp_path: Path) -> None:
    """Topics are created, a stream is labelled, the model learns, tokens work, and SIGTERM stops it.

    The programs are the image's, the environment is compose's; broker, port, directory and names are the
    test's own. Nothing is written into the image: its filesystem may be read-only.
    """
    port, name = free_port(), f"image-{uuid4().hex[:8]}"
    own = {
        "application": name,
        **{
            f"topics.{topic}": f"{name}.{topic}"
            for topic in ("samples", "queries", "labels", "examples", "control", "leases")
        },
        "snapshots.directory": str(tmp_path),
        "http.port": str(port),
        **dict(pair.split("=", 1) for pair in kafka.settings),
    }
    own = {f"STREAM_AL_{path.upper().replace('.', '__')}": text for path, text in own.items()}

    async def start(name: str, *command: str) -> asyncio.subprocess.Process:
        given = OURS[name]
        entry: list[str] = given.get("entrypoint", json.loads(last("ENTRYPOINT")))
        rest: list[str] = [*command] or given.get("command", json.loads(last("CMD")))
        log = (tmp_path / f"{name}.log").open("wb")
        with log:
            return await asyncio.create_subprocess_exec(
                image.program(entry[0]),
                *entry[1:],
                *rest,
                env=IMAGE_ENVIRON | environ(given) | own,
                cwd=tmp_path,
                stdout=log,
                stderr=log,
            )

    before = image.files()
    assert await (await start("topics")).wait() == 0, (tmp_path / "topics.log").read_text()
    service = await start("stream-al-1")
    demo = await start("demo", "--samples", "400", "--rate", "400", "--delay", "0")
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS, trust_env=False
        ) as http:

            async def learned() -> bool:
                with suppress(httpx.TransportError):
                    text = (await http.get("/metrics")).text  # open to Prometheus, which has no token here
                    found = re.search(r"^stream_al_model_examples\S* (\d+)", text, re.MULTILINE)
                    return found is not None and int(found[1]) >= 10
                return False

            await until(learned, service)
            assert (await http.get("/v1/status")).status_code == httpx.codes.UNAUTHORIZED
            token = EXAMPLE["STREAM_AL_HTTP__ADMIN_TOKENS"].partition(":")[2]
            admitted = await http.get("/v1/status", headers={"Authorization": f"Bearer {token}"})
            assert admitted.status_code == httpx.codes.OK
        service.terminate()
        assert await service.wait() == 0, (tmp_path / "stream-al-1.log").read_text()
        assert image.files() == before
    finally:
        for process in (service, demo):
            if process.returncode is None:
                process.kill()
                await process.wait()
