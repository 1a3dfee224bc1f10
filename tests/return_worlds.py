"""Labelled return requests (tests/data/return_requests.json) as worlds in a real database.

All worlds are written at once, as rows that the product itself would have written; what follows in them
(the request, its receipt and its inspection) goes through the product's own services.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table, insert

from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.return_policies import ReturnPolicy
from domain.returns import Grade
from persistence import return_policies
from persistence.database import Database
from persistence.tables.catalog import products, variants
from persistence.tables.orders import order_lines, orders
from persistence.tables.payments import payment_transactions, payments
from persistence.tables.returns import fraud_flags, return_inspections, return_lines, returns
from persistence.tables.sandbox import sandbox_charges
from persistence.tables.shipments import shipment_lines, shipments
from persistence.tables.stored_values import stored_value_movements, stored_values
from tests.factories import make_channel, make_location

Case = dict[str, Any]
CASES: list[Case] = json.loads(
    (Path(__file__).parent / "data" / "return_requests.json").read_text(encoding="utf-8")
)["cases"]
_PERCENT = 10_000
_PROVIDERS = {"CARD": "sandbox", "GIFT_CARD": "gift_card", "STORE_CREDIT": "store_credit"}
_PAYMENT_STATUS = {"PAID": "PAID", "PARTLY_PAID": "PARTIALLY_PAID", "UNPAID": "PENDING"}
_STATUS = {"DECLINED": "DECLINED", "CANCELED": "CANCELED", "OPEN": "REQUESTED"}
_OUTCOME = {"REFUNDED": "REFUNDED", "STORE_CREDIT": "STORE_CREDIT", "EXCHANGED": "EXCHANGED"}


@dataclass(frozen=True)
class World:
    """One case as it stands in the database."""

    case: Case
    order_id: UUID
    number: str
    location_code: str
    lines: Mapping[str, UUID]
    """The order's lines by SKU."""

    def minor(self, amount: str) -> int:
        """Return an amount of the case in minor units."""
        return Money.from_decimal(Decimal(amount), self.case["order"]["currency"]).amount_minor


@dataclass
class _Rows:
    """Rows to be written, by table, in an order that foreign keys allow."""

    by_table: dict[Table, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: Table, **values: Any) -> dict[str, Any]:
        self.by_table.setdefault(table, []).append(values)
        return values


async def build(database: Database, cases: Sequence[Case] = CASES) -> list[World]:
    """Write all worlds; each distinct policy is a channel of its own."""
    location = await make_location(database)
    channels = await _channels(database, cases, location.code)
    rows = _Rows()
    for table in (products, variants, stored_values, orders, order_lines, payments, shipments, returns):
        rows.by_table[table] = []
    product = rows.add(products, id=new_id(), name="All", created_at=instant(cases[0]["order"]["placed_at"]))
    known: dict[str, UUID] = {}
    for case in cases:
        for line in case["order"]["lines"]:
            if line["sku"] not in known:
                made = rows.add(
                    variants,
                    id=new_id(),
                    product_id=product["id"],
                    sku=line["sku"],
                    name=line["sku"],
                    created_at=product["created_at"],
                )
                known[line["sku"]] = made["id"]
    worlds = [_world(rows, case, channels[_policy_key(case)], location.code, known) for case in cases]
    async with database.transaction() as connection:
        for table, values in rows.by_table.items():
            if values:
                await connection.execute(insert(table), values)
    return worlds


def instant(text: str) -> datetime:
    """Return a moment of a case."""
    return datetime.fromisoformat(text)


def worth(world: World, request: Case) -> int:
    """Return what a request should bring, in minor units, to within one a line: by the case alone."""
    order, asked = world.case["order"], _units([request["lines"]])
    fault = request["reason"] not in {"CHANGED_MIND", "SIZE"}
    fee = Decimal(0) if fault else Decimal(world.case["shop"]["restocking_fee_percent"]) / 100
    goods = Decimal(0)
    for line in order["lines"]:
        net = Decimal(line["unit_price"]) * line["quantity"] - Decimal(line["discount"])
        goods += net * (1 + Decimal(line["tax_rate"])) * asked[line["sku"]] / line["quantity"] * (1 - fee)
    before = _units(one["lines"] for one in world.case["earlier_returns"] if one["outcome"] in _OUTCOME)
    shipping = Decimal(order["shipping"])
    if asked + before == _units([order["lines"]]):
        goods += shipping
    elif fault:
        goods += shipping * goods / (Decimal(order["total"]) - shipping)
    return round(goods.scaleb(-Decimal(order["total"]).as_tuple().exponent))  # type: ignore[operator]


def _policy_key(case: Case) -> str:
    shop = {key: value for key, value in case["shop"].items() if key != "today"}
    return json.dumps([case["order"]["currency"], shop], sort_keys=True)


