"""Logs: one JSON object a line on standard error, with the request's id, without personal data."""

import logging
import sys

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.tracebacks import format_chain
from persistence.error_text import without_values

# Libraries that tell of every request or character, some with addresses that are secrets.
_NOISY = ("alembic", "fontTools", "fpdf", "httpcore", "httpx", "stripe", "urllib3", "uvicorn.error")


def configure_logs(level: str) -> None:
    """Send structlog's and the standard library's records the same way; called once a process."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(format_chain),
        _leave_values_out,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
    # URLs may hold what is nobody's business; requests are counted in /metrics instead.
    logging.getLogger("uvicorn.access").disabled = True


def _leave_values_out(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep rows and parameters out of what libraries write about the database's errors, asyncio first."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = without_values(value)
    return event


def _dumps(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
