"""Logging with structlog to standard error: as text on a terminal, as JSON elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog

from stream_al.settings import Settings
from stream_al.terminal import printable

__all__ = ["configure"]


def configure(settings: Settings) -> None:
    """Send every log line, our own and those of libraries, through one renderer."""
    level = logging.getLevelNamesMapping()[settings.log.level.upper()]
    text = settings.log.format == "text" or (settings.log.format == "auto" and sys.stderr.isatty())
    renderers: list[structlog.types.Processor] = (
        [_printable, structlog.dev.ConsoleRenderer()] if text else [structlog.processors.JSONRenderer()]
    )
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A logger that is cached at its first use would ignore a later configuration.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *renderers,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # aiokafka logs several lines at every attempt to reconnect. Our loops log what cannot be reached and when
    # they try again.
    if level > logging.DEBUG:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for name in ("aiobotocore", "botocore", "s3fs"):  # at debug they log requests with their tokens
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    for name in ("httpx", "httpcore"):  # they log every request that the bridge to Label Studio makes
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.getLogger("stream_al.audit").setLevel(logging.INFO)  # the audit log is written at every level
    logging.getLogger("uvicorn.access").setLevel(max(level, logging.WARNING))


def _printable(
    logger: structlog.types.WrappedLogger, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Let no text in a line be a command to the terminal; those of records and files are a stranger's."""
    return {
        name: "\n".join(map(printable, value.split("\n")))
        if name == "exception"
        else printable(value)
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }
