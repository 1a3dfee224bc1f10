"""The marketplace's back office over the API: enter an order, take its payments as they came, cancel it."""

import csv
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench import _harness
from bench._http import Connection, Operation
from tests.acceptance.olist import Means, Sale

CHANNEL = "br"
LOCATION = "SP"
# What is left of every SKU when the year is over.
SPARE_UNITS = 5
_CURRENCY = "BRL"
_CARDS = (Means.CREDIT_CARD, Means.DEBIT_CARD)
_CARD = {"provider": "sandbox", "method": "ok"}
_BOLETO = {"provider": "manual", "method": "bank_transfer"}
_LATER = {"provider": "manual", "method": "invoice"}


def _mutation(field: str, payload: str) -> Operation:
    name = f"{field[0].upper()}{field[1:]}Input"
    fields = f"{payload} userErrors {{ code message path }}"
    return Operation(field, f"mutation($input: {name}!) {{ {field}(input: $input) {{ {fields} }} }}")


_LOCATION = _mutation("locationCreate", "location { id }")
_CHANNEL = _mutation("channelCreate", "channel { id }")
_CART = _mutation("cartCreate", "cart { lines { id } deliveryOptions { id } } cartToken")
_EMPTY = _mutation("cartLineRemove", "cart { id }")
_DRAFT = _mutation("orderDraftCreate", "order { id } cartToken")
_PLACE = _mutation("orderDraftPlace", "order { id status } payment { id status }")
_CARD_CREATE = _mutation("giftCardCreate", "code")
_CARD_APPLY = _mutation("cartGiftCardApply", "cart { id }")
_RECORD = _mutation("paymentRecord", "payment { status }")
_VOID = _mutation("paymentVoid", "payment { status }")
_PAY = _mutation("orderPaymentCreate", "payment { status }")
_CANCEL = _mutation("orderCancel", "order { status }")
_REFUND = _mutation("paymentRefund", "payment { status }")
_ORDERS = Operation(
    "orders",
    """query($after: String) { orders(first: 50, after: $after) {
      edges { node { number status paymentStatus note
        totals { subtotal { amount } shipping { amount } total { amount currency } }
        lines { sku quantity }
        payments { provider method status captured { amount } refunded { amount } capturable { amount } } } }
      pageInfo { hasNextPage endCursor } } }""",
)
_BALANCES = Operation(
    "ledgerBalances",
    """query { ledgerBalances {
      account dimension debits { amount } credits { amount } closing { amount } } }""",
)


async def open_shop(server: _harness.Server, staff: Connection, sales: Sequence[Sale]) -> str:
    """Make the location, the channel and all products with their stock; return how orders are delivered."""
    await staff.call(_LOCATION, input={"code": LOCATION, "name": "São Paulo"})
    await staff.call(
        _CHANNEL,
        input={
            "slug": CHANNEL,
            "name": "Brazil",
            "currency": _CURRENCY,
            "locationCodes": [LOCATION],
            "capturePolicy": "AT_PLACEMENT",
        },
    )
    file = server.place.folder / "products.csv"
    _write_products(file, sales)
    server.cli("import", "catalog", str(file))
    return await _delivery_option(staff, sales[0].lines[0].sku)


async def enter(staff: Connection, sale: Sale, option: str) -> None:
    """Make the order of a sale, and take its payments by the means by which they came."""
    draft = await _draft(staff, sale, option)
    order_id = draft["order"]["id"]
    for index, voucher in enumerate(sale.paid_by(Means.VOUCHER)):
        if voucher.amount:  # nothing can be put on a card, as nothing can be paid with it
            await _apply_voucher(staff, draft["cartToken"], voucher.amount, f"{sale.id}-{index}")
    cards, boletos = sale.paid_by(*_CARDS), sale.paid_by(Means.BOLETO)
    # Two cards: the order is placed to be paid later, which is then replaced by a payment for each card.
    later = _LATER if len(cards) > 1 else _CARD
    placed = await staff.call(
        _PLACE,
        input={"id": order_id, "payment": _BOLETO if boletos else later, "idempotencyKey": sale.id},
    )
    payment_id = placed["payment"]["id"]
    for boleto in boletos:
        await staff.call(
            _RECORD,
            input={
                "id": payment_id,
                "amount": _money(boleto.amount),
                "reference": sale.id,
                "idempotencyKey": f"boleto-{sale.id}",
            },
        )
    if len(cards) > 1:
        await staff.call(_VOID, input={"id": payment_id, "idempotencyKey": f"void-{sale.id}"})
        for index, card in enumerate(cards):
            await staff.call(
                _PAY,
                input={
                    "id": order_id,
                    "payment": _CARD,
                    "amount": _money(card.amount),
                    "idempotencyKey": f"card-{sale.id}-{index}",
                },
            )
    if sale.canceled:
        await _cancel(staff, sale, order_id, payment_id if boletos else None)


