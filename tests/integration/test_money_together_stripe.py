"""Orders that Stripe is asked little of: nothing, or what an edit made them cost more."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx

from api.scalars import encode_id
from persistence.database import Database
from services import orders, payment_sweep
from services.orders import OrderRef
from tests import cart_flows as flow
from tests.cart_flows import run_sql
from tests.checkouts import later, levels, make_ready_cart, make_stocked_shop
from tests.factories import data_of, make_discount
from tests.integration.test_money_together import edited
from tests.integration.test_stripe_checkout import RETURN_URL, order_place
from tests.payments import check_sums, staff
from tests.stripe_standin.paying import paid_by
from tests.stripe_standin.server import Standin

PAY = """mutation ($input: OrderPaymentCreateInput!) { orderPaymentCreate(input: $input) {
    order { paymentStatus fulfillmentOrders { status } }
    payment { status action { type url clientSecret } } userErrors { code message path } } }"""


async def test_a_free_order_is_placed_and_canceled_without_asking_stripe(
    database: Database, stripe: Standin
) -> None:
    shop = await make_stocked_shop(database, 5)
    await make_discount(database, shop.channel, code="FREE", percent=Decimal(100))
    token = await make_ready_cart(database, shop, 2, shipping_minor=0)
    await flow.change(database, "cartDiscountCodeApply", {"cartToken": token, "code": "FREE"})
    placed = await order_place(database, token, None, "k", paid_by(stripe))
    assert placed["userErrors"] == []
    assert placed["order"]["paymentStatus"] == "AUTHORIZED"
    [row] = await run_sql(database, "SELECT id FROM orders")
    await orders.cancel(staff(database, **paid_by(stripe)), OrderRef(id=row.id), "no", None, "cancel")
    [open_] = await run_sql(
        database, "SELECT count(*) AS times FROM payment_transactions WHERE settled_at IS NULL"
    )
    assert open_.times == 0
    assert stripe.account.intents == {}
    assert await levels(database, shop) == [(5, 0, 0)]
    await check_sums(database)


async def test_who_pays_for_what_an_edit_added_is_told_how_to_prove_who_they_are(
    database: Database, stripe: Standin
) -> None:
    shop = await make_stocked_shop(database, 9)
    changes = paid_by(stripe)
    token = await make_ready_cart(database, shop, 1)
    await order_place(database, token, "pm_card_visa", "k", changes)
    [row] = await run_sql(database, "SELECT id FROM orders")
    order = await orders.get(staff(database), OrderRef(id=row.id))
    assert (await edited(database, order, 2))["userErrors"] == []
    given = {
        "id": encode_id("Order", row.id),
        "payment": {
            "provider": "stripe",
            "method": "card",
            "token": "pm_card_threeDSecure2Required",
            "returnUrl": RETURN_URL,
        },
        "idempotencyKey": str(uuid4()),
    }

    async def pay() -> dict[str, Any]:
        answer = await data_of(database, PAY, {"input": given}, **changes)
        return dict(answer["orderPaymentCreate"])

    asked = await pay()
    assert asked["payment"]["status"] == "ACTION_REQUIRED"
    assert await pay() == asked
    async with httpx.AsyncClient() as browser:
        await browser.post(asked["payment"]["action"]["url"], data={"outcome": "pass"})
    await payment_sweep.settle_due(later(database, **changes))
    paid = await pay()
    assert paid["payment"] == {"status": "AUTHORIZED", "action": None}
    assert {part["status"] for part in paid["order"]["fulfillmentOrders"]} == {"OPEN"}
    await check_sums(database)
