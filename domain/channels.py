"""Sales channels: where the shop sells, in which currency, from which locations."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from babel import Locale, UnknownLocaleError

from domain.channel_messages import check_muted, check_reply_to, check_storefront_url, check_time_zone
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput, under
from domain.kernel.money import Amount, Money, exponent_of
from domain.kernel.quantities import require_text
from domain.payment_terms import check_terms
from domain.taxes import TaxRounding, TaxSource

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
MAX_NAME_LENGTH = 200


class CapturePolicy(StrEnum):
    """When the money of an order that is authorized is taken."""

    AT_PLACEMENT = "AT_PLACEMENT"
    """As soon as the order is open: placed, or approved where it has to be."""
    AT_SHIPMENT = "AT_SHIPMENT"
    """As parcels leave, each for what is in it."""
    MANUAL = "MANUAL"
    """When staff say so."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One place of selling; every price and order in it is in its one currency."""

    id: UUID
    slug: str
    name: str
    currency: str
    version: int = 1


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """How a channel sells; for staff.

    `review_from_minor`: orders of this total or more wait for a person (None: none does).
    `location_codes`: what serves it, most preferred first; locations created later serve it too if
    `serves_all_locations`.
    """

    locale: str = "en"
    review_from_minor: int | None = None
    serves_all_locations: bool = True
    location_codes: tuple[str, ...] = ()
    capture_policy: CapturePolicy = CapturePolicy.AT_SHIPMENT
    prices_include_tax: bool = False
    tax_rounding: TaxRounding = TaxRounding.LINE
    hold_unpaid: bool = False
    """Whether what is paid later is not worked on before the money has come."""
    payment_terms_days: int | None = None
    """How many days after an order is placed what is billed is due; None: it has no date."""
    tax_source: TaxSource = TaxSource.RATES
    storefront_url: str | None = None
    """Where customers follow their order, with {number} and {token} in it; None: nowhere."""
    reply_to: str | None = None
    time_zone: str = "UTC"
    """The zone (IANA) that customers are told dates in."""
    muted_notifications: tuple[str, ...] = ()
    """Kinds of notifications that customers do not get."""


@dataclass(frozen=True, slots=True)
class ChannelChanges:
    """What shall become of a channel; KEEP leaves a field as it is. Slug and currency never change.

    `location_codes` of None means every location, those created later too.
    """

    name: str | Keep = KEEP
    locale: str | Keep = KEEP
    review_from: Amount | Keep | None = KEEP
    location_codes: Sequence[str] | Keep | None = KEEP
    capture_policy: CapturePolicy | Keep = KEEP
    prices_include_tax: bool | Keep = KEEP
    tax_rounding: TaxRounding | Keep = KEEP
    hold_unpaid: bool | Keep = KEEP
    payment_terms_days: int | Keep | None = KEEP
    tax_source: TaxSource | Keep = KEEP
    storefront_url: str | Keep | None = KEEP
    reply_to: str | Keep | None = KEEP
    time_zone: str | Keep = KEEP
    muted_notifications: Sequence[str] | Keep = KEEP


def check_new(slug: str, name: str, currency: str) -> tuple[str, str, str]:
    """Return slug, name and currency cleaned; raises InvalidInput naming the field."""
    if not is_slug(slug):
        raise InvalidInput("use 1 to 63 of a-z, 0-9 and '-', not beginning with '-'", "slug")
    try:
        exponent_of(currency)
    except InvalidInput as error:
        raise InvalidInput(error.message, "currency") from None
    return slug, require_text(name, MAX_NAME_LENGTH, "name"), currency


def change(
    channel: Channel, settings: ChannelSettings, changes: ChannelChanges
) -> tuple[Channel, ChannelSettings]:
    """Return the channel changed, one version later if anything differs; raises InvalidInput.

    Whether the locations exist is for the caller to check; of a channel that every location serves
    the codes are not known here, and left empty.
    """
    name = channel.name
    if changes.name is not KEEP:
        name = require_text(changes.name, MAX_NAME_LENGTH, "name")
    review_from = settings.review_from_minor
    if changes.review_from is None:
        review_from = None
    elif changes.review_from is not KEEP:
        review_from = money_in(channel, changes.review_from, "reviewFrom").amount_minor
    codes = changes.location_codes
    if codes is not KEEP and codes is not None and len(set(codes)) != len(codes):
        raise InvalidInput("names a location twice", "locationCodes")
    after = ChannelSettings(
        locale=settings.locale if changes.locale is KEEP else check_locale(changes.locale),
        review_from_minor=review_from,
        serves_all_locations=settings.serves_all_locations if codes is KEEP else codes is None,
        location_codes=settings.location_codes if codes is KEEP else tuple(codes or ()),
        capture_policy=kept(changes.capture_policy, settings.capture_policy),
        prices_include_tax=kept(changes.prices_include_tax, settings.prices_include_tax),
        tax_rounding=kept(changes.tax_rounding, settings.tax_rounding),
        hold_unpaid=kept(changes.hold_unpaid, settings.hold_unpaid),
        payment_terms_days=check_terms(kept(changes.payment_terms_days, settings.payment_terms_days)),
        tax_source=kept(changes.tax_source, settings.tax_source),
        storefront_url=check_storefront_url(kept(changes.storefront_url, settings.storefront_url)),
        reply_to=check_reply_to(kept(changes.reply_to, settings.reply_to)),
        time_zone=check_time_zone(kept(changes.time_zone, settings.time_zone)),
        muted_notifications=check_muted(kept(changes.muted_notifications, settings.muted_notifications)),
    )
    if (name, after) == (channel.name, settings):
        return channel, settings
    return replace(channel, name=name, version=channel.version + 1), after


def check_locale(locale: str) -> str:
    """Return a locale as BCP 47 writes it, such as de-AT; raises InvalidInput naming locale."""
    try:
        parsed = Locale.parse(locale.strip().replace("_", "-"), sep="-")
    except (ValueError, TypeError, UnknownLocaleError):
        raise InvalidInput("is not a locale such as en or de-AT", "locale") from None
    return str(parsed).replace("_", "-")


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
