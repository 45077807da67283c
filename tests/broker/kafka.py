"""A real Apache Kafka (KRaft, one node) for the tests, each a `java` process.

All calls block. From a coroutine use `await asyncio.to_thread(broker.restart)`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.cache import held_cache
from tests.ports import free_port

IN_CI = os.environ.get("CI") == "true"  # where what is missing is a failure and never a skip
IS_INSTALLED = bool(shutil.which("java") and shutil.which("mvn"))
WANTING = "this needs Apache Kafka: install Java 17 and Maven"

_POM = Path(__file__).with_name("pom.xml")
_JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xlog:disable", "-Dlog4j2.level=INFO"]
# The parent-death signal fires when the *thread* that forked ends, and tests start brokers
# from short-lived threads. The thread of a pool lives as long as the interpreter.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-spawn")
_KEY_END, _RECORD_END = b"\x1f", b"\x1e"

# INTERNAL keeps the broker's own traffic (transaction markers) off the advertised
# address, because a proxy at this address must affect only clients. After a SIGKILL the
# controller refuses the broker until its old session ends, by default for 9 s.
_SERVER = """\
process.roles=broker,controller
node.id=1
listeners=CLIENT://127.0.0.1:{0},INTERNAL://127.0.0.1:{1},CONTROLLER://127.0.0.1:{2}
advertised.listeners=CLIENT://{3},INTERNAL://127.0.0.1:{1}
listener.security.protocol.map=CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{2}
log.dirs={4}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


@dataclass(frozen=True)
class Listener:
    """One more listener of a broker, on a port of its own.

    Attributes:
        name: Its name in the configuration of the broker, in capital letters.
        protocol: SSL, SASL_PLAINTEXT or SASL_SSL.
        config: The configuration of this listener, without the prefix `listener.name.<name>.`.
    """

    name: str
    protocol: str
    config: Mapping[str, str]


class BrokerError(RuntimeError):
    """The broker could not be fetched, formatted or started."""


def _serves(port: int) -> bool:
    """Tell whether the response to a Metadata v1 request names a live broker.

    The port accepts connections before the broker is registered with its controller.
    A client that connects in between would see an empty cluster.
    """
    request = struct.pack(">hhihi", 3, 1, 7, -1, 0)  # no client id, no topics
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as response:
                _, correlation, brokers = struct.unpack(">iii", response.read(12))
    except (OSError, struct.error):  # refused, cut off, or too short
        return False
    return bool(correlation == 7 and brokers > 0)


def _java(jars: Path, *arguments: str, heap: str = "512m", more: Path | None = None) -> list[str]:
    """Build the command line. CDS checks that the class path has the same jars in the same order."""
    found = [*sorted(jars.glob("*.jar")), *(sorted(more.glob("*.jar")) if more else [])]
    path = ":".join(map(str, found))
    return ["java", f"-Xmx{heap}", *_JVM, "-cp", path, *arguments]