async def _channels(database: Database, cases: Sequence[Case], location: str) -> dict[str, UUID]:
    found: dict[str, UUID] = {}
    for case in cases:
        if (key := _policy_key(case)) in found:
            continue
        shop, currency = case["shop"], case["order"]["currency"]
        channel = await make_channel(database, currency=currency, location_codes=[location])
        rules: dict[str, Any] = {
            "channel_id": channel.id,
            "window_days": shop["window_days"],
            "restocking_fee": int(Decimal(shop["restocking_fee_percent"]) * _PERCENT),
            "keep_below_minor": _minor(shop["keep_item_below"], currency),
            "auto_refund_most_minor": _minor(shop["max_auto_refund"], currency),
        }
        async with database.transaction() as connection:
            await return_policies.set_policy(connection, new_id(), ReturnPolicy(**rules))
            for sku in shop["final_sale_skus"]:
                final = ReturnPolicy(**rules, sku=sku, final_sale=True)
                await return_policies.set_policy(connection, new_id(), final)
        found[key] = channel.id
    return found


def _minor(amount: str, currency: str) -> int:
    return Money.from_decimal(Decimal(amount), currency).amount_minor


def _world(rows: _Rows, case: Case, channel_id: UUID, location_code: str, known: Mapping[str, UUID]) -> World:
    order_id = _order(rows, case, channel_id)
    world = World(case, order_id, case["order"]["number"], location_code, _lines(rows, case, order_id, known))
    _payments(rows, world)
    _shipments(rows, world)
    for earlier in case["earlier_returns"]:
        _earlier(rows, world, earlier, known)
    _history(rows, case, channel_id, known)
    return world


def _order(rows: _Rows, case: Case, channel_id: UUID, **changes: Any) -> UUID:
    order, currency = case["order"], case["order"]["currency"]
    lines = order["lines"]
    subtotal = sum(_minor(line["unit_price"], currency) * line["quantity"] for line in lines)
    discount = sum(_minor(line["discount"], currency) for line in lines)
    shipping, total = _minor(order["shipping"], currency), _minor(order["total"], currency)
    shipped = _units(shipment["lines"] for shipment in case["shipments"])
    everything = shipped == _units([lines])
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


def _lines(rows: _Rows, case: Case, order_id: UUID, known: Mapping[str, UUID]) -> dict[str, UUID]:
    currency = case["order"]["currency"]
    shipped = _units(shipment["lines"] for shipment in case["shipments"])
    back = _units(one["lines"] for one in case["earlier_returns"] if one["outcome"] in _OUTCOME)
    found: dict[str, UUID] = {}
    for position, line in enumerate(case["order"]["lines"]):
        price, discount = _minor(line["unit_price"], currency), _minor(line["discount"], currency)
        net = price * line["quantity"] - discount
        sku = line["sku"]
        found[sku] = new_id()
        rows.add(
            order_lines,
            id=found[sku],
            order_id=order_id,
            variant_id=known[sku],
            sku=sku,
            name=sku,
            quantity=line["quantity"],
            unit_price_minor=price,
            total_minor=price * line["quantity"],
            discount_minor=discount,
            tax_minor=int(net * Decimal(line["tax_rate"])),
            quantity_shipped=shipped[sku],
            quantity_returned=back[sku],
            position=position,
        )
    return found


def _payments(rows: _Rows, world: World) -> None:
    """Write what was paid and what the provider has on record; of an unpaid order there is an intent."""
    order, told = world.case["order"], world.case["provider_record"]
    tenders = list(order["tenders"])
    if not tenders:
        tenders = [{"kind": "CARD", "amount": None}]
    for tender in tenders:
        given = sum(world.minor(one["amount"]) for one in order["refunds"] if one["tender"] == tender["kind"])
        taken = 0 if tender["amount"] is None else world.minor(tender["amount"])
        whole = taken or world.minor(order["total"])
        payment_id, reference = new_id(), f"sbx_{uuid4().hex}"
        if tender["kind"] != "CARD":
            reference = str(_stored_value(rows, world, tender["kind"]))
        rows.add(
            payments,
            id=payment_id,
            order_id=world.order_id,
            provider=_PROVIDERS[tender["kind"]],
            method="ok",
            status="AUTHORIZED" if not taken else "PARTIALLY_REFUNDED" if given else "CAPTURED",
            currency=order["currency"],
            amount_minor=whole,
            authorized_minor=whole,
            captured_minor=taken,
            refunded_minor=given,
            provider_reference=reference,
            created_at=instant(order["placed_at"]),
        )
        for kind, amount in (("CAPTURE", taken), ("REFUND", given)):
            if amount:
                _moved(rows, world, payment_id, kind, amount)
        if tender["kind"] == "CARD":
            _charge(rows, world, told, reference, whole)
        else:
            for kind, amount in (("SPENT", -taken), ("RETURNED", given)):
                if amount:
                    _movement(rows, world, UUID(reference), kind, amount, payment_id)


