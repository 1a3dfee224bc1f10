"""What somebody who means ill tries with returns: twice the money, or the money and the goods."""

from uuid import uuid4

import pytest

from domain.catalog import VariantRef
from domain.claims import ClaimKind, ClaimOutcome, ClaimStatus
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.order_edits import NewQuantity
from domain.ports import PaymentRecord
from domain.return_arrivals import Surplus
from domain.return_policies import ReturnPolicy
from domain.return_requests import AskedLine
from domain.returns import Return, ReturnReason, ReturnStatus, ReturnWish
from persistence import return_policies
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import (
    claims,
    order_edits,
    order_payments,
    payment_changes,
    return_arrivals,
    returns,
)
from services.access import Permission
from services.order_edits import Added, Wanted
from services.order_placement import place
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import later, make_ready_cart, make_stocked_shop, order_now, till
from tests.factories import give_stock, make_app, make_variant
from tests.payments import dollars, staff
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
from tests.shipping import fulfill, order_of, part_at, parts_of
from tests.stored import apply_credit


def checks(found: Return) -> set[str]:
    """Return what made staff look at a return, or its money."""
    kept = [one for one in (found.verdict, found.refund_verdict) if one is not None]
    return {f["check"] for verdict in kept for f in verdict["findings"] if f["decision"] != "APPROVE"}


async def test_credit_that_is_turned_into_credit_again_brings_no_second_bonus(database: Database) -> None:
    await let_return(database, credit_bonus=100_000)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    seen = await look_at(
        database,
        await bring_back(
            database, await ask_for(database, order, 2, wish=ReturnWish.STORE_CREDIT), shop.locations[0].code
        ),
    )
    assert (seen.credit_minor, seen.bonus_minor) == (2500, 200)
    # Bought again with that credit, and turned into credit again.
    token = await make_ready_cart(database, shop, 2)
    await apply_credit(database, token, "ada@example.com")
    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    await fulfill(
        till(database, make_app(Permission.FULFILLMENT_WRITE)), await part_at(database, placed.order.id)
    )
    await deliver(database, placed.order.id)
    again = await ask_for(database, placed.order, 2, wish=ReturnWish.STORE_CREDIT)
    seen = await look_at(database, await bring_back(database, again, shop.locations[0].code))
    assert (seen.credit_minor, seen.bonus_minor) == (2500, 0)


async def test_who_has_had_the_replacement_does_not_have_the_money_too(database: Database) -> None:
    await let_return(database, exchange_in_advance=True)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    asked = await ask_for(database, order, wish=ReturnWish.EXCHANGE)
    assert asked.exchange_order_id is not None
    await fulfill(
        till(database, make_app(Permission.FULFILLMENT_WRITE)),
        await part_at(database, asked.exchange_order_id),
    )
    context, ref = shopper(database, order)
    await returns.cancel(context, ref, asked.id, None, None)
    again = await ask_for(database, order)
    assert again.status is ReturnStatus.REQUESTED, again.status
    assert "EXCHANGED_BEFORE" in checks(again)


