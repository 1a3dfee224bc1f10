"""Exceptions in logs: where they came from and what they say, without anybody's data."""

import traceback
from collections.abc import Iterator

import asyncpg
from structlog.typing import ExcInfo

from persistence.error_text import text_of

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_UNREADABLE = (asyncpg.InterfaceError, asyncpg.DataError)
_LEFT_OUT = "(left out: it may quote a value)"


def format_chain(exc_info: ExcInfo) -> str:
    """Return the exception and what it came from as Python prints them, but for values of the database.

    Errors wrap each other and quote each other's text, so each is put in words here.
    """
    return "".join(_lines(exc_info[1], set())).rstrip()


def _lines(error: BaseException, seen: set[int], *, quotes_a_value: bool = False) -> Iterator[str]:
    seen.add(id(error))
    cause = error.__cause__
    before = cause or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        # What the driver could not convert is in the words of whoever tried.
        yield from _lines(before, seen, quotes_a_value=isinstance(error, _UNREADABLE))
        yield _CAUSE if cause is not None else _CONTEXT
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    yield f"{name}: {_LEFT_OUT if quotes_a_value else text_of(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for number, inner in enumerate(error.exceptions, 1):
            yield f"--- {number} of {len(error.exceptions)} ---\n"
            yield from _lines(inner, seen)
