"""Root fields of the ledger of money."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import query
from api.schema.ledger import KEY, OLDEST, LedgerBalance, LedgerEntry, LedgerEntryConnection
from api.schema.orders import OrderRef
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import ledger_reports
from services.access import Permission

From = Annotated[datetime | None, strawberry.argument(name="from")]


@strawberry.type
class LedgerQuery:
    """Queries of the ledger."""

    @query(Permission.LEDGER_READ)
    async def order_ledger(self, info: Info, ref: OrderRef) -> list[LedgerEntry] | None:
        """Every movement of an order's money, oldest first: each cent explained."""
        found = await ledger_reports.of_order(info.context.service, ref.to_domain("ref"))
        return [LedgerEntry.of(one) for one in found]

    @query(Permission.LEDGER_READ)
    async def ledger_entries(
        self,
        info: Info,
        channel: str | None = None,
        from_: From = None,
        until: datetime | None = None,
        currency: str | None = None,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> LedgerEntryConnection | None:
        """Entries of a period, from its first moment up to before `until`, oldest first."""
        request = page_request(OLDEST, KEY, first, after)
        found = await ledger_reports.page(
            info.context.service, channel, currency, from_, until, size=request.size, after=request.after
        )
        return LedgerEntryConnection.of(found, request)

    @query(Permission.LEDGER_READ)
    async def ledger_balances(
        self,
        info: Info,
        channel: str | None = None,
        from_: From = None,
        until: datetime | None = None,
        currency: str | None = None,
    ) -> list[LedgerBalance] | None:
        """Each account over a period: what it opened with, what came and went, what it closed with."""
        found = await ledger_reports.balances(info.context.service, channel, currency, from_, until)
        return [LedgerBalance.of(one) for one in found]
