"""The company's own system, asked over HTTP how much more a customer may owe.

POST to the configured address with `Authorization: Bearer SECRET` and the JSON body
`{"customer": "...", "currency": "EUR"}`; in the body, because addresses of requests are logged. The
answer is 200 with `{"available": "1250.00", "currency": "EUR"}`, or 404 for a customer it does not know.
"""

from decimal import InvalidOperation
from typing import Any

import httpx

from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.ports import CreditUnavailable
from providers.company_http import CompanyHttp, NoAnswer, exact_money


class CompanyCredit(CompanyHttp):
    """The system that knows what business customers may owe."""

    async def available_credit(self, customer: str, currency: str) -> Money | None:
        """Return how much more a customer may owe; None for one the system does not know.

        Raises CreditUnavailable when it cannot be reached, refuses, or answers what is no such amount.
        """
        try:
            answer = await self.post({"customer": customer, "currency": currency})
        except NoAnswer as error:
            raise CreditUnavailable(str(error)) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code != httpx.codes.OK:
            raise CreditUnavailable(f"answered {answer.status_code}")
        return _money(answer)


def _money(answer: httpx.Response) -> Money:
    try:
        body: Any = answer.json()
        return exact_money(body["available"], body["currency"])
    except (
        ValueError, KeyError, TypeError, RecursionError, InvalidOperation, InvalidInput,
    ) as error:  # fmt: skip
        raise CreditUnavailable(f"answered what is no amount ({type(error).__name__})") from error
