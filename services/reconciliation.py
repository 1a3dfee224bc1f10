"""Use cases of reconciliation: comparing a provider's report with our own record, and the work list."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog

from domain import reconciliation as decide
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.quantities import require_text
from domain.ports import ProviderTimeout, ReportLine, ReportSource
from domain.reconciliation import Day, DifferenceState
from persistence import reconciliation as rows
from persistence.reconciliation import Listed
from services import audit
from services.access import Permission, require
from services.context import ServiceContext

REPORT_SECONDS = 120.0
"""How long a provider may take for its report."""

MOST_DAYS = 7
"""How many days that were missed, the background work having been away, are made up for."""

AGAIN_AFTER = timedelta(hours=23)
"""After which a day with open differences is compared again."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the comparison of one day came to; `differences` are those that are open now."""

    provider: str
    day: date
    line_count: int
    transaction_count: int
    closed: int
    differences: Sequence[Listed]


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a difference stands, as the audit trail keeps it."""

    state: str
    note: str | None


def reporting(context: ServiceContext) -> list[str]:
    """Return the providers whose reports can be had, by name."""
    found = context.environment.payment_providers.items()
    return sorted(name for name, provider in found if isinstance(provider, ReportSource))


async def reconcile(context: ServiceContext, provider: str, day: date) -> Reconciled:
    """Compare a provider's report of a day with our record, and bring the work list up to date.

    Raises InvalidInput for a provider without a report and a day that is not over, and ProviderTimeout.
    """
    require(context.actor, Permission.LEDGER_WRITE)
    whole = Day(day)
    if whole.end > context.now():
        raise InvalidInput("is not over yet: days are compared in UTC", "day")
    lines = await _report(context, provider, whole)
    references = [line.change_reference for line in lines]
    ids = [found for line in lines if (found := decide.transaction_of(line.key))]
    async with context.transaction() as transaction:
        connection = transaction.connection
        ours = await rows.settled(connection, provider, whole, references, ids)
        line_count = sum(whole.has(line.occurred_at) for line in lines)
        transaction_count = sum(whole.has(one.settled_at) for one in ours)
        closed = await rows.store(
            connection,
            provider,
            day,
            decide.compare(whole, ours, lines),
            line_count=line_count,
            transaction_count=transaction_count,
            now=transaction.now,
        )
        differences = await rows.open_of_day(connection, provider, day)
    return Reconciled(provider, day, line_count, transaction_count, closed, differences)


async def reconcile_due(context: ServiceContext) -> int:
    """Compare every day that is due with every provider; returns how many. One that is silent waits."""
    require(context.actor, Permission.LEDGER_WRITE)
    now, compared = context.now(), 0
    newest = (now - decide.LOOK_AHEAD).date() - timedelta(days=1)
    for provider in reporting(context):
        async with context.read() as connection:
            days = await rows.due(connection, provider, newest, most=MOST_DAYS, ran_before=now - AGAIN_AFTER)
        for day in days:
            try:
                found = await reconcile(context, provider, day)
            except ProviderTimeout:
                _log.warning("reconciliation_without_report", provider=provider, day=str(day))
                break
            if found.differences:
                _log.warning(
                    "reconciliation_differs", provider=provider, day=str(day), open=len(found.differences)
                )
            compared += 1
    return compared


async def page(
    context: ServiceContext,
    state: DifferenceState | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[Listed]:
    """Return differences, oldest first, one more than the page has if there are more."""
    require(context.actor, Permission.LEDGER_READ)
    async with context.read() as connection:
        return await rows.page(connection, state, size + 1, after)


async def resolve(context: ServiceContext, difference_id: UUID, note: str) -> Listed:
    """Take a difference off the work list, saying what became of it; resolved ones stay as they are.

    Raises NotFound, and InvalidInput for the note.
    """
    require(context.actor, Permission.LEDGER_WRITE)
    note = require_text(note, decide.MAX_NOTE_LENGTH, "note")
    async with context.transaction() as transaction:
        connection = transaction.connection
        listed = await rows.lock(connection, difference_id)
        if listed is None:
            raise NotFound("there is no such difference", "id")
        if listed.state is DifferenceState.RESOLVED:
            return listed
        await rows.resolve(connection, difference_id, note, actor=transaction.actor, now=transaction.now)
        after = await rows.lock(connection, difference_id)
        await audit.record(
            transaction,
            "ReconciliationDifferenceResolved",
            "reconciliation_difference",
            difference_id,
            Resolution(listed.state.value, listed.note),
            Resolution(DifferenceState.RESOLVED.value, note),
        )
    return after or listed


async def _report(context: ServiceContext, provider: str, day: Day) -> Sequence[ReportLine]:
    source: object = context.environment.payment_providers.get(provider)
    if not isinstance(source, ReportSource):
        known = ", ".join(reporting(context))
        raise InvalidInput(f"no provider of this name has a report; there are: {known}", "provider")
    try:
        async with asyncio.timeout(REPORT_SECONDS):
            return await source.report(day.start - decide.LOOK_BACK, day.end + decide.LOOK_AHEAD)
    except TimeoutError as error:
        raise ProviderTimeout from error
