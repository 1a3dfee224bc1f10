"""How returns are sent: labels bought once whoever dies, codes instead, and who may print them."""

from typing import Any
from uuid import UUID

import pytest

from domain.kernel.errors import InvalidInput
from domain.notifications import NotificationKind
from domain.return_parcels import ReturnShipping
from domain.return_policies import LabelPayer
from domain.returns import ReturnStatus
from domain.shipments import LabelState
from persistence.database import Database
from providers.carriers.sandbox_record import parcels
from services import return_labels, return_shipping, returns
from services.access import ANONYMOUS, Permission
from tests.cart_flows import run_sql
from tests.factories import data_of, make_app, make_context
from tests.integration.test_files import opened
from tests.sent_back import ask_for, let_return, shopper
from tests.ways_back import (
    carriers,
    key,
    kinds,
    labeled_return,
    letters,
    parcel_of,
    sent_by_sandbox,
    staff,
    with_label,
)

K = NotificationKind

_RETURNS = """query ($ref: OrderRef!) { order(ref: $ref) { returns { number status
    label { state carrier trackingNumber documentUrl format dropOffCode instructions sendTo { line1 }
            price { amount } } parcels { status trackingNumber } } } }"""


async def test_what_an_earlier_version_approved_is_planned_by_the_sweep(database: Database) -> None:
    found = await labeled_return(database)
    await run_sql(database, "DELETE FROM return_parcels RETURNING id")
    assert await return_labels.plan_due(staff(database)) == 1
    assert await return_labels.plan_due(staff(database)) == 0
    assert await return_labels.buy_due(staff(database)) == 1
    assert (await parcel_of(database, found)).label_state is LabelState.PURCHASED


async def test_what_the_customer_pays_alone_is_dropped_off_with_a_code(database: Database) -> None:
    await let_return(database, label_payer=LabelPayer.CUSTOMER)
    found = await ask_for(database, await sent_by_sandbox(database), **carriers(database))
    parcel = await parcel_of(database, found)
    assert (parcel.label_state, parcel.tracking_number) == (LabelState.NONE, None)
    assert parcel.drop_off_code is not None
    assert parcel.drop_off_code.startswith(f"{found.number}-")
    assert await parcels(database.engine) == []
    assert "ReturnReadyToSend" in await kinds(database, found)


async def test_a_carrier_without_labels_for_returns_leaves_a_code(database: Database) -> None:
    await let_return(database)
    found = await ask_for(database, await sent_by_sandbox(database))
    assert (await parcel_of(database, found)).label_state is LabelState.NONE


async def test_a_label_that_is_refused_waits_for_staff_who_buy_another_or_none(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database)
    await run_sql(database, "UPDATE shipments SET service_code = 'PIGEON' RETURNING id")
    found = await with_label(database, order)
    parcel = await parcel_of(database, found)
    assert (parcel.label_state, parcel.refusal and parcel.refusal[0]) == (
        LabelState.FAILED,
        "unknown_service",
    )
    assert (await kinds(database, found))[-1] == "ReturnLabelFailed"
    assert await letters(database, order) == [K.RETURN_APPROVED]

    clerk, once = staff(database), key()
    for _ in range(2):
        await return_labels.purchase(clerk, found.id, "sandbox", "EXPRESS", once)
    parcel = await parcel_of(database, found)
    assert (parcel.label_state, parcel.service_code) == (LabelState.PURCHASED, "EXPRESS")
    assert len(await parcels(database.engine)) == 1
    assert await letters(database, order) == [K.RETURN_APPROVED, K.RETURN_READY_TO_SEND]

    other = await with_label(database, order)
    await return_labels.purchase(clerk, other.id, None, None, key())
    assert (await parcel_of(database, other)).label_state is LabelState.NONE
    assert (await kinds(database, other))[-1] == "ReturnReadyToSend"


async def test_the_label_of_a_return_that_is_given_up_goes_back(database: Database) -> None:
    found = await labeled_return(database)
    await returns.cancel(staff(database), None, found.id, None, None)
    for _ in range(2):
        await return_labels.give_back_due(staff(database))
    (sold,) = await parcels(database.engine)
    assert sold.voided_at is not None
    assert (await parcel_of(database, found)).label_state is LabelState.VOIDED


async def test_a_label_that_went_back_is_not_printed_any_more(database: Database) -> None:
    found = await labeled_return(database)
    await returns.cancel(staff(database), None, found.id, None, None)
    await return_labels.give_back_due(staff(database))
    (row,) = await run_sql(database, "SELECT token_generation FROM orders WHERE id = :id", id=found.order_id)
    own = make_context(database).environment.tokens.sign("order", found.order_id, row.token_generation)
    answer = await data_of(database, _RETURNS, {"ref": {"token": own}}, ANONYMOUS)
    (shown,) = answer["order"]["returns"]
    assert (shown["label"]["state"], shown["label"]["documentUrl"]) == ("VOIDED", None)


