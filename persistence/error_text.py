"""What may be written down of a database's error: never the values that were sent or stored.

PostgreSQL quotes the row that it refused, in the error's detail, and a value that it cannot read, in
the message itself; the driver quotes parameters. All of it may be somebody's name or address.
"""

import re

import asyncpg
from sqlalchemy.exc import DBAPIError

_WITHHELD = "(the rest may quote a value and is left out)"
# To the end: what follows may be the row's own lines, and look like anything.
_DETAIL = re.compile(r"(?:\n|\\n)DETAIL: .*", re.DOTALL)
_ARGUMENT = re.compile(r"(invalid input for query argument \$\d+).*", re.DOTALL)
_DATA_EXCEPTION = "22"


def text_of(error: BaseException) -> str:
    """Return what `error` says, without values when it comes from the database."""
    if isinstance(error, DBAPIError):
        said = text_of(error.orig) if error.orig is not None else _WITHHELD
        return f"{said} [SQL: {error.statement}]" if error.statement else said
    driver = _driver_error(error)
    if driver is None:
        return str(error)
    facts = [
        f"{name} {value}"
        for name in ("sqlstate", "table_name", "constraint_name", "column_name")
        if (value := getattr(driver, name, None))
    ]
    state = getattr(driver, "sqlstate", None) or ""
    said = _WITHHELD if state.startswith(_DATA_EXCEPTION) else without_values(str(driver))
    return f"{type(driver).__name__}: {said} ({', '.join(facts)})" if facts else said


def without_values(text: str) -> str:
    """Return `text` without what a database error, quoted in it, tells of rows and parameters."""
    if "DETAIL: " in text:
        text = _DETAIL.sub(f" {_WITHHELD}", text)
    if "query argument" in text:
        text = _ARGUMENT.sub(rf"\1 {_WITHHELD}", text)
    return text


def _driver_error(error: BaseException) -> BaseException | None:
    """Return the driver's own error: this one, or the one that SQLAlchemy's adapter wraps."""
    kinds = (asyncpg.PostgresError, asyncpg.InterfaceError)
    if isinstance(error, kinds):
        return error
    if type(error).__module__.startswith("sqlalchemy.dialects.postgresql"):
        cause = error.__cause__
        return cause if isinstance(cause, kinds) else None
    return None
