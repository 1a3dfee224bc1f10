"""What systems of the company's own are asked through: one address, a secret, and a time limit."""

from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx

from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money

LARGEST_BYTES = 1024 * 1024
"""The longest answer that is read; a thousand lines of taxes are a tenth of it."""


class NoAnswer(Exception):
    """The system could not be reached."""


class CompanyHttp:
    """Asks one address, over connections that are kept open."""

    def __init__(self, url: str, secret: str, *, time_limit_seconds: float) -> None:
        """Prepare; nothing is asked before somebody wants to know."""
        self._url = url
        # No proxies or passwords of the environment: this is a system of the company's own.
        self._http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {secret}", "accept-encoding": "identity"},
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

    async def post(self, question: dict[str, Any]) -> httpx.Response:
        """Return what is answered, whatever its status; raises NoAnswer, also for one that is endless."""
        try:
            async with self._http.stream("POST", self._url, json=question) as answer:
                return httpx.Response(answer.status_code, content=await _read(answer))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"no answer ({type(error).__name__})") from error


async def _read(answer: httpx.Response) -> bytes:
    parts = bytearray()
    # As it comes, for what is compressed has no length that is known before.
    async for part in answer.aiter_raw():
        parts += part
        if len(parts) > LARGEST_BYTES:
            raise NoAnswer("no answer (it is too large)")
    return bytes(parts)


def exact(number: Any) -> Decimal:
    """Return a number that came as text, or whole: a binary fraction is not exact.

    Raises TypeError for anything else, and decimal.InvalidOperation for text that is no number.
    """
    if not isinstance(number, (str, int)) or isinstance(number, bool):
        raise TypeError("a number is neither text nor whole")
    return Decimal(number)


def exact_money(amount: Any, currency: Any) -> Money:
    """Return an exact amount; raises as `exact` does, and InvalidInput."""
    if not isinstance(currency, str):
        raise InvalidInput("is no currency", "currency")
    return Money.from_decimal(exact(amount), currency)
