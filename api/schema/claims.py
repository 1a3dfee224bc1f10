"""GraphQL types of claims: units of a parcel that were lost, damaged, wrong or missing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from api.context import Info
from api.pagination import PageInfo, PageRequest, cursor
from api.scalars import encode_id
from api.schema.returns import ReturnDecision, ReturnRecord
from api.schema.values import Money, Node
from domain import carrier_claims, claim_arrivals, claim_verdicts
from domain import claims as domain
from domain.return_evidence import VerdictOf
from services.access import Permission

CLAIM = "Claim"
NEWEST = "CLAIMS_NEWEST"
"""The one order of these lists, named in their cursors."""
KEY = (datetime, UUID)
"""What a cursor holds: when the claim was made, and its id."""

ClaimKind = strawberry.enum(domain.ClaimKind, description="What is wrong with a parcel.")
ClaimStatus = strawberry.enum(domain.ClaimStatus, description="Life of a claim.")
ClaimOutcome = strawberry.enum(domain.ClaimOutcome, description="What the customer gets for it.")
ClaimWork = strawberry.enum(claim_arrivals.ClaimWork, description="Why claims need a person.")
ClaimCheck = strawberry.enum(claim_verdicts.ClaimCheck, description="What a record says of a claim.")


@strawberry.type
class ClaimLine:
    """Units of one order line that were in the parcel, or should have been."""

    line_id: strawberry.ID = strawberry.field(description="Of the OrderLine.")
    sku: str
    quantity: int


@strawberry.type
class ClaimFinding:
    """What one record says of a claim, and what follows from it."""

    record: ReturnRecord  # type: ignore[valid-type]
    check: ClaimCheck  # type: ignore[valid-type]
    decision: ReturnDecision  # type: ignore[valid-type]
    facts: JSON


@strawberry.type
class ClaimVerdict:
    """What was decided by itself, with all its evidence."""

    decision: ReturnDecision  # type: ignore[valid-type]
    decided_at: datetime
    findings: list[ClaimFinding]

    @classmethod
    def of(cls, kept: Any) -> "ClaimVerdict | None":
        """Return the GraphQL form of a stored verdict; None for none."""
        if kept is None:
            return None
        found = VerdictOf.from_json(kept, claim_verdicts.ClaimCheck)
        findings = [
            ClaimFinding(record=one.record, check=one.check, decision=one.decision, facts=JSON(one.facts))
            for one in found.findings
        ]
        return cls(decision=found.decision, decided_at=found.at, findings=findings)


@strawberry.type(description="Units of a parcel that the customer does not have as they should.")
class Claim(Node):
    """A claim, for whoever may see its order."""

    number: str
    version: int
    order_id: strawberry.ID
    shipment_id: strawberry.ID
    kind: ClaimKind  # type: ignore[valid-type]
    status: ClaimStatus  # type: ignore[valid-type]
    wish: ClaimOutcome  # type: ignore[valid-type]
    outcome: ClaimOutcome | None  # type: ignore[valid-type]
    description: str | None
    photos: list[str]
    note: str | None
    lines: list[ClaimLine]
    fulfillment_order_id: strawberry.ID | None = strawberry.field(
        description="What sends the units again, where they are reshipped."
    )
    return_id: strawberry.ID | None = strawberry.field(
        description="The return by which the money is given back; nothing is to be sent back."
    )
    created_at: datetime
    decided_at: datetime | None
    arrival_dismissed_at: datetime | None = strawberry.field(
        description="When staff had seen to a parcel that was claimed as lost and arrived after all."
    )
    row: strawberry.Private[domain.Claim]

    @classmethod
    def of(cls, found: domain.Claim) -> "Claim":
        """Return the GraphQL form of a claim."""
        sent_again, returned = found.fulfillment_order_id, found.return_id
        return cls(
            id=encode_id(CLAIM, found.id),
            number=found.number,
            version=found.version,
            order_id=encode_id("Order", found.order_id),
            shipment_id=encode_id("Shipment", found.shipment_id),
            kind=found.kind,
            status=found.status,
            wish=found.wish,
            outcome=found.outcome,
            description=found.description,
            photos=list(found.photos),
            note=found.note,
            lines=[
                ClaimLine(
                    line_id=encode_id("OrderLine", line.order_line_id), sku=line.sku, quantity=line.quantity
                )
                for line in found.lines
            ],
            fulfillment_order_id=encode_id("FulfillmentOrder", sent_again) if sent_again else None,
            return_id=encode_id("Return", returned) if returned else None,
            created_at=found.created_at,
            decided_at=found.decided_at,
            arrival_dismissed_at=found.arrival_dismissed_at,
            row=found,
        )

    @strawberry.field
    def verdict(self, info: Info) -> ClaimVerdict | None:
        """What was decided by itself, with all its evidence; for staff, null to others."""
        if not info.context.actor.may(Permission.RETURNS_READ):
            return None
        return ClaimVerdict.of(self.row.verdict)


@strawberry.type
class ClaimEdge:
    """A claim and where it stands in the list."""

    cursor: str
    node: Claim


@strawberry.type
class ClaimConnection:
    """A page of claims."""

    edges: list[ClaimEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.Claim], request: PageRequest) -> "ClaimConnection":
        """Return the page; a claim beyond its size only tells that there are more."""
        edges = [
            ClaimEdge(cursor=cursor(NEWEST, one.created_at, one.id), node=Claim.of(one))
            for one in found[: request.size]
        ]
        info = PageInfo.of(
            [edge.cursor for edge in edges],
            has_next=len(found) > request.size,
            resumed=request.after is not None,
        )
        return cls(edges=edges, page_info=info)


@strawberry.type
class CarrierCharge:
    """What a carrier is charged for a claim."""

    carrier: str
    reference: str | None
    amount: Money
    charged_at: datetime
    paid: Money | None = strawberry.field(description="Null: it has not answered.")
    settled_at: datetime | None

    @classmethod
    def of(cls, found: carrier_claims.CarrierClaim) -> "CarrierCharge":
        """Return the GraphQL form of a charge."""
        paid = found.paid_minor
        return cls(
            carrier=found.carrier,
            reference=found.reference,
            amount=Money.of_minor(found.amount_minor, found.currency),
            charged_at=found.charged_at,
            paid=None if paid is None else Money.of_minor(paid, found.currency),
            settled_at=found.settled_at,
        )


@strawberry.type
class CarrierClaims:
    """What one carrier was charged in a period, in one currency."""

    carrier: str
    count: int
    amount: Money
    open: Money = strawberry.field(description="Of the amount, what it has not answered.")
    paid: Money
    lost: Money = strawberry.field(description="What it was charged and did not pay.")

    @classmethod
    def of(cls, found: carrier_claims.CarrierReport) -> "CarrierClaims":
        """Return the GraphQL form of a carrier's figures."""
        return cls(
            carrier=found.carrier,
            count=found.count,
            amount=Money.of_minor(found.amount_minor, found.currency),
            open=Money.of_minor(found.open_minor, found.currency),
            paid=Money.of_minor(found.paid_minor, found.currency),
            lost=Money.of_minor(found.lost_minor, found.currency),
        )
