"""Returns and claims by account: what an order's token lets a guest do, its customer does by being one."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.scalars import encode_id
from domain.claims import ClaimKind, ClaimOutcome, ClaimStatus
from domain.kernel.errors import AccessDenied, NotFound
from domain.orders import Order
from domain.return_requests import AskedLine
from domain.returns import Disposition, Grade, ReturnReason, ReturnStatus, ReturnWish
from persistence.database import Database
from services import claim_cancellations, claims, exchange_payments, return_tracking, returns
from services.access import ANONYMOUS, Actor
from services.claims import Wanted
from services.orders import OrderRef
from tests.checkouts import make_stocked_shop, till
from tests.claimed import claim
from tests.exchanged import another_article, exchange_for, exchange_shop
from tests.factories import data_of
from tests.sent_back import arrived_order, ask_for, bring_back, desk, let_return, lines_of, look_at, shopper
from tests.shipping import parts_of
from tests.signed_in import customer_of

ELIGIBILITY = "query($ref: OrderRef!) { returnEligibility(ref: $ref) { lines { returnable } } }"
REQUEST = """mutation($ref: OrderRef!, $line: ID!, $key: String!) { returnRequest(input: {ref: $ref,
    lines: [{lineId: $line, quantity: 1, reason: CHANGED_MIND}], idempotencyKey: $key}) {
    return { id status verdict { findings { record } } refund { amount } } userErrors { code path } } }"""
CANCEL = """mutation($ref: OrderRef!, $id: ID!) { returnCancel(input: {ref: $ref, id: $id}) {
    return { status } userErrors { code path } } }"""
MINE = "query($ref: OrderRef!) { order(ref: $ref) { returns { id status } } orderClaims(ref: $ref) { id } }"


async def arrived(database: Database, email: str = "ada@example.com", units: int = 3) -> Order:
    """Return an order of a guest that has arrived and may come back."""
    await let_return(database)
    return await arrived_order(database, units, email=email)


async def requested(database: Database, actor: Actor, order: Order, key: str | None = None) -> Any:
    """Ask to return one unit of an order, named by its id."""
    line = (await lines_of(database, order.id))[0]
    given = {"ref": ref_of(order), "line": encode_id("OrderLine", line.id), "key": key or str(uuid4())}
    providers = till(database).environment.payment_providers
    return (await data_of(database, REQUEST, given, actor, payment_providers=providers))["returnRequest"]


def ref_of(order: Order) -> dict[str, str]:
    return {"id": encode_id("Order", order.id)}


async def test_a_customer_returns_what_they_bought_as_a_guest_and_gets_the_money_back(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 10)
    await let_return(database)
    order = await arrived_order(database, 3, shop=shop, email="Ada@example.com")
    ada = await customer_of(database, "ada@EXAMPLE.com")

    eligible = (await data_of(database, ELIGIBILITY, {"ref": ref_of(order)}, ada))["returnEligibility"]
    key = str(uuid4())
    made = await requested(database, ada, order, key)
    again = await requested(database, ada, order, key)

    assert eligible["lines"] == [{"returnable": 3}]
    assert made["userErrors"] == []
    assert made["return"]["status"] == "APPROVED"
    assert made["return"]["verdict"] is None, "a verdict is for staff"
    assert again["return"]["id"] == made["return"]["id"]
    mine = await data_of(database, MINE, {"ref": ref_of(order)}, ada)
    assert mine["order"]["returns"] == [{"id": made["return"]["id"], "status": "APPROVED"}]
    async with database.read() as connection:
        row = (await connection.exec_driver_sql("SELECT id FROM returns")).one()
    found = await returns.find(desk(database), row.id)
    assert found is not None
    evidence = [one for one in (found.verdict or {})["findings"] if one["record"] == "CUSTOMER"]
    assert [(one["check"], one["decision"]) for one in evidence] == [("IS_BUYER", "APPROVE")]
    assert evidence[0]["facts"]["verifiedBy"] == "ACCOUNT"
    assert evidence[0]["facts"]["account"] == found.created_by == ada.label

    await bring_back(database, found, shop.locations[0].code)
    closed = await look_at(database, found, Disposition.RESTOCKED, Grade.AS_NEW)
    assert (closed.status, closed.refund_minor) == (ReturnStatus.CLOSED, 1000)


async def test_a_guest_is_verified_by_the_token_and_the_evidence_says_so(database: Database) -> None:
    found = await ask_for(database, await arrived(database))
    assert [
        one["facts"]["verifiedBy"] for one in (found.verdict or {})["findings"] if one["record"] == "CUSTOMER"
    ] == ["ORDER_TOKEN"]


async def test_a_customer_who_shows_anothers_token_is_believed_for_the_token(
    database: Database,
) -> None:
    order = await arrived(database)
    eve = await customer_of(database, "eve@example.com")
    context, ref = till(database, eve), shopper(database, order)[1]
    line = (await lines_of(database, order.id))[0]
    asked = [AskedLine(line.id, 1, ReturnReason.CHANGED_MIND)]

    found = await returns.request(context, ref, asked, ReturnWish.REFUND, None, str(uuid4()))

    (facts,) = [one["facts"] for one in (found.verdict or {})["findings"] if one["record"] == "CUSTOMER"]
    assert (facts["verifiedBy"], facts.get("account")) == ("ORDER_TOKEN", None)


async def test_a_customer_gives_up_their_own_return_and_names_its_parcel(database: Database) -> None:
    order = await arrived(database)
    ada = await customer_of(database, "ada@example.com")
    found = await ask_for(database, order)
    context, ref = till(database, ada), OrderRef(id=order.id)

    sent = await return_tracking.name_parcel(context, ref, found.id, "Post", "RR 1")
    given = {"ref": ref_of(order), "id": encode_id("Return", found.id)}
    canceled = (await data_of(database, CANCEL, given, ada))["returnCancel"]

    assert sent.id == found.id
    assert canceled == {"return": {"status": "CANCELED"}, "userErrors": []}
    async with database.read() as connection:
        audited = await connection.exec_driver_sql("SELECT action FROM audit_entries")
        assert "ReturnCanceled" not in {row.action for row in audited}, "only staff leave an audit trail"


async def test_a_customer_claims_what_was_damaged(database: Database) -> None:
    order = await arrived(database)
    ada = till(database, await customer_of(database, "ada@example.com"))
    wanted = await damaged(database, order)

    made = await claims.create(ada, OrderRef(number=order.number), wanted, str(uuid4()))

    assert made.created_by == ada.actor.label
    assert [one.id for one in await claims.of_order(ada, OrderRef(id=order.id))] == [made.id]


async def damaged(database: Database, order: Order) -> Wanted:
    line = (await lines_of(database, order.id))[0]
    parcel = (await parts_of(database, order.id)).shipments[0]
    return Wanted(parcel.id, ClaimKind.DAMAGED, ClaimOutcome.REFUND, [(line.id, 1)], "It is broken")


async def test_nobody_returns_claims_or_gives_up_what_is_anothers(database: Database) -> None:
    order = await arrived(database)
    found = await ask_for(database, order)
    own = await arrived(database, "eve@example.com")
    eve = await customer_of(database, "eve@example.com")
    context, wanted = till(database, eve), await damaged(database, order)

    line = (await lines_of(database, order.id))[0]
    asked = [AskedLine(line.id, 1, ReturnReason.CHANGED_MIND)]
    for ref in (OrderRef(id=order.id), OrderRef(number=order.number), OrderRef(id=UUID(int=1))):
        tried = (
            returns.eligibility(context, ref),
            returns.request(context, ref, asked, ReturnWish.REFUND, "ada@example.com", str(uuid4())),
            returns.cancel(context, ref, found.id, None, None),
            return_tracking.name_parcel(context, ref, found.id, "Post", "RR 1"),
            claims.create(context, ref, wanted, str(uuid4())),
            claims.of_order(context, ref),
        )
        for attempt in tried:
            with pytest.raises(NotFound) as missing:
                await attempt
            assert (missing.value.message, missing.value.path) == ("there is no such order", ("ref",))
    for attempt in (
        returns.cancel(context, OrderRef(id=own.id), found.id, None, None),
        return_tracking.name_parcel(context, OrderRef(id=own.id), found.id, "Post", "RR 1"),
    ):
        with pytest.raises(NotFound):
            await attempt
    for nobody in (ANONYMOUS, eve):
        with pytest.raises(AccessDenied):
            await returns.cancel(till(database, nobody), None, found.id, None, None)


async def test_customers_pay_for_their_exchanges_and_withdraw_their_claims_and_nobody_elses(
    database: Database,
) -> None:
    shop, order = await exchange_shop(database)
    asked = await exchange_for(database, order, await another_article(database, shop, "13"))
    claimed = await claim(database, order, 1, ClaimKind.DAMAGED)
    ref, key = OrderRef(id=order.id), str(uuid4())
    eve = till(database, await customer_of(database, "eve@example.com"))
    ada = till(database, await customer_of(database, order.email or ""))

    with pytest.raises(NotFound):
        await exchange_payments.pay(eve, ref, asked.id, "sandbox", "ok", key)
    with pytest.raises(NotFound):
        await claim_cancellations.cancel(eve, ref, claimed.id, None, None)
    paid = await exchange_payments.pay(ada, ref, asked.id, "sandbox", "ok", key)
    gone = await claim_cancellations.cancel(ada, ref, claimed.id, None, None)

    assert paid.payment.amount_minor == 300
    assert gone.status is ClaimStatus.CANCELED
