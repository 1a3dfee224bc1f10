"""Use cases of reports of returns."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.errors import NotFound
from domain.return_reports import ReportRow, ReturnGrouping, report_span
from domain.suppliers import is_code
from persistence import return_reports as rows
from persistence import suppliers
from services import channels
from services.access import Permission, require
from services.context import ServiceContext


async def report(
    context: ServiceContext,
    grouping: ReturnGrouping,
    since: datetime,
    until: datetime,
    channel_slug: str | None,
    supplier_code: str | None,
    *,
    size: int,
    after: tuple[int, str] | None,
) -> list[ReportRow]:
    """Return what the returns of a span amount to, one row more than the page has if there are more.

    The most returned first; spans of time in their order, those without shipments and returns left out.
    Raises NotFound for the channel and the supplier, and InvalidInput for a span that ends before it begins
    or is too long.
    """
    require(context.actor, Permission.RETURNS_READ)
    channel_id = (await channels.get(context, channel_slug)).id if channel_slug is not None else None
    span = report_span(since, until, channel_id)
    async with context.read() as connection:
        if supplier_code is not None:
            span = replace(span, supplier_id=await _supplier(connection, supplier_code))
        return await rows.report(connection, grouping, span, size + 1, after)


async def _supplier(connection: AsyncConnection, code: str) -> UUID:
    found = await suppliers.by_codes(connection, [code]) if is_code(code) else {}
    if code not in found:
        raise NotFound("no supplier has this code", "supplier")
    return found[code].id
