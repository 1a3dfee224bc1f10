"""Root fields of reports of returns."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import query
from api.schema.return_reports import KEY, ReturnGrouping, ReturnReportConnection, order_of
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import return_reports
from services.access import Permission

From = Annotated[datetime, strawberry.argument(name="from")]


@strawberry.type
class ReturnReportsQuery:
    """Queries of reports of returns."""

    @query(Permission.RETURNS_READ)
    async def returns_report(
        self,
        info: Info,
        from_: From,
        to: datetime,
        group_by: ReturnGrouping,  # type: ignore[valid-type]
        channel: str | None = None,
        supplier: str | None = None,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> ReturnReportConnection | None:
        """What returns amount to, from a moment up to before another, at most 366 days; spans are in UTC.

        `supplier` is a code: of what is bought there today. By supplier, product or reason, or of one
        supplier, what was given back is the lines' part of it.
        """
        request = page_request(order_of(group_by), KEY, first, after)
        found = await return_reports.report(
            info.context.service,
            group_by,
            from_,
            to,
            channel,
            supplier,
            size=request.size,
            after=request.after,
        )
        return ReturnReportConnection.of(found, request, group_by)