def _moved(rows: _Rows, world: World, payment_id: UUID, kind: str, amount: int) -> None:
    at = instant(world.case["order"]["placed_at"])
    rows.add(
        payment_transactions,
        id=new_id(),
        payment_id=payment_id,
        kind=kind,
        status="SUCCEEDED",
        amount_minor=amount,
        provider_reference=uuid4().hex,
        requested_at=at,
        next_attempt_at=at,
        settled_at=at,
    )


def _charge(rows: _Rows, world: World, told: Case, reference: str, whole: int) -> None:
    answers = told["state"] == "ANSWERS"
    captured = world.minor(told["captured"]) if answers else whole
    dispute = told["disputed"] or {"state": "NONE", "amount": None}
    rows.add(
        sandbox_charges,
        reference=reference,
        idempotency_key=reference,
        method="ok",
        state="AUTHORIZED",
        currency=world.case["order"]["currency"],
        amount_minor=max(whole, captured),
        captured_minor=captured,
        refunded_minor=world.minor(told["refunded"]) if answers else 0,
        disputed_minor=world.minor(dispute["amount"]) if dispute["amount"] else 0,
        dispute=dispute["state"],
        created_at=instant(world.case["order"]["placed_at"]),
    )


def _stored_value(rows: _Rows, world: World, kind: str) -> UUID:
    is_card, at = kind == "GIFT_CARD", instant(world.case["order"]["placed_at"])
    amount = sum(world.minor(one["amount"]) for one in world.case["order"]["tenders"] if one["kind"] == kind)
    back = sum(world.minor(one["amount"]) for one in world.case["order"]["refunds"] if one["tender"] == kind)
    made = rows.add(
        stored_values,
        id=new_id(),
        kind=kind,
        code_hash=uuid4().bytes * 2 if is_card else None,
        last_characters="ABCD" if is_card else None,
        email=None if is_card else world.case["order"]["customer"]["email"].lower(),
        currency=world.case["order"]["currency"],
        balance_minor=back,
        created_at=at,
    )
    _movement(rows, world, made["id"], "ISSUED", amount, None)
    return UUID(str(made["id"]))


def _movement(
    rows: _Rows, world: World, value_id: UUID, kind: str, amount: int, payment_id: UUID | None
) -> None:
    rows.add(
        stored_value_movements,
        stored_value_id=value_id,
        kind=kind,
        amount_minor=amount,
        payment_id=payment_id,
        actor="test",
        occurred_at=instant(world.case["order"]["placed_at"]),
    )


def _shipments(rows: _Rows, world: World) -> None:
    for shipment in world.case["shipments"]:
        arrived = shipment["delivered_at"]
        made = rows.add(
            shipments,
            id=new_id(),
            order_id=world.order_id,
            status=shipment["status"],
            carrier="Test Post",
            shipped_at=instant(shipment["shipped_at"]),
            delivered_at=instant(arrived) if arrived else None,
            created_at=instant(shipment["shipped_at"]),
        )
        for line in shipment["lines"]:
            rows.add(
                shipment_lines,
                shipment_id=made["id"],
                order_line_id=world.lines[line["sku"]],
                sku=line["sku"],
                quantity=line["quantity"],
            )


def _earlier(rows: _Rows, world: World, earlier: Case, known: Mapping[str, UUID]) -> None:
    """Write an earlier return as it ended; below the threshold the customer has kept what it was of."""
    at, outcome = instant(earlier["asked_at"]), _OUTCOME.get(earlier["outcome"])
    refund = world.minor(earlier["refunded"]) if earlier["refunded"] else 0
    kept = 0 < refund < world.minor(world.case["shop"]["keep_item_below"])
    made = rows.add(
        returns,
        id=new_id(),
        number=f"R-{uuid4().hex}",
        order_id=world.order_id,
        status=_STATUS.get(earlier["outcome"], "CLOSED"),
        wish="STORE_CREDIT" if outcome == "STORE_CREDIT" else "REFUND",
        created_by="anonymous",
        keeps_items=kept,
        verdict={"decision": "ASK_STAFF", "at": at.isoformat(), "findings": []},
        refund_minor=refund,
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


def _history(rows: _Rows, case: Case, channel_id: UUID, known: Mapping[str, UUID]) -> None:
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
        order_id = _order(rows, case, channel_id, number=f"{case['order']['number']}-{number}")
        price = _minor(line["unit_price"], case["order"]["currency"])
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


def _units(lists: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for lines in lists:
        for line in lines:
            found[line["sku"]] += line["quantity"]
    return found
