"""Drafts under contention: whoever pays, changes or cancels at once, there is one order or none."""

import asyncio
from typing import Any

import pytest

from persistence.database import Database
from providers.payments.sandbox import charges
from services.payment_sweep import settle_due
from tests import drafts
from tests.checkouts import events, later, levels, make_stocked_shop
from tests.stocked import assert_explained


def codes(payloads: list[Any]) -> list[str]:
    return [error["code"] for payload in payloads for error in payload["userErrors"]]


async def test_many_who_pay_one_draft_at_once_make_one_order(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2)
    payers = [drafts.pay(database, made["cartToken"]) for _ in range(6)]
    staff = [drafts.place(database, made["order"]) for _ in range(2)]
    ends = await asyncio.gather(*payers, *staff)
    placed = [end["order"] for end in ends if end["order"] is not None]
    assert [(one["id"], one["version"]) for one in placed] == [(made["order"]["id"], 2)]
    assert set(codes(list(ends))) <= {"CART_CLOSED", "ILLEGAL_TRANSITION"}
    assert len(codes(list(ends))) == 7
    assert len(await charges(database.engine)) <= 1
    assert await levels(database, shop) == [(7, 0, 2)]
    assert await events(database, drafts.row_id(made["order"])) == [
        ("OrderDraftCreated", 1),
        ("OrderPlaced", 2),
    ]


@pytest.mark.parametrize("round_", range(4))
async def test_a_draft_that_is_paid_changed_and_canceled_at_once_ends_as_one_of_them(
    database: Database, round_: int
) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2, holdStock=bool(round_ % 2))
    paid, changed, canceled = await asyncio.gather(
        drafts.pay(database, made["cartToken"]),
        drafts.update(database, made["order"], lines=[drafts.line(shop, 3)]),
        drafts.cancel(database, made["order"]),
    )
    order = await drafts.read(database, made["order"])
    units = {line["quantity"] for line in order["lines"]}
    if order["status"] == "OPEN":
        assert paid["order"] is not None
        [charge] = await charges(database.engine)
        assert (charge.state, charge.amount_minor) == ("AUTHORIZED", 1000 * units.pop())
        assert (await levels(database, shop))[0][1:] == (0, charge.amount_minor // 1000)
    else:
        assert (order["status"], canceled["userErrors"]) == ("CANCELED", [])
        assert await levels(database, shop) == [(9, 0, 0)], "what was held and committed is back"
    assert set(codes([paid, changed, canceled])) <= {
        "CART_CLOSED",
        "ILLEGAL_TRANSITION",
        "VERSION_CONFLICT",
    }
    versions = [version for _, version in await events(database, drafts.row_id(order))]
    assert versions == sorted(versions)
    await assert_explained(database)


async def test_sweeps_that_finish_a_draft_together_place_it_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2)
    await drafts.pay(database, made["cartToken"], "timeout", "key")
    await asyncio.gather(
        *(settle_due(later(database)) for _ in range(3)),
        *(drafts.pay(database, made["cartToken"], "timeout", "key") for _ in range(3)),
    )
    final = await drafts.pay(database, made["cartToken"], "timeout", "key")
    assert (final["order"]["number"], final["order"]["version"]) == (made["order"]["number"], 2)
    assert len(await charges(database.engine)) == 1
    assert await levels(database, shop) == [(7, 0, 2)]
