"""Refunds without an order: asked for, approved by a second person, received, paid, and in the books."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.kernel.errors import AmountTooLarge, IllegalTransition, InvalidInput, NotFound, SameActor
from domain.return_receipts import Look
from domain.returns import Disposition, Grade
from domain.unlinked_refunds import (
    TRANSITIONS,
    UnlinkedRefund,
    UnlinkedRefundMethod,
    UnlinkedRefundStatus,
)
from persistence.database import Database
from services import apps, ledger_reports, return_policies, stored_values, unlinked_refunds
from services.access import Actor, Permission
from tests import books
from tests.cart_flows import levels, run_sql
from tests.factories import (
    data_of,
    execute,
    make_app,
    make_channel,
    make_context,
    make_location,
    make_product,
    variant_draft,
)
from tests.statements import count_statements
from tests.unlinked import CLERK, LEAD, act, ask, check_books, decide, open_till, pay

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "unlinked_refunds.md").read_text()
STORE_CREDIT, MANUAL = UnlinkedRefundMethod.STORE_CREDIT, UnlinkedRefundMethod.MANUAL
STATUS = UnlinkedRefundStatus


async def test_the_examples_of_the_page_run(database: Database) -> None:
    await make_channel(database, slug="web")
    await make_location(database, code="LONDON")
    (variant,) = (await make_product(database, variant_draft(sku="MUG-BLUE")))[1]
    refund_id = line_id = ""
    answers: list[dict[str, Any]] = []

    for document, variables in re.findall(r"```graphql\n(.*?)```(?:\s*```json\n(.*?)```)?", PAGE, re.DOTALL):
        who = LEAD if re.search("Policy|Approve", document) else CLERK
        filled = (variables or "{}").replace("<refundId>", refund_id).replace("<lineId>", line_id)
        if "Link" in document:
            continue  # tests/integration/test_unlinked_refund_links.py has an order
        (answer,) = (await data_of(database, document, json.loads(filled), who, **_tills(database))).values()
        if isinstance(answer, list):
            assert answer == ["sandbox"] or answer[0]["paid"] == {"amount": "24.00"}
            continue
        assert answer.get("userErrors", []) == [], document
        answers.append(answer)
        if "Create" in document:
            refund_id = answer["unlinkedRefund"]["id"]
            line_id = answer["unlinkedRefund"]["lines"][0]["id"]

    assert answers[1]["unlinkedRefund"]["status"] == "PENDING_APPROVAL"
    (node,) = [edge["node"] for edge in answers[-1]["edges"]]
    assert (node["status"], node["paid"]["amount"], node["createdBy"], node["decidedBy"]) == (
        "PAID",
        "24.00",
        CLERK.label,
        LEAD.label,
    )
    assert (await levels(database, variant))["available"] == 2
    assert sorted(await books.lines(database)) == [
        ("UNLINKED_REFUND", "PROVIDER_CLEARING:sandbox", -2400),
        ("UNLINKED_REFUND", "REFUND", 2000),
        ("UNLINKED_REFUND", "TAX", 400),
    ]
    await check_books(database)


def test_the_table_of_statuses_is_the_one_in_force() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_, ]+) \|$", PAGE, re.MULTILINE)
    assert {STATUS(row): set(onward.split(", ")) for row, onward in rows} == {
        status: {one.value for one in onward} for status, onward in TRANSITIONS.items()
    }


async def test_a_second_person_approves_above_the_amount_and_never_who_asked(database: Database) -> None:
    await open_till(database, four_eyes_above=20)
    small = await ask(act(database), "20.00")
    assert (small.status, small.decided_by) == (STATUS.APPROVED, CLERK.label)
    large = await ask(act(database, LEAD), "20.01")
    assert (large.status, large.decided_by) == (STATUS.PENDING_APPROVAL, None)

    with pytest.raises(SameActor):
        await decide(act(database, LEAD), large)
    with pytest.raises(IllegalTransition):
        await pay(act(database, LEAD), large)
    other = make_app(Permission.REFUNDS_APPROVE)
    approved = await decide(act(database, other), large)
    assert (approved.status, approved.decided_by) == (STATUS.APPROVED, other.label)


async def test_all_tokens_of_one_person_are_one_person(database: Database) -> None:
    await open_till(database)
    clerk, same, other = [
        await _app_of(database, owner, *permissions)
        for owner, *permissions in (
            ("grace", Permission.REFUNDS_UNLINKED),
            ("Grace", Permission.REFUNDS_APPROVE),
            ("ada", Permission.REFUNDS_APPROVE),
        )
    ]
    made = await ask(act(database, clerk), "1.00")
    with pytest.raises(SameActor):
        await decide(act(database, same), made)
    # Declining gives nothing away.
    await decide(act(database, same), await ask(act(database, clerk), "1.00"), STATUS.DECLINED)
    with count_statements(database) as approving:
        assert (await decide(act(database, other), made)).decided_by == other.label
    assert len(approving) == 8, approving


async def test_who_may_only_approve_sees_what_waits_for_it_and_what_they_decided(database: Database) -> None:
    await open_till(database, four_eyes_above=1)
    approver, other = make_app(Permission.REFUNDS_APPROVE), make_app(Permission.REFUNDS_APPROVE)
    alone, waits, mine, others = [
        await ask(act(database), price) for price in ("1.00", "2.00", "3.00", "4.00")
    ]
    await decide(act(database, approver), mine)
    await decide(act(database, other), others)

    listed = await data_of(database, "{ unlinkedRefunds { edges { node { id number } } } }", {}, approver)

    nodes = [edge["node"] for edge in listed["unlinkedRefunds"]["edges"]]
    assert [one["number"] for one in nodes] == [mine.number, waits.number]
    all_of_them = await data_of(database, "{ unlinkedRefunds { edges { node { id } } } }", {}, CLERK)
    single = "query ($id: ID!) { node(id: $id) { id } }"
    seen = [
        (await data_of(database, single, edge["node"], approver))["node"]
        for edge in all_of_them["unlinkedRefunds"]["edges"]
    ]
    assert [one and one["id"] for one in seen] == [None, nodes[0]["id"], nodes[1]["id"], None]
    for one in (alone, others):
        with pytest.raises(NotFound):
            await decide(act(database, approver), one)
    assert (await execute(database, "{ unlinkedRefundPolicies { version } }", {}, approver)).errors


async def test_without_limits_of_its_channel_each_is_looked_at(database: Database) -> None:
    await make_channel(database, slug="till")
    assert (await ask(act(database), "0.01")).status is STATUS.PENDING_APPROVAL


async def test_limits_hold_for_requests_at_once(database: Database) -> None:
    await open_till(database, most=10, most_per_day=25)
    with pytest.raises(AmountTooLarge) as refused:
        await ask(act(database), "10.01")
    assert (refused.value.left_minor, refused.value.path) == (1000, ("lines",))

    answers = await asyncio.gather(*(ask(act(database), "10.00") for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, UnlinkedRefund) for one in answers) == 2
    assert {one.left_minor for one in answers if isinstance(one, AmountTooLarge)} == {500}
    # What is declined uses nothing up.
    made = next(one for one in answers if isinstance(one, UnlinkedRefund))
    await decide(act(database, LEAD), made, STATUS.CANCELED)
    assert (await ask(act(database), "10.00")).total_minor == 1000


async def test_small_ones_of_one_person_add_up_to_a_large_one(database: Database) -> None:
    await open_till(database, four_eyes_above=10, alone_per_day=25)
    asked = [await ask(act(database), "10.00") for _ in range(3)]
    assert [one.status for one in asked] == [STATUS.APPROVED, STATUS.APPROVED, STATUS.PENDING_APPROVAL]
    # By whatever token.
    tills = [await _app_of(database, "grace", Permission.REFUNDS_UNLINKED) for _ in range(2)]
    by_two = [await ask(act(database, tills[turn % 2]), "10.00") for turn in range(3)]
    assert [one.status for one in by_two] == [STATUS.APPROVED, STATUS.APPROVED, STATUS.PENDING_APPROVAL]
    # Of others they are not, and what somebody else approved is not one's alone.
    assert (await ask(act(database, LEAD), "10.00")).status is STATUS.APPROVED
    await decide(act(database, LEAD), asked[2])
    assert (await ask(act(database), "5.00")).status is STATUS.APPROVED
    assert (await ask(act(database), "0.01")).status is STATUS.PENDING_APPROVAL


async def test_who_is_flagged_as_a_fraud_is_looked_at_by_two(database: Database) -> None:
    await open_till(database, four_eyes_above=10)
    await return_policies.flag_fraud(make_context(database), "Mallory@example.com", "sent stones back")
    asked = [await ask(act(database), "1.00", email=f"{name}@example.com") for name in ("mallory", "ada")]
    assert [one.status for one in asked] == [STATUS.PENDING_APPROVAL, STATUS.APPROVED]


async def test_one_document_brings_money_once_however_it_is_written(database: Database) -> None:
    await open_till(database, four_eyes_above=100)
    clerk = act(database)
    ways = ("Receipt 2011-17", "receipt 2011/17", " RECEIPT  2011 17.", "receipt: 2011_17")

    answers = await asyncio.gather(
        *(ask(clerk, "1.00", document=one) for one in ways), return_exceptions=True
    )

    (made,) = [one for one in answers if isinstance(one, UnlinkedRefund)]
    refused = [one for one in answers if isinstance(one, InvalidInput)]
    assert {(one.path, made.number in one.message) for one in refused} == {(("documentReference",), True)}
    assert len(refused) == 3
    # Another number is another paper; and who knows that there was money for it needs a second person.
    assert (await ask(clerk, "1.00", document="receipt 2011-1 7")).status is STATUS.APPROVED
    # One sign may unfold into eighteen.
    assert (await ask(clerk, "1.00", document="\ufdfa" * 500)).status is STATUS.APPROVED
    known = await ask(clerk, "1.00", document=ways[0], known=True)
    assert (known.status, known.document_known) == (STATUS.PENDING_APPROVAL, True)
    # What is given up leaves its document free.
    await decide(clerk, made, STATUS.CANCELED)
    assert (await ask(clerk, "1.00", document=ways[1])).status is STATUS.APPROVED


async def test_it_is_paid_once_and_only_what_was_accepted(database: Database) -> None:
    await open_till(database, four_eyes_above=1000)
    london = await make_location(database)
    (variant,) = (await make_product(database, variant_draft(sku="FAIR-MUG")))[1]
    clerk = act(database)
    asked = await ask(clerk, "3.00", quantity=5, sku=variant.sku, tax="1.00", keeps=False)
    line = asked.lines[0]
    with pytest.raises(IllegalTransition):
        await pay(clerk, asked)
    with count_statements(database) as receiving:
        await unlinked_refunds.receive(clerk, asked.id, london.code, {line.id: 4}, None, str(uuid4()))
    looks = [
        Look(line.id, 2, Disposition.RESTOCKED, Grade.AS_NEW),
        Look(line.id, 1, Disposition.NOT_RESTOCKED, Grade.DAMAGED),
        Look(line.id, 1, Disposition.PROCESSING_REQUIRED, Grade.NOT_OURS),
        Look(line.id, 1, Disposition.MISSING, Grade.AS_NEW),
    ]
    with count_statements(database) as inspecting:
        seen = await unlinked_refunds.inspect(clerk, asked.id, looks, None, str(uuid4()))
    assert (seen.lines[0].quantity_accepted, seen.lines[0].quantity_awaited) == (3, 0)
    (stock,) = await run_sql(database, "SELECT available, damaged, quality_control FROM stock_levels")
    assert tuple(stock) == (2, 1, 0)

    answers = await asyncio.gather(*(pay(clerk, asked) for _ in range(8)), return_exceptions=True)
    (paid,) = [one for one in answers if isinstance(one, UnlinkedRefund)]
    assert (paid.status, paid.paid_minor, paid.payment_reference) == (STATUS.PAID, 900, "till 3")
    assert {type(one) for one in answers} == {UnlinkedRefund, IllegalTransition}
    # Tax is the part of the units that were accepted, rounded half up.
    assert books.left(await books.lines(database)) == {"REFUND": 840, "TAX": 60, "CASH:manual": -900}
    await check_books(database)
    assert [len(receiving), len(inspecting)] == [10, 9], (receiving, inspecting)
    await run_sql(database, "UPDATE unlinked_refunds SET paid_minor = 899 RETURNING id")
    (found,) = (await ledger_reports.check(make_context(database))).unexplained
    assert (found.booked_minor, found.expected_minor) == (900, 899)


async def test_bad_input_names_its_field(database: Database) -> None:
    await open_till(database)
    clerk = act(database)
    wrong: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
        ({"quantity": 0}, ("lines", "0", "quantity")),
        ({"sku": "\0"}, ("lines", "0", "sku")),
        ({"tax": "1.01"}, ("lines", "0", "tax")),
        ({"email": "nobody"}, ("email",)),
        ({"email": None}, ("email",)),
        ({"reason": " "}, ("reason",)),
        ({"price": "-1"}, ("lines", "0", "unitPrice", "amount")),
        ({"price": "0"}, ("lines",)),
        ({"currency": "EUR"}, ("lines", "0", "unitPrice", "currency")),
        ({"price": "9999999999999.99", "quantity": 2}, ("lines", "0", "quantity")),
    )
    for changes, path in wrong:
        with pytest.raises(InvalidInput) as refused:
            await ask(clerk, **{"price": "1.00", **changes})
        assert refused.value.path == path, changes
    made = await ask(act(database, LEAD), "1.00", email=None, external_id="till-7")
    made = await decide(act(database, make_app(Permission.REFUNDS_APPROVE)), made)
    for method, reference, field in (
        (UnlinkedRefundMethod.PROVIDER, None, "provider"),
        (STORE_CREDIT, None, "method"),
        (STORE_CREDIT, "x", "paymentReference"),
        (MANUAL, None, "paymentReference"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await pay(clerk, made, method, reference)
        assert refused.value.path == (field,)
    assert await books.lines(database) == []


async def test_the_same_key_asks_once_and_each_step_takes_few_statements(database: Database) -> None:
    await open_till(database)
    clerk = act(database)
    with count_statements(database) as asking:
        first = await ask(clerk, "1.00", key="once")
    assert (await ask(clerk, "1.00", key="once")).id == first.id
    await decide(act(database, LEAD), first)
    with count_statements(database) as paying:
        await pay(clerk, first, STORE_CREDIT, None)
    assert [len(asking), len(paying)] == [11, 9], (asking, paying)
    credit = await stored_values.credit(make_context(database), "ada@example.com", "USD")
    assert credit is not None
    assert credit.balance_minor == 100


async def _app_of(database: Database, owner: str, *permissions: Permission) -> Actor:
    context = make_context(database)
    token = await apps.create(context, "till", [one.value for one in permissions], owner)
    found = await apps.actor_of(context.environment, token)
    assert found is not None
    return found


def _tills(database: Database) -> dict[str, Any]:
    return {"payment_providers": act(database).environment.payment_providers}
