"""Logging: structlog onto standard error, JSON when nobody is watching a terminal."""

from __future__ import annotations

import logging
import sys

import structlog

from stream_al.settings import Settings

__all__ = ["configure"]


def configure(settings: Settings) -> None:
    """Send every log line, our own and the libraries', through one renderer."""
    level = logging.getLevelNamesMapping()[settings.log.level.upper()]
    text = settings.log.format == "text" or (settings.log.format == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if text else structlog.processors.JSONRenderer()
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
        # Not cached at first use: a logger that once wrote would never hear of another configuration.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # aiokafka logs every attempt to reconnect, several lines each; our loops say what is away, and when they
    # try again.
    if level > logging.DEBUG:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for name in ("aiobotocore", "botocore", "s3fs"):  # at debug they log requests, tokens and all
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    logging.getLogger("stream_al.audit").setLevel(logging.INFO)  # the record is kept, whatever else is
    logging.getLogger("uvicorn.access").setLevel(max(level, logging.WARNING))
