"""What a message with a code to sign in says, for the one layout of all messages."""

from collections.abc import Mapping

from domain.customers import SignInLetter, written_code
from providers.messages.words import LONGEST_SHOP_NAME, Words, shortened

_SECTION = "SIGN_IN"


def sign_in_texts(letter: SignInLetter) -> Mapping[str, object]:
    """Return what the templates show, as text: neither subject nor preview has the code.

    Both stand on locked screens.
    """
    words = Words.of(letter.locale, "UTC")
    shop = shortened(letter.shop_name, LONGEST_SHOP_NAME)
    values = {"shop": shop, "minutes": words.number(letter.minutes)}

    def say(name: str) -> str:
        return words.say(_SECTION, name, **values)

    return {
        "language": words.language,
        "subject": say("subject"),
        "preheader": say("preheader"),
        "heading": say("heading"),
        "intro": say("intro"),
        "shop": shop,
        "label": say,
        "pair": lambda name, value: words.say("labels", "pair", name=name, value=value),
        "parcel": [(say("code"), written_code(letter.code))],
        "notes": (),
        "lines": (),
        "totals": (),
        "more": None,
        "address": None,
        "tracking_url": None,
        "order_url": None,
    }
