"""Letters become words: one layout for text and HTML, in the customer's language.

Everything that comes from outside is escaped by Jinja; what a template asks for and is not given is an error.
"""

from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError, select_autoescape

from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.letters import Letter, LetterLine, Parcel
from domain.message_ports import MessageRefused, Rendered
from providers.messages.return_words import (
    return_address,
    return_notes,
    return_rows,
    return_totals,
    return_values,
)
from providers.messages.words import Words, shortened

MOST_LINES = 50
"""Products that a message lists, and how many more there are: some readers cut what is longer than 100 KB."""
LONGEST_NAME = 200
LONGEST_SHOP_NAME = 80

_JINJA = Environment(
    loader=PackageLoader("providers.messages"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


class Renderer:
    """Puts letters into words by the templates that come with the product."""

    def render(self, letter: Letter) -> Rendered:
        """Return a letter in the language nearest to its locale; raises MessageRefused if that cannot be."""
        try:
            words = Words.of(letter.locale, letter.time_zone)
            given = _given(letter, words)
            return Rendered(
                str(given["subject"]),
                _JINJA.get_template("message.txt").render(given),
                _JINJA.get_template("message.html").render(given),
                words.language,
            )
        except (TemplateError, LookupError, ValueError, InvalidInput) as error:
            raise MessageRefused(f"cannot be put into words: {type(error).__name__}: {error}") from error


def _given(letter: Letter, words: Words) -> dict[str, object]:
    """Return what the templates show, as text."""
    kind = letter.kind.value
    shop = shortened(letter.shop_name, LONGEST_SHOP_NAME)
    values = {
        "number": letter.order_number,
        "shop": shop,
        "date": words.date(letter.placed_at),
        "items": words.count("items", sum(line.quantity for line in letter.lines)),
        "amount": words.money(letter.amount) if letter.amount else "",
        "carrier": letter.parcel.carrier if letter.parcel else "",
        **return_values(letter, words),
    }

    def label(name: str) -> str:
        return words.say("labels", name, **values)

    more = len(letter.lines) - MOST_LINES
    parcel = letter.parcel
    return {
        "language": words.language,
        "subject": words.say(kind, "subject", **values),
        "preheader": words.say(kind, "preheader", **values),
        "heading": words.say(kind, "heading", **values),
        "intro": words.say(kind, "intro", **values),
        "shop": shop,
        "label": label,
        "pair": lambda name, value: words.say("labels", "pair", name=name, value=value),
        "notes": return_notes(letter, words),
        "lines_label": label("in_parcel" if parcel else "items"),
        "lines": [_line(line, words) for line in letter.lines[:MOST_LINES]],
        "more": words.count("more", more) if more > 0 else None,
        "totals": _totals(letter, words) or return_totals(letter, words),
        "address": words.address(letter.address) if letter.address else return_address(letter, words),
        "address_label": label(_address_label(letter)),
        "parcel": _pickup(letter.pickup_code, words)
        or (_parcel(parcel, words) if parcel else return_rows(letter, words)),
        "tracking_url": _web_address(parcel.tracking_url) if parcel else None,
        "order_url": _web_address(letter.link),
    }


def _address_label(letter: Letter) -> str:
    if letter.returned:
        return "return_to"
    return "pickup_at" if letter.pickup_code else "ship_to"


def _line(line: LetterLine, words: Words) -> dict[str, str | None]:
    return {
        "name": shortened(line.name, LONGEST_NAME),
        "quantity": words.say("labels", "quantity", count=words.number(line.quantity)),
        "price": words.money(line.price) if line.price else None,
    }


def _totals(letter: Letter, words: Words) -> list[tuple[str, str, bool]]:
    """Return what the order amounts to: label, amount, and whether it is the sum of the others."""
    totals = letter.totals
    if totals is None:
        return []
    tax = "tax_included" if totals.tax_included else "tax"
    rows = [
        ("subtotal", totals.subtotal_minor, True),
        ("discount", -totals.discount_minor, totals.discount_minor > 0),
        ("shipping", totals.shipping_minor, True),
        (tax, totals.tax_minor, totals.tax_minor > 0 and not totals.tax_included),
        ("total", totals.total_minor, True),
        (tax, totals.tax_minor, totals.tax_minor > 0 and totals.tax_included),
    ]
    return [
        (words.say("labels", name), words.money(Money(minor, totals.currency)), name == "total")
        for name, minor, shown in rows
        if shown
    ]


def _pickup(code: str | None, words: Words) -> list[tuple[str, str]]:
    return [(words.say("labels", "pickup_code"), code)] if code else []


def _parcel(parcel: Parcel, words: Words) -> list[tuple[str, str]]:
    """Return what there is to say of a parcel, each with its label."""
    service = parcel.service
    carrier = f"{parcel.carrier} {service}" if service and service != parcel.carrier else parcel.carrier
    rows = [
        ("carrier", carrier),
        ("tracking_number", parcel.tracking_number),
        ("arrival", words.days(parcel.arrives_from, parcel.arrives_until)),
    ]
    return [(words.say("labels", name), value) for name, value in rows if value]


def _web_address(url: str | None) -> str | None:
    """Return a link that is safe to follow: carriers' addresses come from outside."""
    try:
        return url if url and urlsplit(url).scheme in {"http", "https"} else None
    except ValueError:
        return None
