"""A connection that hands prebuilt statements straight to asyncpg.

SQLAlchemy spends several times what the driver does on every execution: bridging greenlets, building
contexts and results (docs/decisions/0003-direct-statements.md has the figures). What it is here for, the
SQL of a statement, it works out once; from then on text and parameters go to the driver as they are. Any
statement without such a plan goes the usual way, on the same connection.
"""

import asyncio
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import Select, TextClause
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, InvalidRequestError, MultipleResultsFound, NoResultFound
from sqlalchemy.ext.asyncio import AsyncConnection

Processor = Callable[[Any], Any]


class Plan:
    """How to send one statement: its text, its parameters in order, and what to make of its rows."""

    def __init__(self, statement: Select[Any] | TextClause, dialect: Dialect) -> None:
        """Compile `statement`, which must fit (see `fits`)."""
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self.fits = not (compiled.post_compile_params or compiled.literal_execute_params)
        names = compiled.positiontup or ()
        binds = compiled.binds
        self._binds = [(name, _encoder(binds[name].type, dialect)) for name in names]
        self._given = {name: binds[name].effective_value for name in names if not binds[name].required}
        columns = statement.selected_columns if isinstance(statement, Select) else ()
        self._decoders = [_decoder(column.type, dialect) for column in columns]
        self._decodes = any(self._decoders)
        self._row: Callable[[Any], Any] | None = None

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the parameters as the driver takes them; those not named are the statement's own.

        Raises InvalidRequestError for one that is missing.
        """
        values = {**self._given, **parameters} if self._given else parameters
        try:
            return [
                values[name] if encode is None or values[name] is None else encode(values[name])
                for name, encode in self._binds
            ]
        except KeyError as error:
            raise InvalidRequestError(f"A value is required for bind parameter {error}") from None

    def rows(self, records: Sequence[asyncpg.Record]) -> list[Any]:
        """Return named tuples of what the driver gave."""
        if not records:
            return []
        make = self._row
        if make is None:
            make = self._row = _row_type(records[0].keys())
        if not self._decodes:
            return [make(record) for record in records]
        decoders = self._decoders
        return [
            make(
                value if decode is None else decode(value)
                for decode, value in zip(decoders, record, strict=True)
            )
            for record in records
        ]


class DirectResult:
    """Rows, with the methods of SQLAlchemy's result that this product uses."""

    __slots__ = ("_rows",)

    def __init__(self, rows: list[Any]) -> None:
        """Take all rows at once: none of our statements is read piece by piece."""
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        """Return every row."""
        return self._rows

    def first(self) -> Any:
        """Return the first row, or None."""
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Any:
        """Return the only row, or None; raises MultipleResultsFound."""
        if len(self._rows) > 1:
            raise MultipleResultsFound("Multiple rows were found when one or none was required")
        return self.first()

    def one(self) -> Any:
        """Return the only row; raises NoResultFound, MultipleResultsFound."""
        if not self._rows:
            raise NoResultFound("No row was found when one was required")
        return self.one_or_none()

    def scalar(self) -> Any:
        """Return the first column of the first row, or None."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """Return the first column of the only row; raises like `one`."""
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """Return the first column of the only row, or None; raises MultipleResultsFound."""
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalars(self) -> "DirectResult":
        """Return the first column of every row."""
        return DirectResult([row[0] for row in self._rows])


_SEEN_ONCE = object()
# By statement: what is built anew for each call dies with the call, and so does its place here.
_PLANS: "WeakKeyDictionary[Any, Plan | object | None]" = WeakKeyDictionary()


class DirectConnection(AsyncConnection):
    """A connection in autocommit mode whose prebuilt statements go straight to the driver."""

    __slots__ = ("_alone", "_driver")
    _driver: Any
    _alone: bool
    """Whether every statement stands alone: no transaction was begun."""

    async def start(self, is_ctxmanager: bool = False) -> Self:
        """Take a connection from the pool."""
        await super().start(is_ctxmanager)
        self._driver = (await self.get_raw_connection()).driver_connection
        self._alone = True
        return self

    async def execute(self, statement: Any, parameters: Any = None, **options: Any) -> Any:
        """Execute a statement; raises what SQLAlchemy would."""
        plan = None
        if not options and (parameters is None or isinstance(parameters, Mapping)):
            plan = _plan_of(statement, self.dialect)
        if plan is None:
            return await super().execute(statement, parameters, **options)
        arguments = plan.arguments(parameters or {})
        return DirectResult(plan.rows(await self._send(self._driver.fetch, plan.sql, *arguments)))

    async def scalar(self, statement: Any, parameters: Any = None, **options: Any) -> Any:
        """Execute a statement and return the first column of its first row, or None."""
        return (await self.execute(statement, parameters, **options)).scalar()

    async def begin_directly(self) -> None:
        """Open a transaction: by a bare command, because SQLAlchemy takes this connection for autocommit."""
        self._alone = False
        await self._send(self._driver.execute, "BEGIN ISOLATION LEVEL READ COMMITTED")

    async def commit_directly(self) -> None:
        """Commit it."""
        await self._send(self._driver.execute, "COMMIT")

    async def rollback_directly(self) -> None:
        """Roll it back; a connection that cannot is thrown away, which does the same."""
        if not self.invalidated:
            await self._send(self._driver.execute, "ROLLBACK")

    async def _send(self, send: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        try:
            return await send(sql, *arguments)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            lost = self._driver.is_closed()
            if lost:
                await self.invalidate(error)
            raise DBAPIError(sql, None, error, hide_parameters=True, connection_invalidated=lost) from error
        except asyncio.CancelledError:
            # The driver has asked the server to stop, and lets nobody use the connection before that
            # has: a statement that stands alone leaves nothing behind. To throw the connection away
            # would cost the server a process for each request that is given up. But of a transaction
            # nobody knows how far it got.
            if not self._alone or self._driver.is_closed():
                await self.invalidate()
            raise
        except BaseException:
            await self.invalidate()
            raise


def _plan_of(statement: Any, dialect: Dialect) -> Plan | None:
    """Return the plan of a statement that is executed for the second time or later, if it can have one."""
    try:
        known = _PLANS[statement]
    except KeyError:
        _PLANS[statement] = _SEEN_ONCE if isinstance(statement, Select | TextClause) else None
        return None
    if known is _SEEN_ONCE:
        plan = Plan(statement, dialect)
        known = _PLANS[statement] = plan if plan.fits else None
    return known if isinstance(known, Plan) else None


def _row_type(names: Iterable[str]) -> Callable[[Any], Any]:
    """Return what makes a named tuple of a record."""
    made: Any = namedtuple("Row", tuple(names), rename=True)  # type: ignore[misc]  # noqa: PYI024
    make: Callable[[Any], Any] = made._make  # the public name of a method of every named tuple
    return make


def _encoder(kind: Any, dialect: Dialect) -> Processor | None:
    processor: Processor | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return processor


def _decoder(kind: Any, dialect: Dialect) -> Processor | None:
    processor: Processor | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return processor
