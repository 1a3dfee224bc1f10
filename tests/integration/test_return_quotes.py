"""What a return would bring, told before it is asked for: the same as it then brings."""

from typing import Any

import pytest

from api.scalars import encode_id
from domain.kernel.ids import new_id
from domain.orders import Order
from domain.return_policies import LabelPayer, ShippingRefund
from domain.return_verdicts import CONFIRMED_BY
from domain.returns import Disposition, ReturnReason, ReturnStatus
from persistence.database import Database
from services.access import ANONYMOUS
from tests.checkouts import make_stocked_shop, till
from tests.factories import data_of, execute
from tests.sent_back import arrived_order, ask_for, bring_back, let_return, lines_of, look_at
from tests.statements import count_statements

_QUERY = """query ($token: String!, $lines: [ReturnQuoteLineInput!]) {
  returnEligibility(ref: {token: $token}, lines: $lines) { possible lines { returnable restockingFeePercent }
    quote { refund { amount currency } shippingRefund { amount } restockingFee { amount } labelFee { amount }
      labelPaidBy keepsItems explanation
      lines { lineId quantity refundPerUnit { amount } restockingFee { amount } refund { amount } } } } }"""


def _asking(database: Database, order: Order, lines: Any = None) -> dict[str, Any]:
    token = till(database).environment.tokens.sign("order", order.id, order.token_generation)
    return {"token": token, "lines": lines}


async def quoted(database: Database, order: Order, *lines: dict[str, Any]) -> Any:
    asked = None
    if lines:
        line_id = encode_id("OrderLine", (await lines_of(database, order.id))[0].id)
        asked = [{"lineId": line_id, **line} for line in lines]
    data = await data_of(database, _QUERY, _asking(database, order, asked), ANONYMOUS)
    return data["returnEligibility"]


async def test_all_that_may_be_returned_is_quoted_with_its_fees_and_delivery(database: Database) -> None:
    await let_return(
        database,
        restocking_fee=125_000,
        label_payer=LabelPayer.CUSTOMER,
        label_fee_minor=395,
        shipping_refund=ShippingRefund.WHOLE_ORDER,
    )
    order = await arrived_order(database, 3)
    with count_statements(database) as sent:
        told = await quoted(database, order)
    assert len(sent) == 5, sent
    assert told["lines"] == [{"returnable": 3, "restockingFeePercent": "12.5"}]
    brings = told["quote"]
    assert brings["lines"][0] | {"lineId": None} == {
        "lineId": None,
        "quantity": 3,
        "refundPerUnit": {"amount": "8.75"},
        "restockingFee": {"amount": "3.75"},
        "refund": {"amount": "26.25"},
    }
    assert brings["refund"] == {"amount": "27.30", "currency": "USD"}
    assert brings["explanation"] == (
        "It would bring 27.30 USD. 5.00 USD of it are for the delivery. 3.75 USD are kept for restocking. "
        "The way back costs 3.95 USD, which are taken off."
    )


@pytest.mark.parametrize("reason", [ReturnReason.CHANGED_MIND, ReturnReason.DEFECTIVE])
async def test_a_return_brings_what_it_was_quoted(database: Database, reason: ReturnReason) -> None:
    rules = {"restocking_fee": 100_000, "label_payer": LabelPayer.CUSTOMER, "label_fee_minor": 299}
    await let_return(database, **rules)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 3, shop=shop)
    quote = (await quoted(database, order, {"quantity": 2, "reason": reason.value}))["quote"]
    assert quote["labelPaidBy"] == ("SHOP" if reason is ReturnReason.DEFECTIVE else "CUSTOMER")
    here = await bring_back(
        database, await ask_for(database, order, 2, reason=reason), shop.locations[0].code
    )
    grade = min(CONFIRMED_BY[reason])
    done = await look_at(database, here, Disposition.NOT_RESTOCKED, grade)
    assert done.status is ReturnStatus.CLOSED
    assert f"{done.refund_minor / 100:.2f}" == quote["refund"]["amount"]
    left = await quoted(database, order)
    assert left["lines"][0]["returnable"] == 1
    assert left["quote"]["lines"][0]["quantity"] == 1


async def test_what_would_be_kept_costs_no_fee(database: Database) -> None:
    fees = {"label_payer": LabelPayer.CUSTOMER, "label_fee_minor": 299, "restocking_fee": 100_000}
    # Two bring 20.00 where they are kept, and 15.01 where they are sent.
    await let_return(database, keep_below_minor=1800, **fees)
    order = await arrived_order(database, 3)
    one = (await quoted(database, order, {"quantity": 1}))["quote"]
    assert (one["keepsItems"], one["labelPaidBy"], one["refund"]["amount"]) == (True, "SHOP", "10.00")
    assert one["explanation"] == "It would bring 10.00 USD. Nothing has to be sent: you keep it."
    two = (await quoted(database, order, {"quantity": 2}))["quote"]
    assert (two["keepsItems"], two["labelFee"]["amount"], two["refund"]["amount"]) == (False, "2.99", "15.01")
    kept = await ask_for(database, order, 1)
    assert (kept.keeps_items, kept.refund_minor) == (True, 1000)
    # The next cheap one is not kept: it is quoted so, too.
    assert not (await quoted(database, order, {"quantity": 1}))["quote"]["keepsItems"]


async def test_nothing_is_quoted_where_nothing_may_come_back(database: Database) -> None:
    await let_return(database, window_days=1)
    order = await arrived_order(database, days_ago=2)
    told = await quoted(database, order)
    assert (told["possible"], told["quote"]) == (False, None)
    # Who asks all the same (a fault, say) is told what it would bring if it were granted.
    assert (await quoted(database, order, {"quantity": 1, "reason": "DEFECTIVE"}))["quote"] is not None


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ([{"lineId": "nonsense", "quantity": 1}], ["lines", "0", "lineId"]),
        ([{"lineId": encode_id("OrderLine", new_id()), "quantity": 1}], ["lines", "0", "lineId"]),
        ([], ["lines"]),
    ],
)
async def test_a_bad_line_is_named(database: Database, lines: list[Any], path: list[str]) -> None:
    order = await arrived_order(database)
    result = await execute(database, _QUERY, _asking(database, order, lines), ANONYMOUS)
    assert result.errors is not None
    assert (result.errors[0].original_error.path) == tuple(path)  # type: ignore[union-attr]


async def test_more_than_was_bought_is_not_quoted(database: Database) -> None:
    order = await arrived_order(database, 2)
    line_id = encode_id("OrderLine", (await lines_of(database, order.id))[0].id)
    asked = _asking(database, order, [{"lineId": line_id, "quantity": 3}])
    result = await execute(database, _QUERY, asked, ANONYMOUS)
    assert result.errors is not None
    assert "2 can be returned" in result.errors[0].message
