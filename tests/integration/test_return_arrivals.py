"""What arrives otherwise than expected: parcels without a request, surplus units, things not ours."""

from typing import Any

import pytest

from api.scalars import encode_id
from domain.kernel.errors import InvalidInput, VersionConflict
from domain.return_requests import AskedLine
from domain.returns import ReturnReason, ReturnStatus
from persistence.database import Database
from services import return_arrivals, return_receipts, return_settlement, returns
from services.access import Permission
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.factories import data_of, make_app, make_location
from tests.sent_back import DESK, arrived_order, ask_for, bring_back, desk, let_return, lines_of, look_at

_BLIND = """mutation ($input: ReturnReceiveBlindInput!) { returnReceiveBlind(input: $input) {
    return { id number status wish note verdict { decision findings { check } } lines { quantityReceived } }
    userErrors { code path } } }"""
_SURPLUS = """mutation ($input: ReturnSurplusRecordInput!) { returnSurplusRecord(input: $input) {
    return { surplus { sku quantity isOurs note } refund { amount } } userErrors { code path } } }"""


async def quality_control(database: Database) -> int:
    (row,) = await run_sql(database, "SELECT coalesce(sum(quality_control), 0) AS units FROM stock_levels")
    return int(row.units)


async def test_a_parcel_without_a_request_is_received_and_its_money_left_to_staff(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    (line,) = await lines_of(database, order.id)
    clerk = make_app(Permission.RETURNS_READ, Permission.RETURNS_WRITE, Permission.ORDERS_READ)

    async def blind(quantity: int, key: str, **changes: Any) -> dict[str, Any]:
        given = {
            "ref": {"number": order.number},
            "locationCode": shop.locations[0].code,
            "lines": [{"lineId": encode_id("OrderLine", line.id), "quantity": quantity}],
            "note": "No slip in it.",
            "idempotencyKey": key,
            **changes,
        }
        return dict((await data_of(database, _BLIND, {"input": given}, clerk))["returnReceiveBlind"])

    first, again = await blind(1, "once"), await blind(1, "once")
    found = first["return"]
    assert found == again["return"]
    assert (found["status"], found["wish"], found["note"]) == ("RECEIVED", "REFUND", "No slip in it.")
    assert found["verdict"]["decision"] == "ASK_STAFF"
    assert "DELIVERED" in {one["check"] for one in found["verdict"]["findings"]}
    assert found["lines"] == [{"quantityReceived": 1}]
    assert await quality_control(database) == 1
    for error, path in (
        ((await blind(2, "more"))["userErrors"][0], ["lines", "0", "quantity"]),
        ((await blind(1, "where", locationCode="moon"))["userErrors"][0], ["locationCode"]),
    ):
        assert error["path"] == path
    (stored,) = await run_sql(database, "SELECT id FROM returns")
    assert encode_id("Return", stored.id) == found["id"]


async def test_a_parcel_without_a_request_is_refunded_by_staff_alone(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    (line,) = await lines_of(database, order.id)
    asked = [AskedLine(line.id, 1, ReturnReason.OTHER)]
    staff = till(database, make_app(*DESK, Permission.ORDERS_READ))
    found = await return_arrivals.receive_blind(
        staff, OrderRef(number=order.number), shop.locations[0].code, asked, None, "k"
    )
    seen = await look_at(database, found)
    assert (seen.status, seen.transaction_ids) == (ReturnStatus.INSPECTED, ())
    assert await returns.find(staff, found.id) == seen


async def test_surplus_is_found_stock_and_what_is_not_ours_is_none_and_neither_brings_money(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    (line,) = await lines_of(database, order.id)
    found = await ask_for(database, order)
    here = await bring_back(database, found, shop.locations[0].code)
    clerk = make_app(Permission.RETURNS_READ, Permission.RETURNS_WRITE)

    async def record(key: str, *items: dict[str, Any]) -> dict[str, Any]:
        given = {
            "id": encode_id("Return", found.id),
            "locationCode": shop.locations[0].code,
            "items": list(items),
            "idempotencyKey": key,
        }
        return dict((await data_of(database, _SURPLUS, {"input": given}, clerk))["returnSurplusRecord"])

    items = (
        {"sku": line.sku, "quantity": 2},
        {"sku": "a brick", "quantity": 1, "notOurs": True, "note": "red"},
    )
    answer = await record("once", *items)
    assert await record("once", *items) == answer
    assert [tuple(one.values()) for one in answer["return"]["surplus"]] == [
        (line.sku, 2, True, None),
        ("a brick", 1, False, "red"),
    ]
    assert answer["return"]["refund"] == {"amount": "0.00"}
    assert await quality_control(database) == 3
    wrong = await record("wrong", {"sku": "unheard of", "quantity": 1})
    assert wrong["userErrors"][0]["path"] == ["items", "0", "sku"]
    for sku, foreign in (("\0", False), ("a\0b", True), (" ", True)):
        wrong = await record(f"unstorable {sku!r}", {"sku": sku, "quantity": 1, "notOurs": foreign})
        assert wrong["userErrors"][0]["path"] == ["items", "0", "sku"]
    wrong = await record("none", {"sku": line.sku, "quantity": 0})
    assert wrong["userErrors"][0]["path"] == ["items", "0", "quantity"]
    seen = await look_at(database, here)
    # Somebody asks whether all of it was meant; one unit was asked for.
    assert (seen.status, seen.transaction_ids, seen.surplus) == (ReturnStatus.INSPECTED, (), 3)
    done = await return_settlement.refund(desk(database), seen.id, None, None, "money")
    assert (done.status, done.refund_minor) == (ReturnStatus.CLOSED, 1000)
    assert await quality_control(database) == 2


async def test_all_of_a_return_is_at_one_place(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    elsewhere = await make_location(database)
    asked = await ask_for(database, await arrived_order(database, 2, shop=shop), 2)
    units, clerk = {asked.lines[0].id: 1}, desk(database)
    # Nothing is here yet: it may come to either.
    await return_receipts.receive(clerk, asked.id, elsewhere.code, units, None, "first")
    with pytest.raises(InvalidInput) as refused:
        await return_receipts.receive(clerk, asked.id, shop.locations[0].code, units, None, "second")
    assert refused.value.path == ("locationCode",)
    with pytest.raises(VersionConflict):
        await return_receipts.receive(clerk, asked.id, elsewhere.code, units, asked.version, "second")
    await return_receipts.receive(clerk, asked.id, elsewhere.code, units, asked.version + 1, "second")
