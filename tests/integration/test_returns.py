"""Returns over a real database: asked for, judged, received, looked at, and their money given back."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound, NotReturnable
from domain.orders import OrderPaymentStatus
from domain.return_requests import AskedLine, Obstacle
from domain.returns import Disposition, Grade, LineOutcome, ReturnReason, ReturnStatus, ReturnWish
from persistence.database import Database
from services import return_settlement, returns
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.sent_back import (
    arrived_order,
    ask_for,
    bring_back,
    desk,
    let_return,
    lines_of,
    look_at,
    shopper,
)
from tests.shipping import order_of, parts_of
from tests.statements import count_statements


async def test_an_honest_return_is_approved_received_and_refunded_by_itself(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 3, shop=shop)

    asked = await ask_for(database, order, 2)
    assert asked.status is ReturnStatus.APPROVED
    assert asked.verdict is not None
    assert {one["record"] for one in asked.verdict["findings"]} == {
        "ORDER",
        "POLICY",
        "CARRIER",
        "PROVIDER",
        "CUSTOMER",
        "EARLIER_RETURNS",
    }

    here = await bring_back(database, asked, shop.locations[0].code)
    assert here.status is ReturnStatus.RECEIVED
    level = await _level(database, shop.variant.id)
    assert (level.available, level.quality_control) == (7, 2)

    done = await look_at(database, here)
    level = await _level(database, shop.variant.id)
    assert (level.available, level.quality_control) == (9, 0)
    assert done.status is ReturnStatus.CLOSED
    assert done.refund_minor == 2000
    assert [line.outcome for line in done.lines] == [LineOutcome.REFUNDED]
    payment = (await parts_of(database, order.id)).payments[0]
    assert payment.refunded_minor == 2000
    assert (await order_of(database, order.id)).payment_status is OrderPaymentStatus.PARTIALLY_REFUNDED
    assert (await lines_of(database, order.id))[0].quantity_returned == 2


async def test_the_last_unit_takes_the_delivery_with_it(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    given = []
    for _ in range(2):
        here = await bring_back(database, await ask_for(database, order), shop.locations[0].code)
        given.append((await look_at(database, here)).refund_minor)
    assert given == [1000, 1500]
    assert (await lines_of(database, order.id))[0].quantity_returned == 2
    assert sum(given) == order.total_minor
    assert (await order_of(database, order.id)).payment_status is OrderPaymentStatus.REFUNDED


async def test_units_are_in_one_return_only(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    await ask_for(database, order, 2)
    with pytest.raises(NotReturnable) as refused:
        await ask_for(database, order, 1)
    assert (refused.value.returnable, refused.value.askable) == (0, 0)
    assert Obstacle.ALREADY_RETURNED in refused.value.obstacles


async def test_of_fifty_requests_at_once_for_one_unit_one_goes_through(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    answers = await asyncio.gather(*(ask_for(database, order) for _ in range(50)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert {type(one) for one in answers if isinstance(one, BaseException)} == {NotReturnable}


async def test_of_fifty_refunds_at_once_one_goes_through(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    asked = await ask_for(database, order)
    assert asked.status is ReturnStatus.REQUESTED
    staff = desk(database)
    version = asked.version
    asked = await returns.decide_on(staff, asked.id, approve=True, note="fine", expected_version=version)
    assert asked.version == version + 1
    seen = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert seen.status is ReturnStatus.INSPECTED
    refunds = (return_settlement.refund(staff, asked.id, None, None, str(uuid4())) for _ in range(50))
    answers = await asyncio.gather(*refunds, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert {type(one) for one in answers if isinstance(one, BaseException)} == {IllegalTransition}
    payment = (await parts_of(database, order.id)).payments[0]
    assert payment.refunded_minor == order.total_minor


async def test_a_request_after_the_window_is_declined_with_its_evidence(database: Database) -> None:
    await let_return(database, window_days=14)
    late = await ask_for(database, await arrived_order(database, days_ago=14.01))
    assert late.status is ReturnStatus.DECLINED
    assert late.verdict is not None
    assert "WINDOW_OVER" in {one["check"] for one in late.verdict["findings"]}
    in_time = await ask_for(database, await arrived_order(database, days_ago=13.99))
    assert in_time.status is ReturnStatus.APPROVED


async def test_a_fault_after_the_window_goes_to_staff(database: Database) -> None:
    await let_return(database, window_days=14)
    order = await arrived_order(database, days_ago=20)
    asked = await ask_for(database, order, reason=ReturnReason.DEFECTIVE)
    assert asked.status is ReturnStatus.REQUESTED


async def test_somebody_elses_address_goes_to_staff(database: Database) -> None:
    await let_return(database)
    asked = await ask_for(database, await arrived_order(database), email="eve@example.com")
    assert asked.status is ReturnStatus.REQUESTED
    same = await ask_for(database, await arrived_order(database), email=" ADA@example.com")
    assert same.status is ReturnStatus.APPROVED


async def test_what_the_provider_has_given_back_already_goes_to_staff(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database)
    await run_sql(database, "UPDATE sandbox_charges SET refunded_minor = 1 RETURNING reference")
    asked = await ask_for(database, order)
    assert asked.status is ReturnStatus.REQUESTED
    assert asked.verdict is not None
    assert "REFUNDED_AT_PROVIDER" in {one["check"] for one in asked.verdict["findings"]}


async def test_what_was_not_sold_by_us_is_no_stock_and_brings_nothing_by_itself(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    here = await bring_back(database, await ask_for(database, order), shop.locations[0].code)
    seen = await look_at(database, here, Disposition.PROCESSING_REQUIRED, Grade.NOT_OURS)
    assert seen.status is ReturnStatus.INSPECTED
    assert not seen.transaction_ids
    level = await _level(database, shop.variant.id)
    assert (level.available, level.quality_control) == (9, 0)
    rejected = await return_settlement.reject(desk(database), seen.id, "a brick", None)
    assert [line.outcome for line in rejected.lines] == [LineOutcome.REJECTED]
    # The unit is still the customer's to return, and staff look at whoever does.
    assert (await ask_for(database, order)).status is ReturnStatus.REQUESTED


async def test_what_is_worth_little_is_kept_and_refunded_at_once(database: Database) -> None:
    await let_return(database, keep_below_minor=1001)
    order = await arrived_order(database, 2)
    kept = await ask_for(database, order)
    assert (kept.status, kept.keeps_items, kept.refund_minor) == (ReturnStatus.CLOSED, True, 1000)
    # In pieces all of it would be kept: the second is to be sent, and brings the rest.
    asked = await ask_for(database, order)
    assert (asked.status, asked.keeps_items) == (ReturnStatus.APPROVED, False)
    place = (await run_sql(database, "SELECT code FROM locations"))[0].code
    done = await look_at(database, await bring_back(database, asked, place))
    assert (done.refund_minor, done.shipping_refund_minor) == (1500, 500)


async def test_bad_requests_name_their_field_and_change_nothing(database: Database) -> None:
    order = await arrived_order(database, 2)
    context, ref = shopper(database, order)
    line = (await lines_of(database, order.id))[0]
    for units, wrong in ((0, InvalidInput), (-1, InvalidInput), (3, NotReturnable)):
        with pytest.raises(wrong) as refused:
            await returns.request(
                context,
                ref,
                [AskedLine(line.id, units, ReturnReason.SIZE)],
                ReturnWish.REFUND,
                None,
                str(uuid4()),
            )
        assert refused.value.path == ("lines", "0", "quantity")
    with pytest.raises(NotFound):
        await returns.request(
            context,
            ref,
            [AskedLine(order.id, 1, ReturnReason.SIZE)],
            ReturnWish.REFUND,
            None,
            str(uuid4()),
        )
    assert (await run_sql(database, "SELECT count(*) AS made FROM returns"))[0].made == 0


async def test_a_return_takes_few_statements(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    with count_statements(database) as asking:
        asked = await ask_for(database, order)
    with count_statements(database) as arriving:
        here = await bring_back(database, asked, shop.locations[0].code)
    with count_statements(database) as looking:
        await look_at(database, here)
    # The last asks the sandbox twice over its own connections, and writes what it answered.
    assert [len(one) for one in (asking, arriving, looking)] == [26, 12, 41], (asking, looking)


async def _level(database: Database, variant_id: UUID) -> Any:
    rows = await run_sql(
        database,
        "SELECT available, quality_control FROM stock_levels WHERE variant_id = :id",
        id=variant_id,
    )
    return rows[0]


async def test_a_refusal_says_what_may_be_returned_and_what_staff_may_be_asked_for(
    database: Database,
) -> None:
    await let_return(database, window_days=10)
    order = await arrived_order(database, 2, days_ago=20)
    with pytest.raises(NotReturnable) as refused:
        await ask_for(database, order, 3)
    assert (refused.value.returnable, refused.value.askable) == (0, 2)
    assert "0 can be returned now, staff may be asked for 2" in refused.value.message
