"""Where a broker is, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass

from tests.broker.kafka import KafkaBroker

__all__ = ["KafkaAddress"]


@dataclass(frozen=True)
class KafkaAddress:
    """A broker for tests.

    Attributes:
        bootstrap: Its host:port.
        name: What it is, for the line at the end of the run.
        real: Whether it is Apache Kafka. It keeps the metadata of commits, knows idempotent producers and
            limits the size of records. The embedded broker does none of this.
        broker: The broker itself, if it was started for this run.
    """

    bootstrap: str
    name: str = "Apache Kafka"
    real: bool = True
    broker: KafkaBroker | None = None

    @property
    def settings(self) -> list[str]:
        """Settings for a client."""
        idempotent = str(self.real).lower()
        given = [f"kafka.bootstrap_servers={self.bootstrap}", f"kafka.idempotent={idempotent}"]
        # The embedded broker keeps a fetch until its timeout, so clients cannot stop at once.
        return given if self.real else [*given, "limits.stop_seconds=2"]
