"""Use case of taxes that the company's own tax service computes: it is asked, and the cart keeps its answer.

The service is asked between a read and a short transaction, never inside one, and never while an order is
placed: what a cart is ordered with is what its shopper was shown.
"""

import asyncio
from dataclasses import replace

import structlog

from domain.carts import Cart, check_changeable
from domain.kernel.errors import CartIncomplete, NotFound, TaxNotQuoted, VersionConflict
from domain.ports import TaxUnavailable
from domain.tax_quotes import KeptQuote, TaxQuote, TaxRequest, doubt
from domain.taxes import TaxSource
from persistence import carts as rows
from services import carts
from services.cart_changes import Change
from services.context import Environment, ServiceContext, Transaction

_log = structlog.get_logger(__name__)


async def calculate(context: ServiceContext, token: str) -> Cart:
    """Ask for the tax of a cart and keep it; where a table of rates has it, nothing is asked or changed.

    Raises NotFound (cartToken), CartClosed, CartIncomplete (lines, shippingAddress), TaxNotQuoted,
    InsufficientStock, and VersionConflict when the cart costs something else by the time of the answer.
    """
    cart = await carts.get(context, token)
    if cart is None:
        raise NotFound("no cart has this token", "cartToken")
    if cart.rules.tax_source is TaxSource.RATES:
        return cart
    check_changeable(cart)
    asked = _asked(cart)
    kept = KeptQuote(asked.fingerprint, await _quote(context.environment, asked))

    async def keep(transaction: Transaction, before: Cart) -> Change:
        after = replace(before, rules=replace(before.rules, quote=kept))
        if after.price.tax_missing:
            raise VersionConflict(before.version - 1, "cartToken")
        await rows.keep_tax_quote(transaction.connection, before.id, kept)
        facts = {"taxMinor": after.totals.tax_minor, "currency": after.currency}
        return Change(before, after, "CartTaxCalculated", facts)

    return await carts.change(context, token, keep)


def _asked(cart: Cart) -> TaxRequest:
    needed = {"lines": cart.lines, "shippingAddress": cart.destination}
    missing = [name for name, value in needed.items() if not value]
    request = cart.price.tax_request
    if missing or request is None:
        raise CartIncomplete(missing)
    return request


async def _quote(environment: Environment, request: TaxRequest) -> TaxQuote:
    reason, quote = await _answer(environment, request)
    if quote is None:
        _log.warning("tax_service_failed", reason=reason)
        raise TaxNotQuoted("the tax is not known now: ask again later", "cartToken")
    return quote


async def _answer(environment: Environment, request: TaxRequest) -> tuple[str | None, TaxQuote | None]:
    """Return a quote that can be believed, or why there is none."""
    if environment.tax_service is None:
        return "no tax service is configured", None
    try:
        async with asyncio.timeout(environment.tax_service_seconds):
            quote = await environment.tax_service.quote(request)
    except (TaxUnavailable, TimeoutError) as error:
        return str(error) or type(error).__name__, None
    reason = doubt(request, quote)
    return (None, quote) if reason is None else (f"the answer is not believed: {reason}", None)
