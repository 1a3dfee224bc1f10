"""GraphQL types of what a return would bring, told before anybody asks for it."""

import strawberry

from api.scalars import encode_id
from api.schema.values import Money
from domain import return_policies, return_quotes
from domain.kernel.money import Money as DomainMoney

ReturnLabelPayer = strawberry.enum(
    return_policies.LabelPayer, name="ReturnLabelPayer", description="Who pays the way back."
)


@strawberry.type
class ReturnQuoteLine:
    """What units of one order line would bring."""

    line_id: strawberry.ID
    sku: str
    quantity: int
    refund_per_unit: Money = strawberry.field(
        description="What the first of these units would bring alone, less restocking; of the others each a "
        "minor unit more or less where the line's sum does not divide."
    )
    restocking_fee: Money = strawberry.field(description="What is kept of the line.")
    refund: Money = strawberry.field(description="What the line would bring.")

    @classmethod
    def of(cls, line: return_quotes.QuotedLine, currency: str) -> "ReturnQuoteLine":
        """Return the GraphQL form of a line."""
        return cls(
            line_id=encode_id("OrderLine", line.asked.order_line_id),
            sku=line.sku,
            quantity=line.asked.quantity,
            refund_per_unit=Money.of_minor(line.unit_minor, currency),
            restocking_fee=Money.of_minor(line.fee_minor, currency),
            refund=Money.of_minor(line.goods_minor - line.fee_minor, currency),
        )


@strawberry.type(
    description="It promises nothing: who decides on the request, or looks at what comes, may find otherwise."
)
class ReturnQuote:
    """What a return would bring if its units came back as they were sent."""

    lines: list[ReturnQuoteLine]
    refund: Money = strawberry.field(description="All of it: lines and delivery, less the label.")
    shipping_refund: Money = strawberry.field(description="The part of it that is for the delivery.")
    restocking_fee: Money
    label_fee: Money
    label_paid_by: ReturnLabelPayer  # type: ignore[valid-type]
    keeps_items: bool = strawberry.field(description="Whether nothing would have to be sent.")
    explanation: str = strawberry.field(description="The same in words.")

    @classmethod
    def of(cls, brings: return_quotes.Quote, currency: str) -> "ReturnQuote":
        """Return the GraphQL form of what a return would bring."""
        worth = brings.worth
        return cls(
            lines=[ReturnQuoteLine.of(one, currency) for one in brings.lines],
            refund=Money.of_minor(worth.refund_minor, currency),
            shipping_refund=Money.of_minor(worth.shipping_minor, currency),
            restocking_fee=Money.of_minor(worth.fee_minor - worth.label_fee_minor, currency),
            label_fee=Money.of_minor(worth.label_fee_minor, currency),
            label_paid_by=brings.label_payer,
            keeps_items=brings.keeps_items,
            explanation=" ".join(_sentences(brings, currency)),
        )


def _sentences(brings: return_quotes.Quote, currency: str) -> list[str]:
    def told(amount_minor: int) -> str:
        return f"{DomainMoney(amount_minor, currency).amount} {currency}"

    worth = brings.worth
    found = [f"It would bring {told(worth.refund_minor)}."]
    if worth.shipping_minor:
        found.append(f"{told(worth.shipping_minor)} of it are for the delivery.")
    if restocking := worth.fee_minor - worth.label_fee_minor:
        found.append(f"{told(restocking)} are kept for restocking.")
    if brings.keeps_items:
        return [*found, "Nothing has to be sent: you keep it."]
    if brings.label_payer is return_policies.LabelPayer.SHOP:
        return [*found, "The shop pays the way back."]
    if worth.label_fee_minor:
        return [*found, f"The way back costs {told(worth.label_fee_minor)}, which are taken off."]
    return [*found, "You pay the way back."]
