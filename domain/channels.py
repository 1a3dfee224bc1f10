"""Sales channels: where the shop sells, in which currency, from which locations."""

import re
from dataclasses import dataclass
from uuid import UUID

from domain.kernel.errors import InvalidInput, under
from domain.kernel.money import Amount, Money, exponent_of
from domain.kernel.quantities import require_text

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
MAX_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Channel:
    """One place of selling; every price and order in it is in its one currency."""

    id: UUID
    slug: str
    name: str
    currency: str
    version: int = 1


def check_new(slug: str, name: str, currency: str) -> tuple[str, str, str]:
    """Return slug, name and currency cleaned; raises InvalidInput naming the field."""
    if not is_slug(slug):
        raise InvalidInput("use 1 to 63 of a-z, 0-9 and '-', not beginning with '-'", "slug")
    try:
        exponent_of(currency)
    except InvalidInput as error:
        raise InvalidInput(error.message, "currency") from None
    return slug, require_text(name, MAX_NAME_LENGTH, "name"), currency


def is_slug(text: str) -> bool:
    """Say whether a channel could have this slug; what could not need not be looked for."""
    return _SLUG.fullmatch(text) is not None


def money_in(channel: Channel, asked: Amount, *path: str) -> Money:
    """Return an amount that is not below zero, in the channel's own currency.

    Raises InvalidInput naming path.currency or path.amount.
    """
    with under(*path):
        if asked.currency != channel.currency:
            raise InvalidInput(
                f"{channel.slug!r} sells in {channel.currency}, not {asked.currency[:8]}", "currency"
            )
        money = Money.from_decimal(asked.amount, asked.currency)
        if money.amount_minor < 0:
            raise InvalidInput("must not be below zero", "amount")
    return money
