"""The use case of the report of refunds without an order."""

from datetime import datetime

from domain.return_reports import report_span
from domain.unlinked_refund_reports import UnlinkedReportRow
from persistence import unlinked_refund_reports as rows
from services import channels
from services.access import Permission, require
from services.context import ServiceContext


async def report(
    context: ServiceContext, since: datetime, until: datetime, channel_slug: str | None
) -> list[UnlinkedReportRow]:
    """Return what the refunds that were asked for in a span amount to, by channel, status and way of paying.

    Raises NotFound for the channel and InvalidInput for a span that ends before it begins or is too long.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    channel_id = (await channels.get(context, channel_slug)).id if channel_slug is not None else None
    span = report_span(since, until, channel_id)
    async with context.read() as connection:
        return await rows.report(connection, span)
