"""The company's own system, asked over HTTP how much more a customer may owe.

POST to the configured address with `Authorization: Bearer SECRET` and the JSON body
`{"customer": "...", "currency": "EUR"}`; in the body, because addresses of requests are logged. The
answer is 200 with `{"available": "1250.00", "currency": "EUR"}`, or 404 for a customer it does not know.
"""

from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Any, Self

import httpx

from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.ports import CreditUnavailable


class CompanyCredit:
    """Asks one address, over connections that are kept open."""

    def __init__(self, url: str, secret: str, *, time_limit_seconds: float) -> None:
        """Prepare; nothing is asked before somebody wants to know."""
        self._url = url
        # No proxies or passwords of the environment: this is a system of the company's own.
        self._http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {secret}"},
            timeout=time_limit_seconds,
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def available_credit(self, customer: str, currency: str) -> Money | None:
        """Return how much more a customer may owe; None for one the system does not know.

        Raises CreditUnavailable when it cannot be reached, refuses, or answers what is no such amount.
        """
        try:
            answer = await self._http.post(self._url, json={"customer": customer, "currency": currency})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CreditUnavailable(f"no answer ({type(error).__name__})") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code != httpx.codes.OK:
            raise CreditUnavailable(f"answered {answer.status_code}")
        return _money(answer)


def _money(answer: httpx.Response) -> Money:
    try:
        body: Any = answer.json()
        # As text, or as a whole number: a binary fraction is no exact amount.
        amount = body["available"]
        if not isinstance(amount, (str, int)) or isinstance(amount, bool):
            raise CreditUnavailable("answered an amount that is neither text nor whole")
        return Money.from_decimal(Decimal(amount), str(body["currency"]))
    except (ValueError, KeyError, TypeError, InvalidOperation, InvalidInput) as error:
        raise CreditUnavailable(f"answered what is no amount ({type(error).__name__})") from error