async def orders(staff: Connection) -> list[dict[str, Any]]:
    """Return every order, page by page."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await staff.post(_ORDERS.body({"after": after})))["orders"]
        found += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def balances(staff: Connection) -> dict[str, dict[str, Decimal]]:
    """Return debits, credits and closing balance of the ledger's accounts, by ACCOUNT[:dimension]."""
    rows = (await staff.post(_BALANCES.body({})))["ledgerBalances"]
    return {
        ":".join(filter(None, (row["account"], row["dimension"]))): {
            name: Decimal(row[name]["amount"]) for name in ("debits", "credits", "closing")
        }
        for row in rows
    }


def note_of(sale: Sale) -> str:
    """Return what staff write on the order: its number elsewhere, and instalments, which have no field."""
    cards = [
        f"{one.means} {one.amount:.2f} in {one.instalments} instalments" for one in sale.paid_by(*_CARDS)
    ]
    return "; ".join([sale.id, *cards])


async def _delivery_option(staff: Connection, sku: str) -> str:
    """Return the option that every cart has: an empty one shows none, so a unit is looked at and put back."""
    lines = [{"variant": {"sku": sku}, "quantity": 1}]
    made = await staff.call(_CART, input={"channel": CHANNEL, "lines": lines, "idempotencyKey": str(uuid4())})
    line_id = made["cart"]["lines"][0]["id"]
    given = {"cartToken": made["cartToken"], "lineId": line_id, "idempotencyKey": str(uuid4())}
    await staff.call(_EMPTY, input=given)
    return str(made["cart"]["deliveryOptions"][0]["id"])


async def _draft(staff: Connection, sale: Sale, option: str) -> dict[str, Any]:
    lines = [
        {"variant": {"sku": line.sku}, "quantity": line.quantity, "unitPrice": _money(line.unit_price)}
        for line in sale.lines
    ]
    return await staff.call(
        _DRAFT,
        input={
            "channel": CHANNEL,
            "lines": lines,
            "email": f"{sale.customer}@example.com",
            "shippingAddress": {
                "name": "A. Customer",
                "line1": "Rua Um, 1",
                "city": sale.city,
                "region": sale.state,
                "postalCode": sale.postal_code,
                "country": "BR",
            },
            "deliveryOptionId": option,
            "shippingPrice": _money(sale.freight),
            "note": note_of(sale),
            "idempotencyKey": sale.id,
        },
    )


async def _apply_voucher(staff: Connection, cart_token: str, amount: Decimal, key: str) -> None:
    made = await staff.call(_CARD_CREATE, input={"amount": _money(amount), "idempotencyKey": key})
    await staff.call(_CARD_APPLY, input={"cartToken": cart_token, "code": made["code"]})


async def _cancel(staff: Connection, sale: Sale, order_id: str, boleto_id: str | None) -> None:
    """Cancel an order; what came by boleto goes back by hand, which is then recorded."""
    reason = "canceled in the file"
    await staff.call(
        _CANCEL, input={"ref": {"id": order_id}, "reason": reason, "idempotencyKey": f"cancel-{sale.id}"}
    )
    if boleto_id is not None:
        await staff.call(
            _REFUND, input={"id": boleto_id, "reason": reason, "idempotencyKey": f"refund-{sale.id}"}
        )


def _write_products(file: Path, sales: Sequence[Sale]) -> None:
    units, prices = Counter[str](), dict[str, Decimal]()
    for sale in sales:
        for line in sale.lines:
            units[line.sku] += line.quantity
            prices.setdefault(line.sku, line.unit_price)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["sku", "name", f"price:{CHANNEL}", f"stock:{LOCATION}"])
        for sku, count in units.items():
            writer.writerow([sku, f"Product {sku[:8]}", prices[sku], count + SPARE_UNITS])


def _money(amount: Decimal) -> dict[str, str]:
    return {"amount": f"{amount:.2f}", "currency": _CURRENCY}
