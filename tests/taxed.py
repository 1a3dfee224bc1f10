"""Channels whose taxes come from a tax service, and the asking for them, for tests of taxes."""

from typing import Any

from domain.channels import ChannelChanges
from domain.taxes import TaxSource
from persistence.database import Database
from providers.tax.http_service import HttpTaxService
from services import channels
from services.access import ANONYMOUS
from tests.checkouts import Shop
from tests.factories import data_of, make_context

TOTALS = """totals { taxPending discount { amount } tax { amount } total { amount }
    adjustments { kind target label percent amount { amount } } }"""
CALCULATE = f"""mutation ($input: CartTaxCalculateInput!) {{ cartTaxCalculate(input: $input) {{
    cart {{ version {TOTALS} }}
    userErrors {{ code message path ... on CartIncompleteError {{ missing }} }} }} }}"""


async def take_taxes_from(database: Database, shop: Shop, source: TaxSource, **more: Any) -> None:
    """Let the shop's taxes come from a source."""
    changes = ChannelChanges(tax_source=source, **more)
    await channels.update(make_context(database), shop.channel.id, changes)


async def calculate(
    database: Database, token: str, service: HttpTaxService | None, **environment: Any
) -> dict[str, Any]:
    """Ask for a cart's tax as its shopper does; returns the payload."""
    given, changes = {"input": {"cartToken": token}}, {"tax_service": service, **environment}
    data = await data_of(database, CALCULATE, given, ANONYMOUS, **changes)
    return dict(data["cartTaxCalculate"])


def assert_unavailable(payload: dict[str, Any]) -> None:
    """Fail unless the tax could not be had, and nothing was changed."""
    assert payload["cart"] is None
    assert payload["userErrors"] == [
        {
            "code": "TAX_UNAVAILABLE",
            "message": "the tax is not known now: ask again later",
            "path": ["cartToken"],
        }
    ]
