"""GraphQL types of returns: what may come back, what is coming, and how it ends."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from api.context import Info
from api.scalars import encode_id
from api.schema.locations import Location
from api.schema.payments import PaymentTransaction
from api.schema.return_parcels import SentBack
from api.schema.return_quotes import ReturnQuote
from api.schema.values import Money, Node
from domain import return_evidence as verdicts
from domain import return_lists as lists
from domain import return_requests as requests
from domain import returns as domain
from domain.orders import Order as DomainOrder
from domain.return_quotes import Quote
from domain.taxes import percent_of
from services.access import Permission

RETURN = "Return"
LINE = "ReturnLine"
NEWEST = "RETURNS_NEWEST"
"""The one order of these lists, named in their cursors."""
KEY = (datetime, UUID)
"""What a cursor holds: when the return was asked for, and its id."""

ReturnStatus = strawberry.enum(domain.ReturnStatus, description="Life of a return.")
ReturnReason = strawberry.enum(domain.ReturnReason, description="Why something is sent back.")
ReturnWish = strawberry.enum(domain.ReturnWish, description="What the customer wants for it.")
ReturnCondition = strawberry.enum(domain.ReturnCondition, description="How the customer says that it is.")
ReturnObstacle = strawberry.enum(
    requests.Obstacle, name="ReturnObstacle", description="Why units cannot simply be returned."
)
ReturnDisposition = strawberry.enum(
    domain.Disposition, name="ReturnDisposition", description="What becomes of units that came back."
)
ReturnGrade = strawberry.enum(domain.Grade, name="ReturnGrade", description="How units came back.")
ReturnOutcome = strawberry.enum(
    domain.LineOutcome, name="ReturnOutcome", description="How a line of a return ended."
)
ReturnDecision = strawberry.enum(
    verdicts.Decision, name="ReturnDecision", description="What follows from the records of a return."
)
ReturnCheck = strawberry.enum(verdicts.Check, name="ReturnCheck", description="What a record says.")
ReturnWait = strawberry.enum(lists.ReturnWait, description="What a return waits for.")
ReturnRecord = strawberry.enum(verdicts.Record, name="ReturnRecord", description="Whose word it is.")

_OBSTACLES = {
    requests.Obstacle.NOT_SHIPPED: "Not all units have been sent.",
    requests.Obstacle.NOT_DELIVERED: "Not all units that were sent have arrived.",
    requests.Obstacle.WINDOW_OVER: "The time to return them is over.",
    requests.Obstacle.FINAL_SALE: "This article is sold without a right to return it.",
    requests.Obstacle.ALREADY_RETURNED: "Some units are in a return already.",
}


@strawberry.type
class ReturnLineEligibility:
    """What may be returned of one line of an order."""

    line_id: strawberry.ID
    sku: str
    name: str
    returnable: int = strawberry.field(description="Units that may be returned now under the shop's rules.")
    until: datetime | None = strawberry.field(description="The last moment to ask; null: nothing arrived.")
    obstacles: list[ReturnObstacle]  # type: ignore[valid-type]
    explanation: str | None = strawberry.field(description="The obstacles in words; null: there is none.")
    window_days: int
    final_sale: bool
    customer_pays_label: bool
    label_fee: Money
    restocking_fee_percent: Decimal
    repairable: bool = strawberry.field(description="Whether a repair may be asked for (wish REPAIR).")

    @classmethod
    def of(cls, found: requests.LineEligibility, currency: str) -> "ReturnLineEligibility":
        """Return the GraphQL form of what may be returned of a line."""
        policy = found.policy
        return cls(
            line_id=encode_id("OrderLine", found.line.id),
            sku=found.line.sku,
            name=found.line.name,
            returnable=found.returnable,
            until=found.until,
            obstacles=list(found.obstacles),
            explanation=" ".join(_OBSTACLES[one] for one in found.obstacles) or None,
            window_days=policy.window_days,
            final_sale=policy.final_sale,
            customer_pays_label=policy.label_payer.value == "CUSTOMER",
            label_fee=Money.of_minor(policy.label_fee_minor, currency),
            restocking_fee_percent=percent_of(policy.restocking_fee),
            repairable=found.repairable,
        )


@strawberry.type
class ReturnEligibility:
    """What may be returned of an order."""

    possible: bool = strawberry.field(description="Whether anything may be returned now.")
    lines: list[ReturnLineEligibility]
    quote: ReturnQuote | None = strawberry.field(
        description="What a return of the lines that were named would bring, or of all that may be returned; "
        "null: nothing may."
    )

    @classmethod
    def of(
        cls, order: DomainOrder, found: Sequence[requests.LineEligibility], brings: Quote | None
    ) -> "ReturnEligibility":
        """Return the GraphQL form of what may be returned of an order."""
        return cls(
            possible=any(one.returnable for one in found),
            lines=[ReturnLineEligibility.of(one, order.currency) for one in found],
            quote=None if brings is None else ReturnQuote.of(brings, order.currency),
        )


@strawberry.type
class ReturnFinding:
    """What one record says of a return, and what follows from it."""

    record: ReturnRecord  # type: ignore[valid-type]
    check: ReturnCheck  # type: ignore[valid-type]
    decision: ReturnDecision  # type: ignore[valid-type]
    facts: JSON


@strawberry.type
class ReturnVerdict:
    """What was decided by itself, with all its evidence."""

    decision: ReturnDecision  # type: ignore[valid-type]
    decided_at: datetime
    findings: list[ReturnFinding]

    @classmethod
    def of(cls, kept: Any) -> "ReturnVerdict | None":
        """Return the GraphQL form of a stored verdict; None for none."""
        if kept is None:
            return None
        found = verdicts.VerdictOf.from_json(kept, verdicts.Check)
        findings = [
            ReturnFinding(record=one.record, check=one.check, decision=one.decision, facts=JSON(one.facts))
            for one in found.findings
        ]
        return cls(decision=found.decision, decided_at=found.at, findings=findings)


@strawberry.type
class ReturnInspection:
    """Units that were looked at together."""

    quantity: int
    disposition: ReturnDisposition  # type: ignore[valid-type]
    grade: ReturnGrade  # type: ignore[valid-type]
    note: str | None
    inspected_at: datetime


@strawberry.type
class ReturnLine:
    """Units of one order line that come back."""

    id: strawberry.ID
    line_id: strawberry.ID
    sku: str
    quantity: int
    reason: ReturnReason  # type: ignore[valid-type]
    condition: ReturnCondition | None  # type: ignore[valid-type]
    note: str | None
    photos: list[str]
    quantity_received: int
    outcome: ReturnOutcome | None  # type: ignore[valid-type]
    refund: Money
    row: strawberry.Private[domain.ReturnLine]

    @classmethod
    def of(cls, line: domain.ReturnLine, currency: str) -> "ReturnLine":
        """Return the GraphQL form of a line."""
        return cls(
            id=encode_id(LINE, line.id),
            line_id=encode_id("OrderLine", line.order_line_id),
            sku=line.sku,
            quantity=line.quantity,
            reason=line.reason,
            condition=line.condition,
            note=line.note,
            photos=list(line.photos),
            quantity_received=line.quantity_received,
            outcome=line.outcome,
            refund=Money.of_minor(line.refund_minor, currency),
            row=line,
        )

    @strawberry.field
    def inspections(self, info: Info) -> list[ReturnInspection] | None:
        """How its units were found; for staff, null to others."""
        if not info.context.actor.may(Permission.RETURNS_READ):
            return None
        return [
            ReturnInspection(
                quantity=one.quantity,
                disposition=one.disposition,
                grade=one.grade,
                note=one.note,
                inspected_at=one.at,
            )
            for one in self.row.inspections
        ]


@strawberry.type(description="Units of an order that come back together.")
class Return(SentBack, Node):
    """A return, for whoever may see its order."""

    number: str
    version: int
    status: ReturnStatus  # type: ignore[valid-type]
    wish: ReturnWish  # type: ignore[valid-type]
    keeps_items: bool = strawberry.field(description="Whether nothing is to be sent: the customer keeps it.")
    created_at: datetime
    order_id: strawberry.ID
    exchange_order_id: strawberry.ID | None = strawberry.field(
        description="Of the order that replaces what comes back, once it is reserved (wish EXCHANGE)."
    )
    fulfillment_order_id: strawberry.ID | None = strawberry.field(
        description="Of what sends the units back to the customer, repaired (wish REPAIR)."
    )
    expires_at: datetime | None = strawberry.field(description="Until when its units must be here.")
    received_at: datetime | None
    closed_at: datetime | None

    @classmethod
    def of(cls, found: domain.Return) -> "Return":
        """Return the GraphQL form of a return."""
        return cls(
            id=encode_id(RETURN, found.id),
            number=found.number,
            version=found.version,
            status=found.status,
            wish=found.wish,
            keeps_items=found.keeps_items,
            created_at=found.created_at,
            order_id=encode_id("Order", found.order_id),
            exchange_order_id=encode_id("Order", found.exchange_order_id)
            if found.exchange_order_id
            else None,
            fulfillment_order_id=encode_id("FulfillmentOrder", found.fulfillment_order_id)
            if found.fulfillment_order_id
            else None,
            expires_at=found.expires_at,
            received_at=found.received_at,
            closed_at=found.closed_at,
            row=found,
        )

    @strawberry.field(description="What comes back.")  # type: ignore[untyped-decorator]
    async def lines(self, info: Info) -> list[ReturnLine]:
        """Return the lines."""
        currency = await self._currency(info)
        return [ReturnLine.of(line, currency) for line in self.row.lines]

    @strawberry.field(description="What is given back; zero as long as that is not decided.")  # type: ignore[untyped-decorator]
    async def refund(self, info: Info) -> Money:
        """Return the whole refund."""
        return Money.of_minor(self.row.refund_minor, await self._currency(info))

    @strawberry.field(description="The part of the refund that is for the delivery.")  # type: ignore[untyped-decorator]
    async def shipping_refund(self, info: Info) -> Money:
        """Return the delivery given back."""
        return Money.of_minor(self.row.shipping_refund_minor, await self._currency(info))

    @strawberry.field(
        description="What was kept of it: restocking, its label, how it came back, and what staff deducted."
    )  # type: ignore[untyped-decorator]
    async def fees(self, info: Info) -> Money:
        """Return the fees."""
        return Money.of_minor(self.row.fee_minor, await self._currency(info))

    @strawberry.field(
        description="What staff changed of what the rules give back: below zero was taken off (and is a part "
        "of the fees), above zero they waived."
    )  # type: ignore[untyped-decorator]
    async def adjustment(self, info: Info) -> Money:
        """Return the adjustment."""
        return Money.of_minor(self.row.adjustment_minor, await self._currency(info))

    @strawberry.field
    def adjustment_reason(self) -> str | None:
        """Why staff changed it."""
        return self.row.adjustment_reason

    @strawberry.field(description="The part of the refund that was credited, or paid for the exchange.")  # type: ignore[untyped-decorator]
    async def credit(self, info: Info) -> Money:
        """Return the credit."""
        return Money.of_minor(self.row.credit_minor, await self._currency(info))

    @strawberry.field(description="What was added to that credit.")  # type: ignore[untyped-decorator]
    async def credit_bonus(self, info: Info) -> Money:
        """Return the bonus."""
        return Money.of_minor(self.row.bonus_minor, await self._currency(info))

    @strawberry.field(
        description="Why a provider did not give its money back, as its code; staff ask again "
        "(returnRefund), or end the return (returnReject). For staff, null to others."
    )  # type: ignore[untyped-decorator]
    def refund_failure(self, info: Info) -> str | None:
        """Return the provider's code."""
        return self.row.refund_failure if info.context.actor.may(Permission.RETURNS_READ) else None

    @strawberry.field(description="The refunds by which its money is given back.")  # type: ignore[untyped-decorator]
    async def transactions(self, info: Info) -> list[PaymentTransaction]:
        """Return the payments' transactions."""
        currency = await self._currency(info)
        found = await info.context.loaders.transactions().load_many(self.row.transaction_ids)
        return [PaymentTransaction.of(one, currency) for one in found if one is not None]

    @strawberry.field(description="The number of the order that it is of.")  # type: ignore[untyped-decorator]
    async def order_number(self, info: Info) -> str:
        """Return the order's number."""
        return (await self._order(info)).number

    @strawberry.field
    def verdict(self, info: Info) -> ReturnVerdict | None:
        """What was decided on the request by itself; for staff, null to others."""
        if not info.context.actor.may(Permission.RETURNS_READ):
            return None
        return ReturnVerdict.of(self.row.verdict)

    @strawberry.field
    def refund_verdict(self, info: Info) -> ReturnVerdict | None:
        """What was decided on its money by itself; for staff, null to others."""
        if not info.context.actor.may(Permission.RETURNS_READ):
            return None
        return ReturnVerdict.of(self.row.refund_verdict)

    @strawberry.field(description="What it waits for; for staff, null to others and once it has ended.")  # type: ignore[untyped-decorator]
    async def waits_for(self, info: Info) -> ReturnWait | None:  # type: ignore[valid-type]
        """Return why nothing goes on."""
        if not info.context.actor.may(Permission.RETURNS_READ):
            return None
        return await info.context.loaders.return_waits().load(self.row.id)

    @strawberry.field(description="Where it came back to; for staff, null to others and before it came.")  # type: ignore[untyped-decorator]
    async def location(self, info: Info) -> Location | None:
        """Return the place."""
        if self.row.location_id is None or not info.context.actor.may(Permission.RETURNS_READ):
            return None
        found = await info.context.loaders.locations().load(self.row.location_id)
        return None if found is None else Location.of(found)

    @strawberry.field
    def note(self) -> str | None:
        """Why it was decided so, in the words of who did."""
        return self.row.note

    async def _order(self, info: Info) -> DomainOrder:
        found = await info.context.loaders.orders().load(self.row.order_id)
        assert found is not None, "a foreign key holds every return to its order"  # noqa: S101
        return found

    async def _currency(self, info: Info) -> str:
        return (await self._order(info)).currency
