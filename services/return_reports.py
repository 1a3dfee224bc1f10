"""Use cases of reports of returns."""

from datetime import datetime

from domain.return_reports import ReportRow, ReturnGrouping, report_span
from persistence import return_reports as rows
from services import channels
from services.access import Permission, require
from services.context import ServiceContext


async def report(
    context: ServiceContext,
    grouping: ReturnGrouping,
    since: datetime,
    until: datetime,
    channel_slug: str | None,
    *,
    size: int,
    after: tuple[int, str] | None,
) -> list[ReportRow]:
    """Return what the returns of a span amount to, one row more than the page has if there are more.

    The most returned first; spans of time in their order, those without shipments and returns left out.
    Raises NotFound for the channel and InvalidInput for a span that ends before it begins or is too long.
    """
    require(context.actor, Permission.RETURNS_READ)
    channel_id = (await channels.get(context, channel_slug)).id if channel_slug is not None else None
    span = report_span(since, until, channel_id)
    async with context.read() as connection:
        return await rows.report(connection, grouping, span, size + 1, after)
