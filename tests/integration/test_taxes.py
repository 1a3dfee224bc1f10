"""Tax rates as staff keep them, through GraphQL on a real database."""

from typing import Any

import pytest

from persistence.database import Database
from tests.cart_flows import run_sql
from tests.factories import data_of, make_channel, make_tax_rate, make_variant

RATE = (
    "id version country region taxClass name percent validFrom validUntil appliesToShipping channel { slug }"
)


async def change(database: Database, verb: str, given: dict[str, Any]) -> Any:
    document = f"""mutation ($input: TaxRate{verb}Input!) {{ taxRate{verb}(input: $input) {{
        taxRate {{ {RATE} }} userErrors {{ code message path }} }} }}"""
    return (await data_of(database, document, {"input": given}))[f"taxRate{verb}"]


async def rates(database: Database, channel: str, country: str | None = None) -> list[dict[str, Any]]:
    document = f"""query ($channel: String!, $country: String) {{
        taxRates(channel: $channel, country: $country) {{ {RATE} }} }}"""
    return list((await data_of(database, document, {"channel": channel, "country": country}))["taxRates"])


def vat(channel: str, **more: Any) -> dict[str, Any]:
    return {"channel": channel, "country": "GB", "name": "VAT", "percent": "20", **more}


async def test_a_rate_is_set_set_again_and_deleted(database: Database) -> None:
    channel = await make_channel(database)
    made = (await change(database, "Set", vat(channel.slug, country="gb")))["taxRate"]
    assert (made["country"], made["percent"], made["taxClass"]) == ("GB", "20", "standard")

    again = (await change(database, "Set", vat(channel.slug)))["taxRate"]
    changed = (await change(database, "Set", vat(channel.slug, percent="17.5", appliesToShipping=True)))[
        "taxRate"
    ]
    later = (await change(database, "Set", vat(channel.slug, validFrom="2027-01-01T00:00:00Z")))["taxRate"]

    assert again == made
    assert changed == {**made, "percent": "17.5", "appliesToShipping": True, "version": 2}
    assert later["id"] != made["id"]
    assert [rate["id"] for rate in await rates(database, channel.slug)] == [made["id"], later["id"]]
    assert await rates(database, channel.slug, "fr") == []
    assert (await change(database, "Delete", {"id": made["id"]}))["taxRate"]["percent"] == "17.5"
    assert [
        error["code"] for error in (await change(database, "Delete", {"id": made["id"]}))["userErrors"]
    ] == ["NOT_FOUND"]
    audit = await run_sql(
        database, "SELECT action, before, after FROM audit_entries WHERE target_kind = 'tax_rate' ORDER BY id"
    )
    assert [row.action for row in audit] == ["TaxRateSet", "TaxRateSet", "TaxRateSet", "TaxRateDeleted"]
    assert audit[1].after["parts_per_million"] == 175_000


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"channel": "nowhere"}, ["channel"]),
        ({"country": "XX"}, ["country"]),
        ({"country": "\ud800"}, ["country"]),
        ({"name": ""}, ["name"]),
        ({"name": "\ud800"}, ["name"]),
        ({"region": "\ud800"}, ["region"]),
        ({"region": ""}, ["region"]),
        ({"taxClass": "Ä"}, ["taxClass"]),
        ({"percent": "-1"}, ["percent"]),
        ({"percent": "100.1"}, ["percent"]),
        ({"percent": "0.00001"}, ["percent"]),
        ({"percent": "NaN"}, ["percent"]),
        ({"percent": "1e-999999"}, ["percent"]),
        ({"percent": "1" + "0" * 60}, ["percent"]),
        ({"taxClass": "books", "appliesToShipping": True}, ["appliesToShipping"]),
        ({"validFrom": "2026-01-01T00:00:00Z", "validUntil": "2025-01-01T00:00:00Z"}, ["validUntil"]),
        ({"validFrom": "0001-01-01T00:00:00+14:00"}, ["validFrom"]),
    ],
)
async def test_what_makes_no_rate_names_its_field(
    database: Database, changes: dict[str, Any], path: list[str]
) -> None:
    channel = await make_channel(database)

    refused = await change(database, "Set", {**vat(channel.slug), **changes})

    assert [error["path"] for error in refused["userErrors"]] == [path]
    assert await rates(database, channel.slug) == []


async def test_a_channel_says_how_it_shows_and_rounds_tax(database: Database) -> None:
    channel = await make_channel(database)
    document = """mutation ($input: ChannelUpdateInput!) { channelUpdate(input: $input) {
        channel { version settings { pricesIncludeTax taxRounding } } userErrors { path } } }"""
    listed = (await data_of(database, "{ channels { id slug settings { pricesIncludeTax taxRounding } } }"))[
        "channels"
    ]
    (before,) = (one for one in listed if one["slug"] == channel.slug)
    assert before["settings"] == {"pricesIncludeTax": False, "taxRounding": "LINE"}

    given = {"id": before["id"], "pricesIncludeTax": True, "taxRounding": "ORDER"}
    changed = (await data_of(database, document, {"input": given}))["channelUpdate"]

    assert changed["channel"] == {
        "version": 2,
        "settings": {"pricesIncludeTax": True, "taxRounding": "ORDER"},
    }


async def test_a_variant_has_a_tax_class(database: Database) -> None:
    channel = await make_channel(database)
    variant = await make_variant(database, channel)
    document = """mutation ($input: VariantUpdateInput!) { variantUpdate(input: $input) {
        variant { taxClass version } userErrors { path } } }"""

    changed = await data_of(
        database, document, {"input": {"variant": {"sku": variant.sku}, "taxClass": "books"}}
    )
    refused = await data_of(
        database, document, {"input": {"variant": {"sku": variant.sku}, "taxClass": "No!"}}
    )

    assert changed["variantUpdate"]["variant"] == {"taxClass": "books", "version": 2}
    assert [error["path"] for error in refused["variantUpdate"]["userErrors"]] == [["taxClass"]]
    listed = await data_of(
        database,
        "query ($c: String!) { products(channel: $c) { edges { node { variants { taxClass } } } } }",
        {"c": channel.slug},
    )
    assert listed["products"]["edges"][0]["node"]["variants"] == [{"taxClass": "books"}]


async def test_a_channel_has_so_many_rates_and_no_more(database: Database) -> None:
    channel = await make_channel(database)
    await run_sql(
        database,
        "INSERT INTO tax_rates (id, channel_id, country, name, percent, created_at)"
        " SELECT gen_random_uuid(), :id, 'GB', n::text, 1, now() FROM generate_series(1, 1000) n",
        id=channel.id,
    )

    refused = await change(database, "Set", vat(channel.slug))

    assert [error["path"] for error in refused["userErrors"]] == [["channel"]]
    assert (await make_tax_rate(database, channel, name="1", percent="7")).version == 2
