"""Returns for a repair: the customer's own units come, are never on sale, and go back; or money instead."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.kernel.errors import (
    AccessDenied,
    IdempotencyKeyReused,
    IllegalTransition,
    InvalidInput,
    NotReturnable,
    VersionConflict,
)
from domain.notifications import NotificationKind
from domain.orders import OrderPaymentStatus, OrderStatus
from domain.return_lists import ReturnFilter, ReturnWait
from domain.return_receipts import Look
from domain.return_reports import ReturnGrouping
from domain.returns import (
    Disposition,
    Grade,
    LineOutcome,
    ReturnStatus,
    ReturnWish,
)
from persistence.database import Database
from providers.messages.rendering import Renderer
from services import (
    notifications,
    return_lists,
    return_receipts,
    return_repairs,
    return_reports,
    return_settlement,
    returns,
)
from services.access import SYSTEM, Permission
from tests import books
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.factories import make_app
from tests.integration.test_return_notifications import told
from tests.repaired import BROKEN, at_the_bench, check_books, part_of, repaired
from tests.sent_back import (
    arrived_order,
    ask_for,
    bring_back,
    deliver,
    desk,
    let_return,
    lines_of,
    look_at,
    shopper,
)
from tests.shipping import fulfill, order_of, parts_of
from tests.statements import count_statements

K, REPAIR = NotificationKind, ReturnWish.REPAIR
SINCE = datetime.now(UTC) - timedelta(days=1)


async def stock_of(database: Database) -> tuple[int, int, int]:
    """Return the units on sale, committed, and in quality control."""
    (row,) = await run_sql(database, "SELECT available, committed, quality_control FROM stock_levels")
    return row.available, row.committed, row.quality_control


async def test_a_repaired_unit_goes_back_to_its_customer_for_nothing(database: Database) -> None:
    shop, order, seen = await at_the_bench(database)
    assert (seen.status, seen.refund_verdict) == (ReturnStatus.INSPECTED, None)
    assert await stock_of(database) == (8, 0, 1), "it is the customer's: nobody else can buy it"
    waiting = await return_lists.page(
        desk(database), ReturnFilter(waits=[ReturnWait.REPAIR]), None, None, 5, None
    )
    assert [one.id for one in waiting] == [seen.id]
    assert (await lines_of(database, order.id))[0].quantity_returned == 1
    before = await books.lines(database, order.id)

    clerk, key = desk(database), str(uuid4())

    with count_statements(database) as statements:
        done = await repaired(database, seen, clerk, note="A new hinge.", key=key)

    assert len(statements) <= 14, statements
    assert await repaired(database, seen, clerk, note="A new hinge.", key=key) == done
    with pytest.raises(IdempotencyKeyReused):
        await repaired(database, seen, clerk, note="Another.", key=key)
    assert (done.status, done.refund_minor, done.credit_minor) == (ReturnStatus.CLOSED, 0, 0)
    assert [line.outcome for line in done.lines] == [LineOutcome.REPAIRED]
    assert await stock_of(database) == (8, 1, 0)
    (line,) = await lines_of(database, order.id)
    assert (line.quantity_shipped, line.quantity_returned) == (1, 0)
    opened = await order_of(database, order.id)
    assert opened.status is OrderStatus.OPEN
    (moved,) = await run_sql(
        database,
        "SELECT from_state, to_state, quantity, source_kind, source_id FROM stock_movements"
        " WHERE reason = 'RETURN_REPAIRED'",
    )
    assert (moved.from_state, moved.to_state, moved.quantity) == ("quality_control", "committed", 1)
    assert (moved.source_kind, moved.source_id) == ("return", seen.id)
    (event,) = await run_sql(
        database, "SELECT version, payload FROM event_outbox WHERE kind = 'ReturnRepaired'"
    )
    assert (event.version, event.payload["returnId"]) == (opened.version, str(seen.id))
    assert event.payload["fulfillmentOrderId"] == str(done.fulfillment_order_id)
    (row,) = await return_reports.report(
        clerk, ReturnGrouping.REASON, SINCE, SINCE + timedelta(days=2), None, None, size=5, after=None
    )
    assert (row.units_returned, row.units_received, row.units_repaired) == (1, 1, 1)
    assert (row.units_restocked, row.resale_share, row.refunded) == (0, None, {})
    await check_books(database)

    part = await part_of(database, done)
    assert part.location_id == shop.locations[0].id
    await fulfill(till(database, make_app(Permission.FULFILLMENT_WRITE)), part)
    ended = await order_of(database, order.id)
    assert (ended.status, ended.payment_status) == (OrderStatus.COMPLETED, OrderPaymentStatus.PAID)
    (line,) = await lines_of(database, order.id)
    assert (line.quantity_shipped, line.quantity_returned) == (2, 0)
    assert await books.lines(database, order.id) == before, "a repair is no sale"
    await check_books(database)


async def test_what_was_repaired_may_come_back_again_and_then_brings_its_money(database: Database) -> None:
    shop, order, seen = await at_the_bench(database, of=1)
    done = await repaired(database, seen)
    early = await ask_for(database, order)
    assert early.status is ReturnStatus.REQUESTED, "it is not with the customer yet"
    with pytest.raises(NotReturnable):
        await returns.decide_on(desk(database), early.id, approve=True, note=None, expected_version=None)
    await returns.cancel(desk(database), None, early.id, None, None)
    await fulfill(till(database, make_app(Permission.FULFILLMENT_WRITE)), await part_of(database, done))
    await deliver(database, order.id)
    with pytest.raises(NotReturnable):
        await ask_for(database, order, 2)

    again = await ask_for(database, order)

    assert again.status is ReturnStatus.APPROVED, again.verdict
    back = await look_at(database, await bring_back(database, again, shop.locations[0].code))
    assert (back.status, back.refund_minor) == (ReturnStatus.CLOSED, order.total_minor)
    assert (await lines_of(database, order.id))[0].quantity_returned == 1
    with pytest.raises(NotReturnable):
        await ask_for(database, order)
    await check_books(database)


async def test_its_time_to_be_returned_runs_from_when_it_came_back(database: Database) -> None:
    _, order, seen = await at_the_bench(database, of=2)
    done = await repaired(database, seen)
    await fulfill(till(database, make_app(Permission.FULFILLMENT_WRITE)), await part_of(database, done))
    await deliver(database, order.id, days_ago=40)
    await run_sql(
        database,
        "UPDATE shipments SET delivered_at = now() WHERE fulfillment_order_id = :id RETURNING id",
        id=done.fulfillment_order_id,
    )
    _, (line,), _ = await returns.eligibility(*shopper(database, order))
    assert (line.returnable, line.repairable) == (1, True)
    assert [units for _, units in line.arrivals.delivered] == [1, 1]


async def test_a_repair_is_asked_for_only_where_the_policy_lets_it(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database)
    _, (line,), _ = await returns.eligibility(*shopper(database, order))
    assert not line.repairable
    with pytest.raises(InvalidInput) as refused:
        await ask_for(database, order, wish=REPAIR)
    assert refused.value.path == ("wish",)
    assert await run_sql(database, "SELECT id FROM returns") == []


async def test_what_is_cheap_is_repaired_all_the_same_and_not_kept(database: Database) -> None:
    await let_return(database, repair=True, keep_below_minor=1_000_000)
    order = await arrived_order(database)
    found = await ask_for(database, order, wish=REPAIR, reason=BROKEN)
    assert (found.status, found.keeps_items) == (ReturnStatus.APPROVED, False)
    # It brings no money, and so leaves what other returns may bring as it is.
    other = await ask_for(database, order)
    limits = [one["facts"] for one in (other.verdict or {})["findings"] if "beforeMinor" in one["facts"]]
    assert [one["beforeMinor"] for one in limits] == [0]


async def test_of_a_repair_nothing_is_sold_refunded_or_rejected(database: Database) -> None:
    await let_return(database, repair=True)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, shop=shop)
    with count_statements(database) as statements:
        found = await ask_for(database, order, wish=REPAIR, reason=BROKEN)
    # As many as for any other wish, the reading of its lines by this test among them.
    assert len(statements) <= 26, statements
    here = await bring_back(database, found, shop.locations[0].code)
    with pytest.raises(InvalidInput) as refused:
        await look_at(database, here)
    assert refused.value.path == ("lines", "0", "disposition")
    with pytest.raises(IllegalTransition):
        await repaired(database, here)
    seen = await look_at(database, here, Disposition.PROCESSING_REQUIRED)
    assert await return_settlement.settle(desk(database), seen.id) == seen
    assert await return_settlement.settle_due(desk(database)) == 0
    with pytest.raises(IllegalTransition):
        await return_settlement.refund(desk(database), seen.id, None, None, str(uuid4()))
    with pytest.raises(IllegalTransition):
        await return_settlement.reject(desk(database), seen.id, "no", None)


async def test_beyond_repair_it_is_given_up_for_money(database: Database) -> None:
    _, order, seen = await at_the_bench(database, disposition=Disposition.NOT_RESTOCKED)
    clerk = desk(database)
    with pytest.raises(IllegalTransition, match="beyond repair"):
        await repaired(database, seen)
    for wish in (ReturnWish.EXCHANGE, REPAIR):
        with pytest.raises(InvalidInput) as refused:
            await return_repairs.give_up(clerk, seen.id, wish, "no", None)
        assert refused.value.path == ("wish",)
    with pytest.raises(VersionConflict):
        await return_repairs.give_up(clerk, seen.id, ReturnWish.REFUND, "no", 1)

    done = await return_repairs.give_up(
        clerk, seen.id, ReturnWish.REFUND, "The board is burnt.", seen.version
    )

    # The delivery's share is in it: the shop is at fault.
    assert (done.status, done.wish, done.refund_minor) == (ReturnStatus.CLOSED, ReturnWish.REFUND, 1250)
    assert [line.outcome for line in done.lines] == [LineOutcome.REFUNDED]
    assert (await lines_of(database, order.id))[0].quantity_returned == 1
    assert await return_repairs.give_up(clerk, seen.id, ReturnWish.REFUND, "no", seen.version) == done
    with pytest.raises(IllegalTransition):
        await return_repairs.give_up(clerk, seen.id, ReturnWish.STORE_CREDIT, "no", None)
    (entry,) = await run_sql(database, "SELECT actor FROM audit_entries WHERE action = 'ReturnRepairGivenUp'")
    assert entry.actor == clerk.actor.label
    await check_books(database)


async def test_given_up_for_credit_it_ends_as_credit(database: Database) -> None:
    _, _, seen = await at_the_bench(database)
    done = await return_repairs.give_up(desk(database), seen.id, ReturnWish.STORE_CREDIT, "no parts", None)
    assert (done.status, done.credit_minor) == (ReturnStatus.CLOSED, done.refund_minor)
    await check_books(database)


async def test_what_is_missing_is_not_sent_back_and_stays_in_no_return(database: Database) -> None:
    await let_return(database, repair=True)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 3, shop=shop)
    found = await ask_for(database, order, 3, wish=REPAIR, reason=BROKEN)
    (line,) = found.lines
    place, clerk = shop.locations[0].code, desk(database)
    await return_receipts.receive(clerk, found.id, place, {line.id: 2}, None, str(uuid4()))
    processing = Disposition.PROCESSING_REQUIRED
    looks = [
        Look(line.id, 1, Disposition.MISSING, Grade.AS_NEW),
        Look(line.id, 1, processing, Grade.NOT_OURS),
        Look(line.id, 1, processing, Grade.DAMAGED),
    ]
    seen = await return_receipts.inspect(clerk, found.id, looks, None, str(uuid4()))

    done = await repaired(database, seen)

    assert [one.quantity for one in (await part_of(database, done)).lines] == [1]
    _, (eligible,), _ = await returns.eligibility(*shopper(database, order))
    assert (eligible.returnable, eligible.sent) == (2, 2)
    await check_books(database)


async def test_with_nothing_here_there_is_nothing_to_repair(database: Database) -> None:
    await let_return(database, repair=True)
    order = await arrived_order(database)
    found = await ask_for(database, order, wish=REPAIR, reason=BROKEN)
    seen = await look_at(database, found, Disposition.MISSING)
    assert seen.status is ReturnStatus.INSPECTED
    with pytest.raises(IllegalTransition, match="nothing of it is here"):
        await repaired(database, seen)
    given = await return_repairs.give_up(desk(database), seen.id, ReturnWish.REFUND, "nothing came", None)
    assert given.status is ReturnStatus.INSPECTED, "staff look: it is not what was said"
    await return_settlement.reject(desk(database), seen.id, "nothing came", None)
    await check_books(database)


async def test_it_is_sent_back_once_whoever_says_so_how_often(database: Database) -> None:
    _, order, seen = await at_the_bench(database)
    clerk, key = desk(database), str(uuid4())
    with pytest.raises(VersionConflict):
        await repaired(database, seen, expected_version=seen.version - 1)
    with pytest.raises(AccessDenied):
        await return_repairs.finish(
            till(database, make_app(Permission.RETURNS_READ)), seen.id, None, None, key
        )
    attempts: list[Any] = [repaired(database, seen, clerk, key=key) for _ in range(4)]
    attempts += [repaired(database, seen) for _ in range(4)]
    attempts += [
        return_repairs.give_up(desk(database), seen.id, ReturnWish.REFUND, "no", None) for _ in range(2)
    ]
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    failed = [one for one in answers if isinstance(one, BaseException)]
    assert {type(one) for one in failed} <= {IllegalTransition}
    repaired_units = len(
        await run_sql(database, "SELECT 1 FROM stock_movements WHERE reason = 'RETURN_REPAIRED'")
    )
    refunded = (await parts_of(database, order.id)).payments[0].refunded_minor
    assert (repaired_units == 1) != (refunded > 0), "repaired or refunded, never both"
    await check_books(database)


async def test_its_customer_is_told_that_it_is_repaired(database: Database) -> None:
    _, order, seen = await at_the_bench(database)
    done = await repaired(database, seen, note="A new hinge.")
    assert (await told(database, done))[-2:] == [K.RETURN_ARRIVED, K.RETURN_REPAIRED]
    letters = {}
    for kind in (K.RETURN_APPROVED, K.RETURN_REPAIRED):
        said = await notifications.preview(till(database, SYSTEM), order.number, kind, None)
        letters[kind] = Renderer().render(said).text
    assert "We repair it and send it back to you." in letters[K.RETURN_APPROVED]
    assert "Your repair is done" in letters[K.RETURN_REPAIRED]
    assert "A new hinge." in letters[K.RETURN_REPAIRED]
