"""GraphQL types of what staff change of what a return brings."""

from uuid import UUID

import strawberry

from api.scalars import encode_id
from api.schema.values import Money, MoneyInput
from domain.return_adjustments import AskedAdjustment
from domain.return_worth import LineWorth, Worth


@strawberry.input(description="Say deduct or waive. It takes returns.adjust.")
class ReturnAdjustmentInput:
    """What staff change of what a return brings by the rules, and why: the customer is told."""

    reason: str
    deduct: MoneyInput | None = strawberry.field(
        default=None, description="Taken off what it brings; at most that."
    )
    waive: MoneyInput | None = strawberry.field(
        default=None, description="Given back of its fees, that of its grades among them; at most those."
    )

    def to_domain(self) -> AskedAdjustment:
        """Return what is asked for, still to be checked."""
        return AskedAdjustment(
            self.reason,
            self.deduct.to_domain() if self.deduct else None,
            self.waive.to_domain() if self.waive else None,
        )


@strawberry.type
class ReturnLineWorth:
    """What a line of a return brings."""

    line_id: strawberry.ID = strawberry.field(description="Of the ReturnLine.")
    goods: Money = strawberry.field(description="What was paid for what came back, with tax and discounts.")
    fees: Money
    refund: Money

    @classmethod
    def of(cls, line: LineWorth, currency: str) -> "ReturnLineWorth":
        """Return the GraphQL form of a line."""
        return cls(
            line_id=encode_id("ReturnLine", line.line_id),
            goods=Money.of_minor(line.goods_minor, currency),
            fees=Money.of_minor(line.fee_minor, currency),
            refund=Money.of_minor(line.refund_minor, currency),
        )


@strawberry.type
class ReturnWorth:
    """What a return brings by the rules and by what was found in it so far, before staff change it."""

    return_id: strawberry.ID
    lines: list[ReturnLineWorth]
    shipping_refund: Money
    fees: Money = strawberry.field(description="What is kept of it: at most this is waived.")
    refund: Money = strawberry.field(description="What it brings: at most this is deducted.")

    @classmethod
    def of(cls, return_id: UUID, worth: Worth, currency: str) -> "ReturnWorth":
        """Return the GraphQL form of what a return brings."""
        return cls(
            return_id=encode_id("Return", return_id),
            lines=[ReturnLineWorth.of(one, currency) for one in worth.lines],
            shipping_refund=Money.of_minor(worth.shipping_minor, currency),
            fees=Money.of_minor(worth.fee_minor, currency),
            refund=Money.of_minor(worth.refund_minor, currency),
        )
