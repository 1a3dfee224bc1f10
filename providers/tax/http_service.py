"""The company's own tax service, asked over HTTP.

POST to the configured address with `Authorization: Bearer SECRET` and a JSON body; amounts are text, in the
currency's own number of decimals, after discounts, and nothing tells who buys:

    {"currency": "USD", "pricesIncludeTax": false, "shipTo": {"line1": "...", "line2": null,
     "city": "...", "region": "CA", "postalCode": "...", "country": "US"}, "lines": [{"id": "...",
     "sku": "MUG", "taxClass": "standard", "quantity": 2, "amount": "25.00"}], "shipping": {"amount": "5.00"}}

The answer is 200 with the taxes of each line and of the delivery; `percent` may be left out:

    {"currency": "USD", "lines": [{"id": "...", "taxes": [{"name": "State tax", "percent": "7.25",
     "amount": "1.81"}]}], "shipping": {"taxes": []}}
"""

from decimal import InvalidOperation
from typing import Any
from uuid import UUID

import httpx

from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.ports import TaxUnavailable
from domain.tax_quotes import QuotedTax, TaxQuote, TaxRequest
from domain.taxes import read_percent
from providers.company_http import CompanyHttp, NoAnswer, exact, exact_money


class HttpTaxService(CompanyHttp):
    """The service that computes taxes."""

    async def quote(self, request: TaxRequest) -> TaxQuote:
        """Return the taxes of each line and of the delivery.

        Raises TaxUnavailable when it cannot be reached, refuses, or answers what cannot be understood.
        """
        try:
            answer = await self.post(_question(request))
        except NoAnswer as error:
            raise TaxUnavailable(str(error)) from error
        if answer.status_code != httpx.codes.OK:
            raise TaxUnavailable(f"answered {answer.status_code}")
        try:
            return _quote(answer.json())
        except (
            ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidOperation, InvalidInput,
        ) as error:  # fmt: skip
            raise TaxUnavailable(f"answered what are no taxes ({type(error).__name__})") from error


def _question(request: TaxRequest) -> dict[str, Any]:
    def amount(minor: int) -> str:
        return str(Money(minor, request.currency).amount)

    return {
        "currency": request.currency,
        "pricesIncludeTax": request.prices_include_tax,
        "shipTo": request.place,
        "lines": [
            {
                "id": str(line.id),
                "sku": line.sku,
                "taxClass": line.tax_class,
                "quantity": line.quantity,
                "amount": amount(line.amount_minor),
            }
            for line in request.lines
        ],
        "shipping": {"amount": amount(request.shipping_minor)},
    }


def _quote(body: Any) -> TaxQuote:
    currency = body["currency"]
    lines: dict[UUID, tuple[QuotedTax, ...]] = {}
    for line in body["lines"]:
        line_id = UUID(line["id"])
        if line_id in lines:
            raise ValueError("a line is answered twice")
        lines[line_id] = _taxes(line["taxes"], currency)
    return TaxQuote(currency, lines, _taxes(body["shipping"]["taxes"], currency))


def _taxes(records: Any, currency: Any) -> tuple[QuotedTax, ...]:
    return tuple(_tax(record, currency) for record in records)


def _tax(record: Any, currency: Any) -> QuotedTax:
    name, percent = record["name"], record.get("percent")
    if not isinstance(name, str):
        raise TypeError("a name is no text")
    parts = None if percent is None else read_percent(exact(percent))
    return QuotedTax(name, parts, exact_money(record["amount"], currency).amount_minor)
