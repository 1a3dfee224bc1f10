"""The limits of claims through the API: kept, checked, audited, and what claims are judged by."""

from typing import Any

import pytest

from domain.claim_policies import ClaimPolicyChanges
from domain.claim_verdicts import ClaimCheck
from domain.claims import Claim, ClaimKind, ClaimOutcome, ClaimStatus
from domain.kernel.errors import AccessDenied
from persistence.database import Database
from services import claim_policies
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.claimed import checks_of, claim, let_be_lost
from tests.factories import data_of, make_app, make_channel, make_context
from tests.sent_back import arrived_order, deliver, let_return
from tests.statements import count_statements

_POLICY = """{ id version kind silentDays reportWithinDays mostByItself needsPhotos
  approveMost { amount currency } channel { slug } }"""
_SET = f"""mutation ($input: ClaimPolicySetInput!) {{ claimPolicySet(input: $input) {{
  policy {_POLICY} userErrors {{ code message path }} }} }}"""
_REMOVE = """mutation ($input: ClaimPolicyRemoveInput!) { claimPolicyRemove(input: $input) {
  removedId userErrors { code path } } }"""
DAMAGED, LOST = ClaimKind.DAMAGED, ClaimKind.LOST_IN_TRANSIT


async def set_policy(database: Database, **given: Any) -> Any:
    payload = (await data_of(database, _SET, {"input": given}))["claimPolicySet"]
    assert payload["userErrors"] == []
    return payload["policy"]


async def test_a_policy_keeps_what_is_not_named_and_has_defaults_when_it_is_new(
    database: Database,
) -> None:
    await make_channel(database, "web", "JPY")
    everywhere = await set_policy(database, expectedVersion=0)
    limits = {"silentDays": 10, "reportWithinDays": 14, "mostByItself": 1, "needsPhotos": True}
    nothing = {"kind": None, "approveMost": None, "channel": None}
    assert everywhere == {"id": everywhere["id"], "version": 1, **limits, **nothing}
    amount = {"amount": "500", "currency": "JPY"}
    made = await set_policy(database, channel="web", kind="DAMAGED", approveMost=amount, mostByItself=3)
    assert (made["approveMost"], made["mostByItself"], made["channel"]) == (amount, 3, {"slug": "web"})
    after = await set_policy(database, channel="web", kind="DAMAGED", needsPhotos=False, expectedVersion=1)
    assert {**made, "version": 2, "needsPhotos": False} == after
    with count_statements(database) as reading:
        page = await data_of(
            database, f'{{ claimPolicies(channel: "web") {{ edges {{ node {_POLICY} }} }} }}'
        )
    assert [one["node"] for one in page["claimPolicies"]["edges"]] == [everywhere, after]
    assert len(reading) == 3, reading

    gone = await data_of(database, _REMOVE, {"input": {"id": after["id"], "expectedVersion": 2}})
    assert gone["claimPolicyRemove"] == {"removedId": after["id"], "userErrors": []}
    again = (await data_of(database, _REMOVE, {"input": {"id": after["id"]}}))["claimPolicyRemove"]
    assert again["userErrors"] == [{"code": "NOT_FOUND", "path": ["id"]}]
    trail = await run_sql(
        database, "SELECT action FROM audit_entries WHERE target_kind = 'claim_policy' ORDER BY id"
    )
    assert [one.action for one in trail] == ["ClaimPolicySet"] * 3 + ["ClaimPolicyRemoved"]


async def test_what_is_wrong_with_a_policy_is_said_of_its_field(database: Database) -> None:
    await make_channel(database, "web", "JPY")
    wrong: list[tuple[dict[str, Any], str, list[str]]] = [
        ({"channel": "no\0where"}, "NOT_FOUND", ["channel"]),
        ({"silentDays": 0}, "INVALID_INPUT", ["silentDays"]),
        ({"silentDays": 3651}, "INVALID_INPUT", ["silentDays"]),
        ({"reportWithinDays": -1}, "INVALID_INPUT", ["reportWithinDays"]),
        ({"mostByItself": -1}, "INVALID_INPUT", ["mostByItself"]),
        ({"mostByItself": 1001}, "INVALID_INPUT", ["mostByItself"]),
        ({"approveMost": {"amount": "1", "currency": "JPY"}}, "INVALID_INPUT", ["approveMost", "currency"]),
        *(
            (
                {"channel": "web", "approveMost": {"amount": amount, "currency": currency}},
                "INVALID_INPUT",
                path,
            )
            for amount, currency, path in (
                ("1", "USD", ["approveMost", "currency"]),
                ("0.5", "JPY", ["approveMost", "amount"]),
                ("-1", "JPY", ["approveMost", "amount"]),
            )
        ),
        ({"expectedVersion": 1}, "VERSION_CONFLICT", ["expectedVersion"]),
    ]
    for given, code, path in wrong:
        payload = (await data_of(database, _SET, {"input": given}))["claimPolicySet"]
        assert [(one["code"], one["path"]) for one in payload["userErrors"]] == [(code, path)], given
    assert (await run_sql(database, "SELECT count(*) FROM claim_policies"))[0][0] == 0
    reader = make_app(Permission.RETURNS_READ)
    with pytest.raises(AccessDenied):
        await claim_policies.set_policy(
            make_context(database, reader), None, None, ClaimPolicyChanges(), None
        )


async def test_claims_are_judged_by_the_closest_limits(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    shop = await make_stocked_shop(database, 20)
    order = await arrived_order(database, 4, shop=shop)
    (channel,) = await run_sql(database, "SELECT slug, currency FROM channels")
    amount = {"amount": "20.00", "currency": channel.currency}
    scope = {"channel": channel.slug, "kind": "DAMAGED"}
    await set_policy(database, mostByItself=0, silentDays=3)
    await set_policy(database, **scope, approveMost=amount, mostByItself=2, needsPhotos=False)

    async def damaged() -> Claim:
        return await claim(database, order, 1, DAMAGED, ClaimOutcome.REFUND)

    first = await damaged()
    assert first.status is ClaimStatus.APPROVED, first.verdict
    # Both together are worth more than the limit, each alone is not.
    second = await damaged()
    assert (second.status, ClaimCheck.ABOVE_LIMIT in checks_of(second)) == (ClaimStatus.REQUESTED, True)
    await set_policy(database, **scope, approveMost={"amount": "100", "currency": channel.currency})
    assert ClaimCheck.CLAIMED_BEFORE in checks_of(await damaged())
    await set_policy(database, **scope, mostByItself=10)
    await deliver(database, order.id, 15)
    late = await damaged()
    assert ClaimCheck.REPORTED_LATE in checks_of(late)
    assert ClaimCheck.CLAIMED_BEFORE not in checks_of(late)

    other = await arrived_order(database, 1, shop=shop)
    await run_sql(database, "UPDATE orders SET email = 'eve@example.com' WHERE id = :id", id=other.id)
    await let_be_lost(database, other, days=4)
    lost = await claim(database, other, 1, LOST)
    # Of this kind none is granted by itself, nor has it an amount: the return policy's is zero.
    assert checks_of(lost) >= {
        ClaimCheck.CARRIER_SILENT, ClaimCheck.CLAIMED_BEFORE, ClaimCheck.ABOVE_LIMIT
    }  # fmt: skip