async def test_a_service_is_of_its_own_carrier(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database)
    await run_sql(database, "UPDATE shipments SET provider = 'table_rate' RETURNING id")
    clerk = staff(database)
    await return_shipping.set_for(clerk, None, None, ReturnShipping(provider="sandbox"))
    found = await with_label(database, order)
    parcel = await parcel_of(database, found)
    assert parcel.refusal is not None
    assert parcel.refusal[0] == "service_missing", "what the other carrier calls its service says nothing"
    for code in ("\0", " ", "x" * 101):
        with pytest.raises(InvalidInput) as refused:
            await return_labels.purchase(clerk, found.id, "sandbox", code, key())
        assert refused.value.path == ("serviceCode",)


@pytest.mark.parametrize("status", [ReturnStatus.CANCELED, ReturnStatus.CLOSED])
async def test_the_label_of_what_expired_or_went_otherwise_is_kept_for_two_weeks(
    database: Database, status: ReturnStatus
) -> None:
    found = await labeled_return(database)
    for days, state in ((1, LabelState.PURCHASED), (15, LabelState.VOIDED)):
        await run_sql(
            database,
            "UPDATE returns SET status = :status, expires_at = now() - make_interval(days => :days),"
            " closed_at = now() - make_interval(days => :days) + interval '1 hour' RETURNING id",
            days=days,
            status=status.value,
        )
        await return_labels.give_back_due(staff(database))
        assert (await parcel_of(database, found)).label_state is state


async def test_a_shopper_prints_their_own_label_and_nobody_elses(database: Database) -> None:
    found = await labeled_return(database)
    (row,) = await run_sql(
        database, "SELECT id, token_generation FROM orders WHERE id = :id", id=found.order_id
    )
    tokens = make_context(database).environment.tokens
    own = tokens.sign("order", found.order_id, row.token_generation)

    answer = (await data_of(database, _RETURNS, {"ref": {"token": own}}, ANONYMOUS))["order"]["returns"][0]
    label = answer["label"]
    assert (label["state"], label["format"]) == ("PURCHASED", "PDF")
    assert label["sendTo"] == {"line1": "Lagerstr. 1"}
    assert label["price"] is None
    async with opened(database) as nobody, opened(database, Permission.RETURNS_READ) as clerk:
        link = label["documentUrl"]
        url, _ = link.split("?token=")
        mine = await nobody.get(link)
        assert mine.status_code == 200
        assert mine.headers["content-type"] == "application/pdf"
        assert mine.headers["cache-control"] == "private, no-store"
        assert mine.content.startswith(b"%PDF")
        document_id = UUID(url.rsplit("/", 1)[1])
        kind = return_labels.DOCUMENT_TOKEN
        stale = tokens.sign(kind, document_id, row.token_generation + 1)
        another = tokens.sign(kind, found.order_id, row.token_generation)
        # An order's own token opens nothing here: it is too much to stand in an address.
        for token in (own, stale, another, "x", ""):
            assert (await nobody.get(f"{url}?token={token}")).status_code == 404
        assert (await nobody.get(url)).status_code == 401
        assert (await clerk.get(url)).content == mine.content


async def test_a_channel_says_where_its_returns_go_by_whom_and_with_which_words(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database)
    (place,) = await run_sql(database, "SELECT code FROM locations ORDER BY id DESC LIMIT 1")
    said = """mutation ($input: ReturnShippingSetInput!) { returnShippingSet(input: $input) {
        returnShipping { provider serviceCode remindDays version } userErrors { path code } } }"""
    wanted = {
        "locationCode": place.code,
        "provider": "sandbox",
        "serviceCode": "ECONOMY",
        "instructions": "Use the box that it came in.",
    }

    async def set_to(**changes: object) -> dict[str, Any]:
        given = {"input": {**wanted, **changes}}
        actor = make_app(Permission.RETURNS_WRITE)
        answer = await data_of(database, said, given, actor, **carriers(database))
        return dict(answer["returnShippingSet"])

    first, again = await set_to(), await set_to(remindDays=5)
    assert [one["returnShipping"]["version"] for one in (first, again)] == [1, 2]
    wrong: list[tuple[dict[str, object], str]] = [
        ({"locationCode": "nowhere"}, "locationCode"),
        ({"provider": "pigeons"}, "provider"),
        ({"channel": "moon"}, "channel"),
        ({"remindDays": -1}, "remindDays"),
        ({"instructions": ""}, "instructions"),
        ({"provider": None}, "serviceCode"),
        ({"expectedVersion": 1}, "expectedVersion"),
        ({"channel": None, "expectedVersion": 0}, "expectedVersion"),
    ]
    for changes, path in wrong:
        (error,) = (await set_to(**changes))["userErrors"]
        assert error["path"][-1] == path
    found = await with_label(database, order)
    parcel = await parcel_of(database, found)
    assert (parcel.service_code, parcel.label_state) == ("ECONOMY", LabelState.PURCHASED)
    _, ref = shopper(database, order)
    (shown,) = (await data_of(database, _RETURNS, {"ref": {"token": ref.token}}))["order"]["returns"]
    assert shown["label"]["instructions"] == "Use the box that it came in."
