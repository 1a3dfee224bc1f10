"""The rules of returns through the API: policies, what follows from checks, and proven fraud."""

import asyncio
from typing import Any

from domain.return_evidence import Check
from domain.returns import ReturnStatus
from persistence.database import Database
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.factories import data_of, execute, make_app, make_channel, make_variant
from tests.sent_back import arrived_order, ask_for
from tests.statements import count_statements

_POLICY = """{ id version tag sku windowDays finalSale restockingFeePercent labelPayer arriveWithinDays
  creditBonusPercent shippingRefund grades { grade percent } channel { slug }
  labelFee { amount currency } keepBelow { amount } autoRefundMost { amount } }"""
_SET = f"""mutation ($input: ReturnPolicySetInput!) {{ returnPolicySet(input: $input) {{
  policy {_POLICY} userErrors {{ __typename code message path }} }} }}"""
_RULES = "{ check decision defaultDecision possible }"


async def set_policy(database: Database, **given: Any) -> Any:
    return (await data_of(database, _SET, {"input": given}))["returnPolicySet"]


async def refused(database: Database, **given: Any) -> tuple[str, list[str]]:
    """Return the code and the path of what is said against a policy."""
    payload = await set_policy(database, **given)
    assert payload["policy"] is None
    (error,) = payload["userErrors"]
    return error["code"], error["path"]


async def test_a_policy_keeps_what_is_not_named_and_has_defaults_when_it_is_new(database: Database) -> None:
    await make_channel(database, "web", "GBP")
    made = (
        await set_policy(
            database,
            channel="web",
            windowDays=60,
            restockingFeePercent="12.5",
            labelPayer="CUSTOMER",
            labelFee={"amount": "3.95", "currency": "GBP"},
            autoRefundMost={"amount": "100", "currency": "GBP"},
            grades=[{"grade": "USED", "percent": "33.3333"}],
            expectedVersion=0,
        )
    )["policy"]
    assert (made["version"], made["windowDays"], made["restockingFeePercent"]) == (1, 60, "12.5")
    assert (made["labelFee"], made["keepBelow"]) == (
        {"amount": "3.95", "currency": "GBP"},
        {"amount": "0.00"},
    )
    shares = {one["grade"]: one["percent"] for one in made["grades"]}
    assert shares == {
        "AS_NEW": "100",
        "OPENED": "100",
        "USED": "33.3333",
        "DAMAGED": "0",
        "INCOMPLETE": "0",
        "NOT_OURS": "0",
    }
    after = (await set_policy(database, channel="web", finalSale=True, expectedVersion=1))["policy"]
    assert {**made, "version": 2, "finalSale": True} == after
    everywhere = (await set_policy(database, windowDays=14))["policy"]
    assert (everywhere["channel"], everywhere["labelFee"], everywhere["arriveWithinDays"]) == (None, None, 21)
    trail = await run_sql(database, "SELECT action FROM audit_entries WHERE target_kind = 'return_policy'")
    assert len(trail) == 3


async def test_what_is_wrong_with_a_policy_is_said_of_its_field(database: Database) -> None:
    web = await make_channel(database, "web", "JPY")
    mug = await make_variant(database, web)
    wrong: list[tuple[dict[str, Any], str, list[str]]] = [
        ({"channel": "nowhere"}, "NOT_FOUND", ["channel"]),
        ({"channel": "no\0where"}, "NOT_FOUND", ["channel"]),
        ({"sku": "NO-SUCH"}, "NOT_FOUND", ["sku"]),
        ({"sku": "\0"}, "NOT_FOUND", ["sku"]),
        ({"tag": "no-such"}, "NOT_FOUND", ["tag"]),
        ({"tag": "any", "sku": mug.sku}, "INVALID_INPUT", ["tag"]),
        ({"windowDays": -1}, "INVALID_INPUT", ["windowDays"]),
        ({"windowDays": 3651}, "INVALID_INPUT", ["windowDays"]),
        ({"arriveWithinDays": 0}, "INVALID_INPUT", ["arriveWithinDays"]),
        ({"restockingFeePercent": "100.1"}, "INVALID_INPUT", ["restockingFeePercent"]),
        ({"restockingFeePercent": "1.00001"}, "INVALID_INPUT", ["restockingFeePercent"]),
        ({"creditBonusPercent": "-1"}, "INVALID_INPUT", ["creditBonusPercent"]),
        ({"grades": [{"grade": "USED", "percent": "101"}]}, "INVALID_INPUT", ["grades", "0", "percent"]),
        ({"grades": [{"grade": "USED", "percent": "1"}] * 2}, "INVALID_INPUT", ["grades", "1", "grade"]),
        ({"labelFee": {"amount": "1", "currency": "JPY"}}, "INVALID_INPUT", ["labelFee", "currency"]),
        (
            {"channel": "web", "keepBelow": {"amount": "1", "currency": "USD"}},
            "INVALID_INPUT",
            ["keepBelow", "currency"],
        ),
        (
            {"channel": "web", "autoRefundMost": {"amount": "1.5", "currency": "JPY"}},
            "INVALID_INPUT",
            ["autoRefundMost", "amount"],
        ),
        (
            {"channel": "web", "labelFee": {"amount": "-1", "currency": "JPY"}},
            "INVALID_INPUT",
            ["labelFee", "amount"],
        ),
        ({"expectedVersion": 1}, "VERSION_CONFLICT", ["expectedVersion"]),
    ]
    for given, code, path in wrong:
        assert await refused(database, **given) == (code, path), given
    assert (await run_sql(database, "SELECT count(*) FROM return_policies"))[0][0] == 0


