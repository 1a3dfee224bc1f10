"""Rows of the worlds of labelled return requests: orders, and what their customers have done before."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table

from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.returns import Grade
from persistence.tables.orders import order_lines, orders
from persistence.tables.returns import fraud_flags, return_inspections, return_lines, returns

Case = dict[str, Any]
OUTCOMES = frozenset({"REFUNDED", "STORE_CREDIT", "EXCHANGED"})
"""How lines of earlier returns ended that brought something back."""
_PAYMENT_STATUS = {"PAID": "PAID", "PARTLY_PAID": "PARTIALLY_PAID", "UNPAID": "PENDING"}
_STATUS = {"DECLINED": "DECLINED", "CANCELED": "CANCELED", "OPEN": "REQUESTED"}


@dataclass(frozen=True)
class World:
    """One case as it stands in the database."""

    case: Case
    channel_id: UUID
    order_id: UUID
    number: str
    location_code: str
    lines: Mapping[str, UUID]
    """The order's lines by SKU."""

    def minor(self, amount: str) -> int:
        """Return an amount of the case in minor units."""
        return Money.from_decimal(Decimal(amount), self.case["order"]["currency"]).amount_minor


@dataclass
class Rows:
    """Rows to be written, by table, in an order that foreign keys allow."""

    by_table: dict[Table, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: Table, **values: Any) -> dict[str, Any]:
        self.by_table.setdefault(table, []).append(values)
        return values


def instant(text: str) -> datetime:
    """Return a moment of a case."""
    return datetime.fromisoformat(text)


def minor(amount: str, currency: str) -> int:
    return Money.from_decimal(Decimal(amount), currency).amount_minor


def units(lists: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for lines in lists:
        for line in lines:
            found[line["sku"]] += line["quantity"]
    return found


def order_row(rows: Rows, case: Case, channel_id: UUID, **changes: Any) -> UUID:
    order, currency = case["order"], case["order"]["currency"]
    lines = order["lines"]
    subtotal = sum(minor(line["unit_price"], currency) * line["quantity"] for line in lines)
    discount = sum(minor(line["discount"], currency) for line in lines)
    shipping, total = minor(order["shipping"], currency), minor(order["total"], currency)
    shipped = units(shipment["lines"] for shipment in case["shipments"])
    everything = shipped == units([lines])
    values = {
        "id": new_id(),
        "number": order["number"],
        "channel_id": channel_id,
        "status": order["status"],
        "payment_status": _PAYMENT_STATUS[order["payment_status"]],
        "fulfillment_status": "FULFILLED"
        if everything
        else "PARTIALLY_FULFILLED"
        if shipped
        else "UNFULFILLED",
        "email": order["customer"]["email"],
        "currency": currency,
        "shipping_address": {
            "name": order["customer"]["name"],
            "line1": "1 Any Street",
            "city": "Any Town",
            "country": order["ship_to_country"],
        },
        "subtotal_minor": subtotal,
        "shipping_minor": shipping,
        "tax_minor": total - subtotal - shipping + discount,
        "discount_minor": discount,
        "total_minor": total,
        "placed_at": instant(order["placed_at"]),
    }
    return UUID(str(rows.add(orders, **{**values, **changes})["id"]))


def earlier_return(
    rows: Rows, world: World, earlier: Case, known: Mapping[str, UUID], refunds: Sequence[UUID]
) -> None:
    """Write an earlier return as it ended; below the threshold the customer has kept what it was of.

    `refunds` are the transactions by which its money was given back.
    """
    at, outcome = instant(earlier["asked_at"]), None
    if earlier["outcome"] in OUTCOMES:
        outcome = earlier["outcome"]
    refund = world.minor(earlier["refunded"]) if earlier["refunded"] else 0
    kept = 0 < refund < world.minor(world.case["shop"]["keep_item_below"])
    made = rows.add(
        returns,
        id=new_id(),
        number=f"R-{uuid4().hex}",
        order_id=world.order_id,
        channel_id=world.channel_id,
        status=_STATUS.get(earlier["outcome"], "CLOSED"),
        wish="STORE_CREDIT" if outcome == "STORE_CREDIT" else "REFUND",
        created_by="anonymous",
        keeps_items=kept,
        verdict={"decision": "ASK_STAFF", "at": at.isoformat(), "findings": []},
        refund_minor=refund,
        transaction_ids=list(refunds),
        created_at=at,
        closed_at=at + timedelta(minutes=5) if outcome else None,
    )
    for line in earlier["lines"]:
        came = line["quantity"] if outcome and not kept else 0
        row = rows.add(
            return_lines,
            id=new_id(),
            return_id=made["id"],
            order_line_id=world.lines[line["sku"]],
            variant_id=known[line["sku"]],
            sku=line["sku"],
            quantity=line["quantity"],
            reason="CHANGED_MIND",
            quantity_received=came,
            outcome=outcome,
            refund_minor=refund if line is earlier["lines"][0] else 0,
        )
        if came:
            rows.add(
                return_inspections,
                id=new_id(),
                return_line_id=row["id"],
                quantity=came,
                disposition="RESTOCKED",
                grade=Grade.AS_NEW.value,
                at=at + timedelta(minutes=4),
            )


def history(rows: Rows, case: Case, channel_id: UUID, known: Mapping[str, UUID]) -> None:
    """Write the customer's earlier orders, those of which something came back, and proven frauds."""
    history, email = case["customer_history"], case["order"]["customer"]["email"]
    for flag in history["fraud_flags"]:
        rows.add(
            fraud_flags,
            id=new_id(),
            email=email.strip().lower(),
            note=json.dumps(flag),
            created_by="test",
            created_at=instant(case["order"]["placed_at"]),
        )
    line = case["order"]["lines"][0]
    for number in range(history["orders_count"]):
        order_id = order_row(rows, case, channel_id, number=f"{case['order']['number']}-{number}")
        price = minor(line["unit_price"], case["order"]["currency"])
        rows.add(
            order_lines,
            id=new_id(),
            order_id=order_id,
            variant_id=known[line["sku"]],
            sku=line["sku"],
            name=line["sku"],
            quantity=1,
            unit_price_minor=price,
            total_minor=price,
            discount_minor=0,
            tax_minor=0,
            quantity_shipped=1,
            quantity_returned=int(number < history["returned_count"]),
            position=0,
        )