async def test_what_was_given_back_by_hand_is_not_given_again_by_itself(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    payment = (await parts_of(database, order.id)).payments[0]
    await payment_changes.refund(staff(database), payment.id, dollars("10"), "broken", str(uuid4()))
    asked = await ask_for(database, order)
    assert asked.status is ReturnStatus.REQUESTED
    assert checks(asked) == {"REFUNDED_BY_HAND"}


async def test_what_comes_long_after_its_time_is_for_staff(database: Database) -> None:
    await let_return(database, arrive_within_days=21)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    asked = await ask_for(database, order)
    year = 24 * 300
    assert await returns.expire_due(later(database, year, make_app(Permission.RETURNS_WRITE))) == 1
    clock = later(database, year).environment.clock
    here = await bring_back(database, asked, shop.locations[0].code, clock=clock)
    seen = await look_at(database, here, clock=clock)
    assert (seen.status, seen.transaction_ids) == (ReturnStatus.INSPECTED, ())
    assert checks(seen) == {"ARRIVED_LATE"}


async def test_kept_pieces_are_summed_before_their_money_is_given(database: Database) -> None:
    await let_return(database, keep_below_minor=1500)
    order = await arrived_order(database, 2)
    rule = "INSERT INTO return_rules (code, decision) VALUES ('PAID', 'ASK_STAFF') RETURNING code"
    await run_sql(database, rule)
    for at in range(2):
        asked = await ask_for(database, order)
        asked = await returns.decide_on(
            desk(database), asked.id, approve=True, note=None, expected_version=None
        )
        assert asked.keeps_items is (at == 0)


async def test_what_is_kept_is_summed_over_orders(database: Database) -> None:
    await let_return(database, keep_below_minor=1500)
    first = await ask_for(database, await arrived_order(database, 2))
    assert (first.status, first.keeps_items) == (ReturnStatus.CLOSED, True)
    # Together they would have to be sent, and so the second is.
    second = await ask_for(database, await arrived_order(database, 2))
    assert (second.status, second.keeps_items) == (ReturnStatus.APPROVED, False)


async def test_units_in_a_claim_are_not_received_with_a_return_that_was_given_up(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    asked = await ask_for(database, order)
    context, ref = shopper(database, order)
    await returns.cancel(context, ref, asked.id, None, None)
    (shipment,) = (await parts_of(database, order.id)).shipments
    line = (await lines_of(database, order.id))[0]
    wanted = claims.Wanted(shipment.id, ClaimKind.LOST_IN_TRANSIT, ClaimOutcome.RESHIP, [(line.id, 1)])
    made = await claims.create(context, ref, wanted, str(uuid4()))
    assert made.status is ClaimStatus.REQUESTED
    with pytest.raises(IllegalTransition):
        await bring_back(database, asked, shop.locations[0].code)


class Broken(SandboxPayments):
    """The real sandbox, whose record cannot be read."""

    async def record_of(self, reference: str) -> PaymentRecord | None:
        return {}["currency"]  # type: ignore[index]


async def test_a_record_that_cannot_be_read_is_none(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database)
    asked = await ask_for(database, order, payment_providers={"sandbox": Broken(database.engine)})
    assert asked.status is ReturnStatus.REQUESTED
    assert checks(asked) == {"PROVIDER_SILENT"}


async def test_a_line_that_somebody_wants_to_return_may_be_edited_away(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order = (await order_now(database, shop, 1)).order
    assert order is not None
    other = await make_variant(database, shop.channel)
    await give_stock(database, other, shop.locations[0], 5)
    context = staff(database)
    more = Wanted(order.id, added=[Added(VariantRef(id=other.id), 2)])
    order = await order_edits.commit(context, more, "more", order.version, str(uuid4()))
    gone = (await lines_of(database, order.id))[1]
    shopping, ref = shopper(database, order)
    asked = [AskedLine(gone.id, 2, ReturnReason.SIZE)]
    made = await returns.request(shopping, ref, asked, ReturnWish.REFUND, None, str(uuid4()))
    assert made.status is ReturnStatus.REQUESTED
    less = Wanted(order.id, [NewQuantity(gone.id, 0)])
    order = await order_of(database, order.id)
    # As long as nobody has decided on that, the line stays.
    with pytest.raises(InvalidInput) as refused:
        await order_edits.commit(context, less, "less", order.version, str(uuid4()))
    assert refused.value.path == ("lines", "0", "quantity")
    await returns.decide_on(desk(database), made.id, approve=False, note=None, expected_version=None)
    order = await order_of(database, order.id)
    await order_edits.commit(context, less, "less", order.version, str(uuid4()))
    assert gone.id not in {line.id for line in await lines_of(database, order.id)}
    assert (await ask_for(database, order)).status is ReturnStatus.REQUESTED


async def test_anothers_return_answers_like_none(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    mine, theirs = await arrived_order(database, 1, shop=shop), await arrived_order(database, 1, shop=shop)
    asked = await ask_for(database, theirs)
    context, ref = shopper(database, mine)
    told = []
    for one in (asked.id, uuid4()):
        with pytest.raises(NotFound) as refused:
            await returns.cancel(context, ref, one, None, None)
        told.append((str(refused.value), refused.value.path))
    assert told[0] == told[1]
    # Whoever has read the order sees that something of it has changed.
    before = await order_of(database, theirs.id)
    await returns.cancel(*shopper(database, theirs), asked.id, None, None)
    assert (await order_of(database, theirs.id)).version == before.version + 1


async def test_more_than_was_announced_is_for_staff(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    here = await bring_back(database, await ask_for(database, order), shop.locations[0].code)
    items = [Surplus(shop.variant.sku, 1)]
    await return_arrivals.record_surplus(
        desk(database), here.id, shop.locations[0].code, items, [False], str(uuid4())
    )
    seen = await look_at(database, here)
    assert seen.status is ReturnStatus.INSPECTED
    assert checks(seen) == {"NOT_AS_EXPECTED"}


async def test_returns_given_up_again_and_again_are_too_many(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    asked = await ask_for(database, order)
    await run_sql(
        database,
        """
        INSERT INTO returns (id, number, order_id, channel_id, status, wish, created_by,
                             created_at, closed_at)
        SELECT gen_random_uuid(), 'X' || n, :order, :channel, 'CANCELED', 'REFUND', 'anonymous', now(), now()
          FROM generate_series(1, 60) n RETURNING id
        """,
        order=order.id,
        channel=order.channel_id,
    )
    context, ref = shopper(database, order)
    await returns.cancel(context, ref, asked.id, None, None)
    with pytest.raises(InvalidInput):
        await ask_for(database, order)


async def test_a_key_is_of_its_order_and_a_token_of_its_own(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    first, second = await arrived_order(database, 1, shop=shop), await arrived_order(database, 1, shop=shop)
    made = [await ask_for(database, one, key="once") for one in (first, second, first)]
    assert made[0] == made[2]
    assert {one.order_id for one in made} == {first.id, second.id}
    # Neither is another's line returned with a token, nor staff's key used for another order.
    context, ref = shopper(database, first)
    (theirs,) = await lines_of(database, second.id)
    asked = [AskedLine(theirs.id, 1, ReturnReason.SIZE)]
    with pytest.raises(NotFound) as refused:
        await returns.request(context, ref, asked, ReturnWish.REFUND, None, "other")
    assert refused.value.path == ("lines", "0", "lineId")


async def test_what_staff_write_down_for_somebody_is_for_staff_whatever_address_they_give(
    database: Database,
) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    (line,) = await lines_of(database, order.id)
    office = till(database, make_app(Permission.ORDERS_READ, Permission.RETURNS_WRITE))
    asked = [AskedLine(line.id, 1, ReturnReason.SIZE)]
    for email, found in ((order.email, "UNVERIFIED"), ("eve@example.com", "NOT_THE_BUYER")):
        ref = OrderRef(id=order.id)
        made = await returns.request(office, ref, asked, ReturnWish.REFUND, email, str(uuid4()))
        assert (made.status, checks(made)) == (ReturnStatus.REQUESTED, {found})


async def test_of_what_comes_together_the_strictest_rule_holds(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = (await order_now(database, shop, 1)).order
    assert order is not None
    dear = await make_variant(database, shop.channel)
    await give_stock(database, dear, shop.locations[0], 5)
    more, office = Wanted(order.id, added=[Added(VariantRef(id=dear.id), 1)]), staff(database)
    await order_edits.commit(office, more, "more", order.version, str(uuid4()))
    await order_payments.create(office, order.id, "sandbox", "ok", None, str(uuid4()))
    sender = till(database, make_app(Permission.FULFILLMENT_WRITE))
    for part in (await parts_of(database, order.id)).fulfillment_orders:
        await fulfill(sender, part)
    await deliver(database, order.id)
    async with database.transaction() as connection:
        strict = ReturnPolicy(sku=dear.sku, auto_refund_most_minor=0)
        await return_policies.set_policy(connection, uuid4(), strict)
    context, ref = shopper(database, order)
    both = [AskedLine(line.id, 1, ReturnReason.SIZE) for line in await lines_of(database, order.id)]
    made = await returns.request(context, ref, both, ReturnWish.REFUND, None, str(uuid4()))
    assert checks(made) == {"ABOVE_AUTO_REFUND"}
