"""Letters that nobody gets: what previews show, and tests read, of every kind."""

from datetime import datetime, timedelta

from domain.addresses import Address
from domain.kernel.money import Money
from domain.kernel.totals import Totals
from domain.letters import Letter, LetterLine, Parcel
from domain.notifications import OF_PARCELS, OF_RETURNS, NotificationKind
from domain.return_letters import HowToSend, Reason, ReturnLetter, Tender

K = NotificationKind
_PRICED = frozenset({K.ORDER_CONFIRMED, K.ORDER_RECEIVED, K.ORDER_APPROVED})
_WITHOUT_LINES = frozenset({K.ORDER_REFUNDED, K.OUT_FOR_DELIVERY, K.DELAYED, K.DELIVERY_FAILED})

_CURRENCIES = {"en": "USD", "pt": "BRL", "ja": "JPY"}
_ADDRESSES = {
    "en": Address("Alex Morgan", "1600 Example Avenue", "Springfield", "US", None, "Apt 4", "IL", "62701"),
    "de": Address("Alex Muster", "Musterstraße 12", "Berlin", "DE", "Muster GmbH", postal_code="10115"),
    "fr": Address("Camille Exemple", "8 rue des Exemples", "Paris", "FR", postal_code="75002"),
    "es": Address(
        "Alex Ejemplo", "Calle del Ejemplo 5", "Madrid", "ES", postal_code="28013", region="MADRID"
    ),
    "pt": Address("Alex Exemplo", "Rua do Exemplo, 120", "São Paulo", "BR", None, None, "SP", "01310-100"),
    "ja": Address("見本 花子", "丸の内1-1-1", "千代田区", "JP", None, None, "東京都", "100-0005"),
}
_GOODS = {
    "en": ("Stoneware mug, sage green", "Linen tea towel, set of three", "Pour-over kettle 1.0 l"),
    "de": ("Steinzeugtasse, salbeigrün", "Geschirrtücher aus Leinen, Dreierpack", "Kaffeekessel 1,0 l"),
    "fr": ("Tasse en grès, vert sauge", "Torchons en lin, lot de trois", "Bouilloire à col de cygne 1,0 l"),
    "es": ("Taza de gres, verde salvia", "Paños de lino, juego de tres", "Hervidor de cuello de cisne 1,0 l"),
    "pt": ("Caneca de grés, verde-sálvia", "Panos de linho, jogo de três", "Chaleira de bico fino 1,0 l"),
    "ja": ("せっ器マグカップ セージグリーン", "リネンのキッチンクロス 3枚組", "ドリップケトル 1.0L"),
}
_QUANTITIES_AND_PRICES = ((2, 3800), (1, 2450), (1, 8900))
_SHIPPING, _DISCOUNT, _TAX = 490, 1000, 1219


def sample(kind: NotificationKind, locale: str, now: datetime, link: str | None = None) -> Letter:
    """Return a letter as somebody who reads this locale would get it."""
    language = locale.partition("-")[0]
    goods = _GOODS.get(language, _GOODS["en"])
    currency = _CURRENCIES.get(language, "USD" if language not in _GOODS else "EUR")
    priced, parcel = kind in _PRICED, kind in OF_PARCELS
    shown = 1 if kind in OF_RETURNS else 2 if parcel else None
    lines = tuple(
        LetterLine(name, quantity, Money(price, currency) if priced else None)
        for name, (quantity, price) in zip(goods, _QUANTITIES_AND_PRICES, strict=True)
    )
    subtotal = sum(price for _, price in _QUANTITIES_AND_PRICES)
    return Letter(
        kind,
        locale,
        "UTC",
        "Ordertide",
        "100001",
        now,
        lines=() if kind in _WITHOUT_LINES else lines[:shown],
        totals=Totals(currency, subtotal, _SHIPPING, _TAX, _DISCOUNT, currency != "USD") if priced else None,
        address=_ADDRESSES.get(language, _ADDRESSES["en"]) if priced or kind is K.SHIPPED else None,
        parcel=_parcel(now, tells_arrival=kind in {K.SHIPPED, K.DELAYED}) if parcel else None,
        amount=Money(2450, currency) if kind is K.ORDER_REFUNDED else None,
        link=link or "https://shop.example/orders/100001",
        returned=_returned(kind, language, currency, now) if kind in OF_RETURNS else None,
    )


def _returned(kind: NotificationKind, language: str, currency: str, now: datetime) -> ReturnLetter:
    return ReturnLetter(
        "R1001",
        (),
        HowToSend.LABEL,
        now + timedelta(days=3 if kind is K.RETURN_REMINDER else 21),
        _ADDRESSES.get(language, _ADDRESSES["en"]),
        "Example Post",
        "EX 0034 0434 9876 54",
        "0434 9876",
        reasons=(Reason.WINDOW_OVER,),
        goods=Money(3800, currency),
        shipping=Money(490, currency),
        fees=Money(390, currency),
        total=Money(3900, currency),
        tenders=((Tender.GIFT_CARD, Money(1000, currency)), (Tender.AS_PAID, Money(2900, currency))),
    )


def _parcel(now: datetime, *, tells_arrival: bool) -> Parcel:
    return Parcel(
        "Example Post",
        "Express",
        "EX 0034 0434 1234 56",
        "https://carrier.example/track/00340434123456",
        now + timedelta(days=2) if tells_arrival else None,
        now + timedelta(days=4) if tells_arrival else None,
    )
