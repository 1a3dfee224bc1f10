"""GraphQL types of reports of returns."""

from collections.abc import Sequence
from uuid import UUID

import strawberry

from api.pagination import PageInfo, PageRequest, cursor
from api.scalars import encode_id
from api.schema.returns import ReturnReason
from api.schema.values import Money
from domain import return_reports as domain

KEY = (int, str)
"""What a cursor holds: where a row stands, and what it is of."""

ReturnGrouping = strawberry.enum(domain.ReturnGrouping, description="What a row of a report is of.")


def order_of(grouping: domain.ReturnGrouping) -> str:
    """Return the order of a report's rows, as it is named in its cursors."""
    return f"RETURNS_BY_{grouping.value}"


@strawberry.type
class ReturnReasonUnits:
    """Units returned for one reason."""

    reason: ReturnReason  # type: ignore[valid-type]
    units: int


@strawberry.type
class ReturnReportRow:
    """What the returns of one product, supplier, channel, reason or span of time amount to."""

    key: str = strawberry.field(
        description="A product's id (the SKU where it is in no catalogue), a supplier's code (empty: "
        "of what names none), a channel's slug, a reason, or the first day of a span."
    )
    label: str = strawberry.field(description="The same for people.")
    units_shipped: int
    units_returned: int
    units_received: int
    units_restocked: int
    units_repaired: int = strawberry.field(description="Units that went back to their customers, repaired.")
    returns: int = strawberry.field(description="How many returns have such units.")
    return_rate: float | None = strawberry.field(
        description="Units returned of units shipped; null: none were."
    )
    resale_share: float | None = strawberry.field(
        description="Units on sale again of units received that were not repaired; null: none were."
    )
    reasons: list[ReturnReasonUnits] = strawberry.field(description="Units returned, the most first.")
    refund_seconds_mean: float | None = strawberry.field(
        description="From the request until the money was given back; null: none was."
    )
    refund_seconds_p90: float | None = strawberry.field(description="Nine of ten took no longer.")
    refunded: list[Money] = strawberry.field(description="Given back, by currency.")

    @classmethod
    def of(cls, row: domain.ReportRow, grouping: domain.ReturnGrouping) -> "ReturnReportRow":
        """Return the GraphQL form of a row."""
        return cls(
            key=_key(row.key, grouping),
            label=row.label,
            units_shipped=row.units_shipped,
            units_returned=row.units_returned,
            units_received=row.units_received,
            units_restocked=row.units_restocked,
            units_repaired=row.units_repaired,
            returns=row.returns,
            return_rate=row.return_rate,
            resale_share=row.resale_share,
            reasons=[
                ReturnReasonUnits(reason=reason, units=units)
                for reason, units in sorted(row.reasons.items(), key=lambda one: (-one[1], one[0]))
            ],
            refund_seconds_mean=row.refund_seconds_mean,
            refund_seconds_p90=row.refund_seconds_p90,
            refunded=[Money.of_minor(amount, currency) for currency, amount in sorted(row.refunded.items())],
        )


@strawberry.type
class ReturnReportEdge:
    """A row and where it stands in the report."""

    cursor: str
    node: ReturnReportRow


@strawberry.type
class ReturnReportConnection:
    """A page of a report."""

    edges: list[ReturnReportEdge]
    page_info: PageInfo

    @classmethod
    def of(
        cls, found: Sequence[domain.ReportRow], request: PageRequest, grouping: domain.ReturnGrouping
    ) -> "ReturnReportConnection":
        """Return the page; a row beyond its size only tells that there are more."""
        edges = [
            ReturnReportEdge(
                cursor=cursor(order_of(grouping), one.rank, one.key), node=ReturnReportRow.of(one, grouping)
            )
            for one in found[: request.size]
        ]
        info = PageInfo.of(
            [edge.cursor for edge in edges],
            has_next=len(found) > request.size,
            resumed=request.after is not None,
        )
        return cls(edges=edges, page_info=info)


def _key(key: str, grouping: domain.ReturnGrouping) -> str:
    if grouping is not domain.ReturnGrouping.PRODUCT:
        return key
    try:
        return str(encode_id("Product", UUID(key)))
    except ValueError:
        return key
