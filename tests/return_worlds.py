"""Labelled return requests (tests/data/return_requests.json) as worlds in a real database.

All worlds are written at once, as rows that the product itself would have written; what follows in them
(the request, its receipt and its inspection) goes through the product's own services.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from domain.kernel.ids import new_id
from domain.return_policies import ReturnPolicy
from persistence import return_policies
from persistence.database import Database
from persistence.tables.catalog import products, variants
from persistence.tables.orders import order_lines, orders
from persistence.tables.payments import payment_transactions, payments
from persistence.tables.returns import returns
from persistence.tables.sandbox import sandbox_charges
from persistence.tables.shipments import shipment_lines, shipments
from persistence.tables.stored_values import stored_value_movements, stored_values
from tests.factories import make_channel, make_location
from tests.return_rows import (
    OUTCOMES,
    Case,
    Rows,
    World,
    earlier_return,
    history,
    instant,
    minor,
    order_row,
    units,
)

_DATA = Path(__file__).parent / "data"
CASES: list[Case] = json.loads((_DATA / "return_requests.json").read_text(encoding="utf-8"))["cases"]
SECOND: list[Case] = json.loads((_DATA / "return_requests_second.json").read_text(encoding="utf-8"))["cases"]
"""Labelled by somebody who had read the rules, before they were run."""
_PERCENT = 10_000
_PROVIDERS = {"CARD": "sandbox", "GIFT_CARD": "gift_card", "STORE_CREDIT": "store_credit"}


async def build(database: Database, cases: Sequence[Case] = CASES) -> list[World]:
    """Write all worlds; each distinct policy is a channel of its own."""
    location = await make_location(database)
    channels = await _channels(database, cases, location.code)
    rows = Rows()
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


def worth(world: World, request: Case) -> int:
    """Return what a request should bring, in minor units, to within one a line: by the case alone."""
    order, asked = world.case["order"], units([request["lines"]])
    fault = request["reason"] not in {"CHANGED_MIND", "SIZE"}
    fee = Decimal(0) if fault else Decimal(world.case["shop"]["restocking_fee_percent"]) / 100
    goods = Decimal(0)
    for line in order["lines"]:
        net = Decimal(line["unit_price"]) * line["quantity"] - Decimal(line["discount"])
        goods += net * (1 + Decimal(line["tax_rate"])) * asked[line["sku"]] / line["quantity"] * (1 - fee)
    before = units(one["lines"] for one in world.case["earlier_returns"] if one["outcome"] in OUTCOMES)
    shipping = Decimal(order["shipping"])
    if asked + before == units([order["lines"]]):
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
            "keep_below_minor": minor(shop["keep_item_below"], currency),
            "auto_refund_most_minor": minor(shop["max_auto_refund"], currency),
        }
        async with database.transaction() as connection:
            await return_policies.set_policy(connection, new_id(), ReturnPolicy(**rules))
            for sku in shop["final_sale_skus"]:
                final = ReturnPolicy(**rules, sku=sku, final_sale=True)
                await return_policies.set_policy(connection, new_id(), final)
        found[key] = channel.id
    return found


def _world(rows: Rows, case: Case, channel_id: UUID, location_code: str, known: Mapping[str, UUID]) -> World:
    order_id = order_row(rows, case, channel_id)
    lines = _lines(rows, case, order_id, known)
    world = World(case, channel_id, order_id, case["order"]["number"], location_code, lines)
    refunds = _payments(rows, world)
    _shipments(rows, world)
    for at, earlier in enumerate(case["earlier_returns"]):
        earlier_return(rows, world, earlier, known, refunds.get(at, []))
    history(rows, case, channel_id, known)
    return world


def _lines(rows: Rows, case: Case, order_id: UUID, known: Mapping[str, UUID]) -> dict[str, UUID]:
    currency = case["order"]["currency"]
    shipped = units(shipment["lines"] for shipment in case["shipments"])
    back = units(one["lines"] for one in case["earlier_returns"] if one["outcome"] in OUTCOMES)
    found: dict[str, UUID] = {}
    for position, line in enumerate(case["order"]["lines"]):
        price, discount = minor(line["unit_price"], currency), minor(line["discount"], currency)
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


def _payments(rows: Rows, world: World) -> dict[int, list[UUID]]:
    """Write what was paid and what the provider has on record; of an unpaid order there is an intent.

    Return by which refunds each earlier return was given back, by its position.
    """
    order, told = world.case["order"], world.case["provider_record"]
    refunds: dict[int, list[UUID]] = {}
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
        by_hand = given
        for at, earlier in enumerate(world.case["earlier_returns"]):
            # Each of these cases is paid by one tender.
            if given and earlier["outcome"] == "REFUNDED":
                back = world.minor(earlier["refunded"])
                by_hand -= back
                refunds[at] = [_moved(rows, world, payment_id, "REFUND", back)]
        for kind, amount in (("CAPTURE", taken), ("REFUND", by_hand)):
            if amount:
                _moved(rows, world, payment_id, kind, amount)
        if tender["kind"] == "CARD":
            _charge(rows, world, told, reference, whole)
        else:
            for kind, amount in (("SPENT", -taken), ("RETURNED", given)):
                if amount:
                    _movement(rows, world, UUID(reference), kind, amount, payment_id)
    return refunds


def _moved(rows: Rows, world: World, payment_id: UUID, kind: str, amount: int) -> UUID:
    at, made = instant(world.case["order"]["placed_at"]), new_id()
    rows.add(
        payment_transactions,
        id=made,
        payment_id=payment_id,
        kind=kind,
        status="SUCCEEDED",
        amount_minor=amount,
        provider_reference=uuid4().hex,
        requested_at=at,
        next_attempt_at=at,
        settled_at=at,
    )
    return made


def _charge(rows: Rows, world: World, told: Case, reference: str, whole: int) -> None:
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


def _stored_value(rows: Rows, world: World, kind: str) -> UUID:
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
    rows: Rows, world: World, value_id: UUID, kind: str, amount: int, payment_id: UUID | None
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


def _shipments(rows: Rows, world: World) -> None:
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