async def test_an_archived_item_still_has_rules_as_its_units_may_come_back(database: Database) -> None:
    web = await make_channel(database, "web")
    mug = await make_variant(database, web)
    await run_sql(
        database,
        "UPDATE variants SET archived_at = now(), tags = '{old}' WHERE id = :id RETURNING id",
        id=mug.id,
    )
    assert (await set_policy(database, sku=mug.sku, finalSale=True))["policy"]["sku"] == mug.sku
    assert (await set_policy(database, tag="old", windowDays=5))["policy"]["tag"] == "old"


async def test_of_two_who_set_a_policy_at_once_one_is_told_of_the_other(database: Database) -> None:
    await set_policy(database, windowDays=10)
    answers = await asyncio.gather(
        *(set_policy(database, windowDays=days, expectedVersion=1) for days in (20, 40))
    )
    codes = sorted(one["userErrors"][0]["code"] for one in answers if one["userErrors"])
    assert codes == ["VERSION_CONFLICT"]


async def test_the_closest_policy_decides_and_what_is_removed_does_not(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    slug, sku = shop.channel.slug, shop.variant.sku
    await run_sql(
        database, "UPDATE variants SET tags = '{sale}' WHERE id = :id RETURNING id", id=shop.variant.id
    )
    limit = {"amount": "500", "currency": shop.channel.currency}
    await set_policy(database, windowDays=1)
    await set_policy(database, channel=slug, windowDays=30, autoRefundMost=limit)
    tagged = (await set_policy(database, channel=slug, tag="sale", finalSale=True))["policy"]
    order = await arrived_order(database, 3, shop=shop, days_ago=2)
    assert (await ask_for(database, order)).status is ReturnStatus.DECLINED
    remove = """mutation ($input: ReturnPolicyRemoveInput!) { returnPolicyRemove(input: $input) {
      removedId userErrors { code path } } }"""
    wrong = {"input": {"id": tagged["id"], "expectedVersion": 7}}
    (error,) = (await data_of(database, remove, wrong))["returnPolicyRemove"]["userErrors"]
    assert error == {"code": "VERSION_CONFLICT", "path": ["expectedVersion"]}
    given = {"input": {"id": tagged["id"], "expectedVersion": 1}}
    assert (await data_of(database, remove, given))["returnPolicyRemove"]["removedId"] == tagged["id"]
    (error,) = (await data_of(database, remove, given))["returnPolicyRemove"]["userErrors"]
    assert error == {"code": "NOT_FOUND", "path": ["id"]}
    # Who was declined before is looked at; a shop that trusts the channel's rule alone approves.
    other = await arrived_order(database, 1, shop=shop, days_ago=2)
    assert (await ask_for(database, other)).status is ReturnStatus.APPROVED
    await set_policy(database, sku=sku, windowDays=1)
    third = await arrived_order(database, 1, shop=shop, days_ago=2)
    assert (await ask_for(database, third)).status is ReturnStatus.DECLINED


async def test_policies_are_listed_page_by_page_with_few_statements(database: Database) -> None:
    web = await make_channel(database, "web")
    await make_channel(database, "other")
    skus = [(await make_variant(database, web)).sku for _ in range(4)]
    for sku in skus:
        await set_policy(database, sku=sku, channel="web", windowDays=5)
    await set_policy(database, windowDays=6)
    await set_policy(database, channel="other")
    document = f"""query ($after: String) {{ returnPolicies(channel: "web", first: 3, after: $after) {{
      edges {{ node {_POLICY} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
    with count_statements(database) as sent:
        first = (await data_of(database, document))["returnPolicies"]
    assert len(sent) == 3, sent
    assert [edge["node"]["sku"] for edge in first["edges"]] == skus[:3]
    after = {"after": first["pageInfo"]["endCursor"]}
    rest = (await data_of(database, document, after))["returnPolicies"]
    assert [edge["node"]["sku"] for edge in rest["edges"]] == [skus[3], None]
    assert not rest["pageInfo"]["hasNextPage"]


async def test_a_rule_is_set_and_goes_back_to_its_default(database: Database) -> None:
    rules = {
        one["check"]: one for one in (await data_of(database, f"{{ returnRules {_RULES} }}"))["returnRules"]
    }
    assert set(rules) == {one.value for one in Check}
    assert rules["WINDOW_OVER"] == {
        "check": "WINDOW_OVER",
        "decision": "DECLINE",
        "defaultDecision": "DECLINE",
        "possible": ["APPROVE", "ASK_STAFF", "DECLINE"],
    }
    assert rules["PROVIDER_SILENT"]["possible"] == ["ASK_STAFF"]
    document = f"""mutation ($input: ReturnRuleSetInput!) {{ returnRuleSet(input: $input) {{
      rule {_RULES} userErrors {{ code path }} }} }}"""

    async def set_rule(check: str, decision: str | None) -> Any:
        given = {"input": {"check": check, "decision": decision}}
        return (await data_of(database, document, given))["returnRuleSet"]

    assert (await set_rule("WINDOW_OVER", "ASK_STAFF"))["rule"]["decision"] == "ASK_STAFF"
    await set_policy(database, windowDays=1)
    late = await arrived_order(database, days_ago=3)
    assert (await ask_for(database, late)).status is ReturnStatus.REQUESTED
    assert (await set_rule("WINDOW_OVER", None))["rule"]["decision"] == "DECLINE"
    assert (
        await ask_for(database, await arrived_order(database, days_ago=3))
    ).status is ReturnStatus.DECLINED
    entries = "SELECT after FROM audit_entries WHERE action = 'ReturnRuleSet' ORDER BY id"
    trail = await run_sql(database, entries)
    assert [row.after for row in trail] == [{"decision": "ASK_STAFF"}, {"decision": "DECLINE"}]
    for check in ("PROVIDER_DISAGREES", "NOT_THE_BUYER", "KEPT_IN_PIECES", "NOT_AS_EXPECTED"):
        for decision in ("APPROVE", "DECLINE"):
            assert (await set_rule(check, decision))["userErrors"] == [
                {"code": "INVALID_INPUT", "path": ["decision"]}
            ]


async def test_proven_fraud_sends_returns_to_staff_until_it_is_taken_back(database: Database) -> None:
    await set_policy(database, windowDays=30)
    create = """mutation ($input: FraudFlagCreateInput!) { fraudFlagCreate(input: $input) {
      fraudFlag { id email note } userErrors { code path } } }"""
    for given, path in [
        ({"email": "no address", "note": "x"}, ["email"]),
        ({"email": "ada@example.com", "note": "  "}, ["note"]),
        ({"email": "ada@example.com", "note": "x\0"}, ["note"]),
    ]:
        payload = (await data_of(database, create, {"input": given}))["fraudFlagCreate"]
        assert payload["userErrors"] == [{"code": "INVALID_INPUT", "path": path}]
    given = {"email": " Ada@Example.com", "note": "sent a stone"}
    flag = (await data_of(database, create, {"input": given}))["fraudFlagCreate"]["fraudFlag"]
    assert flag["email"] == "ada@example.com"

    asked = await ask_for(database, await arrived_order(database))
    assert asked.verdict is not None
    (finding,) = [one for one in asked.verdict["findings"] if one["check"] == "FRAUD_BEFORE"]
    assert (finding["decision"], finding["facts"]["notes"]) == ("ASK_STAFF", ["sent a stone"])

    listed = (
        """query ($email: String) { fraudFlags(email: $email) { edges { node { id note createdBy } } } }"""
    )
    for email, many in (("ADA@example.com", 1), ("eve@example.com", 0), ("\0", 0), (None, 1)):
        assert len((await data_of(database, listed, {"email": email}))["fraudFlags"]["edges"]) == many
    remove = """mutation ($input: FraudFlagRemoveInput!) { fraudFlagRemove(input: $input) {
      removedId userErrors { code path } } }"""
    gone = {"input": {"id": flag["id"]}}
    assert (await data_of(database, remove, gone))["fraudFlagRemove"]["removedId"] == flag["id"]
    (error,) = (await data_of(database, remove, gone))["fraudFlagRemove"]["userErrors"]
    assert error == {"code": "NOT_FOUND", "path": ["id"]}
    again = await ask_for(database, await arrived_order(database))
    assert again.verdict is not None
    assert "FRAUD_BEFORE" not in {one["check"] for one in again.verdict["findings"]}
    actions = await run_sql(database, "SELECT action FROM audit_entries WHERE target_kind = 'fraud_flag'")
    assert sorted(row.action for row in actions) == ["FraudFlagCreated", "FraudFlagRemoved"]


async def test_rules_are_for_staff_who_see_to_returns(database: Database) -> None:
    for document in (
        "{ returnPolicies { edges { cursor } } }",
        "{ returnRules { check } }",
        "{ fraudFlags { edges { cursor } } }",
        "mutation { returnPolicySet(input: {}) { policy { id } } }",
        "mutation { returnRuleSet(input: {check: FINAL_SALE}) { rule { check } } }",
        'mutation { fraudFlagCreate(input: {email: "a@example.com", note: "x"}) { fraudFlag { id } } }',
    ):
        result = await execute(database, document, actor=make_app(Permission.ORDERS_READ))
        assert result.errors is not None
        assert "the permission returns." in result.errors[0].message