def _run(command: list[str], timeout: float, stdin: bytes = b"") -> None:
    """Run a tool to its end. The error of a failure has the output of the tool."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout)  # noqa: S603, PLW1510
    except subprocess.TimeoutExpired as error:
        raise BrokerError(f"{command[0]} took longer than {timeout} s:\n{error.output}") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
        raise BrokerError(f"{command[0]} ended with {done.returncode}:\n{said}")


def _spawn(command: list[str], out: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)  # noqa: S603


class KafkaBroker:
    """One broker. Its ports and data stay the same over `restart`.

    Attributes:
        bootstrap: Its address, host:port.
        direct: An address past a proxy that clients are told to use.
        ports: The ports of the further listeners, by name.
        log: The file with what it prints.
    """

    def __init__(
        self,
        cache: Path,
        directory: Path,
        advertised: str | None,
        listeners: Sequence[Listener] = (),
        scram: Sequence[str] = (),
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Format a store with a random cluster id; `KafkaBroker.start` also runs it."""
        self._cache, self._directory = cache, directory
        self._ports = [free_port() for _ in range(3 + len(listeners))]
        self.ports = {way.name: port for way, port in zip(listeners, self._ports[3:], strict=True)}
        self._process: subprocess.Popen[bytes] | None = None
        self._jvm: list[str] = [f"-XX:SharedArchiveFile={cache / 'classes.jsa'}"]
        self.bootstrap = f"127.0.0.1:{self._ports[0]}"
        self.direct = f"127.0.0.1:{self._ports[1]}"
        self.log = directory / "broker.log"
        directory.mkdir(parents=True, exist_ok=True)
        written = directory / "server.properties"
        plain = _SERVER.format(*self._ports[:3], advertised or self.bootstrap, directory)
        plain += "".join(f"{key}={value}\n" for key, value in (config or {}).items())
        written.write_text(_with_listeners(plain, listeners, self.ports))
        # Written as `--cluster-id=X`, because an id may start with "-" and look like an option.
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(written)]
        tool += [word for user in scram for word in ("--add-scram", user)]
        _run(_java(cache / "broker", *self._jvm, *tool, heap="128m"), 60)

    @staticmethod
    def fetch(timeout: float = 600) -> Path:
        """Return the directory of the jars (`broker`, `tools`). Maven fetches them the first time.

        An edited POM has another hash, so old jars are never used. A download that was cut off is never
        renamed.
        """
        pom = _POM.read_bytes()
        version = re.findall(rb"<kafka.version>(.*?)</", pom)[0].decode()
        name = f"kafka-{version}-{hashlib.sha256(pom).hexdigest()[:8]}"
        with held_cache("kafka") as folder:
            cache = folder / name
            if not cache.is_dir():
                with tempfile.TemporaryDirectory(dir=cache.parent) as scratch:
                    for part in ("broker", "tools"):
                        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={scratch}/all/{part}"]
                        _run(["mvn", "-q", "-B", "-f", str(_POM), "-P", part, *goal], timeout)
                    Path(scratch, "all").rename(cache)
            if not (cache / "classes.jsa").exists():
                KafkaBroker._archive_classes(cache)
        return cache

    @staticmethod
    def _archive_classes(cache: Path) -> None:
        """Let a broker write a class-data archive, which halves the time of every later start."""
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            archive = Path(scratch, "classes.jsa")
            broker = KafkaBroker(cache, Path(scratch, "broker"), None)
            broker._jvm = [f"-XX:ArchiveClassesAtExit={archive}"]
            broker.resume()
            broker.stop(timeout=60)
            archive.rename(cache / "classes.jsa")

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        advertised: str | None = None,
        listeners: Sequence[Listener] = (),
        scram: Sequence[str] = (),
        config: Mapping[str, str] | None = None,
    ) -> KafkaBroker:
        """Format a new store under `directory` and return the running broker.

        `advertised` ("127.0.0.1:PORT" of a proxy) is the address that clients are told to use. `listeners`
        are further listeners, at `ports[name]`. `scram` are users, in the form of kafka-storage's
        --add-scram. `config` is added to the configuration of the broker.
        """
        broker = cls(cls.fetch(), directory, advertised, listeners, scram, config)
        broker.resume()
        return broker

    def resume(self, timeout: float = 60) -> None:
        """Start the process on the existing store and wait until it serves clients."""
        if self._process is not None:
            raise BrokerError("the broker already runs")
        main = ["kafka.Kafka", str(self._directory / "server.properties")]
        # setpriv sets PR_SET_PDEATHSIG and becomes java (same pid). So the broker ends with a test
        # runner that is killed, and no Python runs between fork and exec.
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        command = [*guard, *_java(self._cache / "broker", *self._jvm, *main)]
        with self.log.open("ab") as out:
            self._process = process = _SPAWNER.submit(_spawn, command, out).result()
        deadline = time.monotonic() + timeout
        while not _serves(self._ports[0]):
            if process.poll() is not None or time.monotonic() > deadline:
                why = "took too long" if process.returncode is None else f"ended with {process.returncode}"
                self.kill()
                tail = self.log.read_text(errors="replace")[-4000:]
                raise BrokerError(f"Kafka {why} while starting; {self.log}:\n{tail}")
            time.sleep(0.05)

    def stop(self, timeout: float = 20) -> None:
        """Shut down in order (SIGTERM), by force after `timeout`. A stopped broker stays stopped."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
            self.kill()

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash does; `resume` brings it back."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def restart(self) -> None:
        """Stop in order and start again, with the same ports and data."""
        self.stop()
        self.resume()


def _with_listeners(config: str, listeners: Sequence[Listener], ports: Mapping[str, int]) -> str:
    """Add listeners to a broker's configuration."""
    for way in listeners:
        place = f"{way.name}://127.0.0.1:{ports[way.name]}"
        more = {"listeners": place, "advertised.listeners": place}
        more["listener.security.protocol.map"] = f"{way.name}:{way.protocol}"
        for key, value in more.items():
            config = re.sub(rf"(?m)^({re.escape(key)}=.*)$", rf"\1,{value}", config)
        config += "".join(f"listener.name.{way.name.lower()}.{k}={v}\n" for k, v in way.config.items())
    return config


def allow(bootstrap: str, user: str, operations: Sequence[str], topic: str) -> None:
    """Give a user permissions on a topic, where a broker has an authorizer."""
    tool = ["org.apache.kafka.tools.AclCommand", "--bootstrap-server", bootstrap, "--add"]
    given = [f"--operation={name}" for name in operations]
    who = [f"--allow-principal=User:{user}", *given, f"--topic={topic}"]
    cache = KafkaBroker.fetch()
    _run(_java(cache / "tools", *tool, *who, heap="128m", more=cache / "broker"), 60)


def _lines(records: list[tuple[bytes, bytes]], end: bytes) -> bytes:
    """Join records for the standard input of a tool. A delimiter in a record would split it silently."""
    if any(mark in part for record in records for part in record for mark in (_KEY_END, end)):
        raise ValueError("a record holds one of the tool's delimiters")
    return b"".join(key + _KEY_END + value + end for key, value in records)


def _java_produce(bootstrap: str, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    """Run ConsoleProducer. It reads lines of UTF-8 text, so a record has no newline."""
    tool = ["org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", bootstrap]
    # Without --sync it ends with code 0 also when a record was refused. --timeout is its linger.
    reader = ["--sync", "--timeout=0", "--max-block-ms=10000", "--reader-property=parse.key=true"]
    reader += [f"--reader-property=key.separator={_KEY_END.decode()}"]
    command = _java(KafkaBroker.fetch() / "tools", *tool, "--topic", topic, *reader, heap="128m")
    _run(command, 60, _lines(records, b"\n"))


def foreign_produce(bootstrap: str, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    """Produce as another program would: with kcat (librdkafka) if it is installed, else with Java.

    kcat partitions by CRC32, and Java and aiokafka by murmur2. So equal keys of two programs
    may lie in different partitions. `shutil.which("kcat")` tells which program it was.
    """
    if shutil.which("kcat"):
        marks = ["-K", _KEY_END.decode(), "-D", _RECORD_END.decode()]
        _run(["kcat", "-P", "-b", bootstrap, "-t", topic, *marks], 60, _lines(records, _RECORD_END))
    else:
        _java_produce(bootstrap, topic, records)
