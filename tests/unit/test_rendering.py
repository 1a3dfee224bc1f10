"""Letters in words: every language says everything, formats are its own, and nobody can slip anything in."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import Formatter

import pytest

from app.mail_samples import sample
from domain.addresses import Address
from domain.customers import SignInLetter
from domain.kernel.money import Money
from domain.letters import Letter, LetterLine, Parcel
from domain.message_ports import MessageRefused, Rendered
from domain.notifications import NotificationKind
from domain.return_letters import HowToSend, Outcome, Tender
from providers.messages.rendering import MOST_LINES, Renderer
from providers.messages.words import LANGUAGES, Words, texts_of

NOW = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
K = NotificationKind
NASTY = '<script>alert(1)</script>"onload="x'


def render(kind: K = K.SHIPPED, locale: str = "en", **changes: object) -> Rendered:
    return Renderer().render(replace(sample(kind, locale, NOW), **changes))  # type: ignore[arg-type]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_with_every_placeholder(language: str) -> None:
    ours, english = texts_of(language), texts_of("en")
    plurals = {"items", "more"}

    assert ours.keys() == english.keys()
    assert {kind.value for kind in K} <= ours.keys()
    for section in ours.keys() - plurals:
        assert ours[section].keys() == english[section].keys(), section
        for name, text in ours[section].items():
            assert text.strip() == text
            assert text
            wanted = placeholders(english[section][name])
            assert placeholders(text) == wanted, f"{section}.{name}"
            if section != "labels" and language != "en":
                assert text != english[section][name], f"{section}.{name} is not translated"
    formats = Words.of(language, "UTC").formats
    for section in plurals:
        forms = {str(formats.plural_form(number)) for number in range(1000)}
        assert forms <= ours[section].keys(), section
        assert all("{count}" in text for text in ours[section].values())


@pytest.mark.parametrize(
    ("language", "familiar"),
    [
        ("de", r"\b(du|dich|dir|deine?[mnrs]?)\b"),
        ("fr", r"\b(tu|te|toi|ton|ta|tes)\b"),
        ("es", r"\b(tú|te|ti|tus?|contigo|tienes|puedes|recibes)\b"),
    ],
)
def test_nobody_is_addressed_familiarly(language: str, familiar: str) -> None:
    for section, texts in texts_of(language).items():
        for name, text in texts.items():
            assert not re.search(familiar, text, re.IGNORECASE), f"{section}.{name}: {text}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(K))
def test_every_kind_is_said_in_every_language_as_text_and_as_html(kind: K, language: str) -> None:
    made = render(kind, language)

    assert made.language == language
    assert "100001" in made.subject
    assert "\n" not in made.subject
    for said in (made.text, made.html):
        assert "https://shop.example/orders/100001" in said
        assert "None" not in said
        assert not re.search(r"{[a-z]+}", said), "a placeholder was left"
    assert f'<html lang="{language}">' in made.html
    assert "\n\n\n" not in made.text
    assert made.text.startswith(texts_of(language)[kind.value]["heading"].partition("{")[0])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_came_of_a_return_is_said_in_words_of_its_own(outcome: Outcome, language: str) -> None:
    returned = sample(K.RETURN_REFUNDED, language, NOW).returned
    assert returned is not None
    assert returned.total is not None
    currency = returned.total.currency
    tenders = {
        Outcome.REFUND: ((Tender.AS_PAID, returned.total),),
        Outcome.CREDIT: ((Tender.STORE_CREDIT, returned.total), (Tender.BONUS, Money(390, currency))),
        Outcome.EXCHANGE: ((Tender.EXCHANGE, returned.total), (Tender.GAP, Money(2, currency))),
        Outcome.MIXED: ((Tender.AS_PAID, Money(1000, currency)), (Tender.EXCHANGE, Money(2900, currency))),
    }[outcome]
    credit = Money(4290, currency)
    said = replace(returned, outcome=outcome, tenders=tenders, credit=credit)
    made, texts = render(K.RETURN_REFUNDED, language, returned=said), texts_of(language)

    assert made.text.startswith(texts[outcome.value]["heading"].partition("{")[0])
    by_bank = outcome in {Outcome.REFUND, Outcome.MIXED}
    assert (texts["labels"]["bank_days"] in made.text) == by_bank, "no bank brings store credit"
    assert (texts["labels"]["refund_total"] in made.text.split("R1001")[-1]) == (outcome is Outcome.REFUND)
    kept = Words.of(language, "UTC").money(credit)
    assert (kept in made.text) == (outcome in {Outcome.CREDIT, Outcome.EXCHANGE})


@pytest.mark.parametrize("how", list(HowToSend))
def test_a_letter_promises_no_label_and_no_code_that_is_not_there(how: HowToSend) -> None:
    returned = sample(K.RETURN_APPROVED, "en", NOW).returned
    assert returned is not None
    bare = replace(returned, how=how, drop_off_code=None)
    words = texts_of("en")["labels"]
    made = render(K.RETURN_APPROVED, returned=bare).text
    assert words[how.value] in made
    assert words["without_printer"] not in made
    canceled = render(K.RETURN_CANCELED, returned=bare).text
    assert (words["label_void"] in canceled) == (how in {HowToSend.LABEL, HowToSend.LABEL_ATTACHED})


@pytest.mark.parametrize(
    ("locale", "total", "day", "arrival"),
    [
        ("en", "USD 158.59|$158.59", "December 1, 2026", "Thu, Dec 3 to Sat, Dec 5"),
        ("de", "146,40 €", "1. Dezember 2026", "Do., 3. Dezember bis Sa., 5. Dezember"),
        ("fr", "146,40 €", "1 décembre 2026", "du jeu. 3 déc. au sam. 5 déc."),
        ("es", "146,40 €", "1 de diciembre de 2026", "del jue, 3 de diciembre al sáb, 5 de diciembre"),
        ("pt-BR", "R$ 146,40", "1 de dezembro de 2026", "de qui., 3 de dezembro a sáb., 5 de dezembro"),
        ("ja", "￥14,640", "2026年12月1日", "12月3日木曜日～12月5日土曜日"),  # noqa: RUF001
        ("de-AT", "€ 146,40", "1. Dezember 2026", "Do., 3. Dezember bis Sa., 5. Dezember"),
    ],
)
def test_amounts_and_dates_are_written_as_the_reader_writes_them(
    locale: str, total: str, day: str, arrival: str
) -> None:
    confirmed = re.sub("[\u00a0\u202f]", " ", render(K.ORDER_CONFIRMED, locale).text)
    shipped = re.sub("[\u00a0\u202f]", " ", render(K.SHIPPED, locale).text)

    assert any(one in confirmed for one in total.split("|"))
    assert day in confirmed
    assert arrival in shipped


def test_dates_are_those_of_the_shops_time_zone() -> None:
    assert "December 2, 2026" in render(K.ORDER_CONFIRMED, time_zone="Asia/Tokyo").text
    assert "December 1, 2026" in render(K.ORDER_CONFIRMED, time_zone="America/New_York").text


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Money(1234567, "JPY"), "¥1,234,567"),
        (Money(1234567, "KWD"), "KWD1,234.567"),
        (Money(1234567, "IQD"), "IQD1,234.567"),  # CLDR has no decimals for it, ISO 4217 has three
        (Money(-500, "EUR"), "-€5.00"),
    ],
)
def test_money_has_the_decimals_of_iso_4217(amount: Money, shown: str) -> None:
    assert Words.of("en", "UTC").money(amount).replace("\xa0", "") == shown


@pytest.mark.parametrize(
    ("locale", "language"),
    [("de-CH", "de"), ("pt-PT", "pt"), ("zh-Hant-TW", "en"), ("en-GB", "en"), ("nonsense", "en"), ("", "en")],
)
def test_a_language_without_words_is_answered_in_english_and_every_country_of_one_with_them(
    locale: str, language: str
) -> None:
    assert render(locale=locale).language == language


def test_one_item_is_not_many() -> None:
    one, many = ((LetterLine("Mug", count),) for count in (1, 2000))

    assert "with 1 item from" in render(lines=one).text
    assert "with 2,000 items from" in render(lines=many).text
    assert "mit 1 Artikel aus" in render(locale="de", lines=one).text
    assert "contenant 1 article de" in render(locale="fr", lines=one).text


def test_whatever_customers_carriers_and_staff_write_is_only_text() -> None:
    letter = replace(
        sample(K.SHIPPED, "en", NOW),
        shop_name=NASTY,
        lines=(LetterLine(NASTY, 1),),
        address=Address(NASTY, NASTY, NASTY, "US", NASTY, NASTY, "IL", "62701"),
        parcel=Parcel(NASTY, NASTY, NASTY, 'https://x.example/"><script>alert(1)</script>'),
    )
    html = Renderer().render(letter).html

    assert "<script" not in html
    assert 'onload="' not in html
    assert html.count("&lt;script&gt;") >= 8


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//x.example", "http://["])
def test_a_carriers_link_that_is_not_of_the_web_is_left_out(url: str) -> None:
    made = render(parcel=Parcel("Post", None, "1", url))

    assert url not in made.html
    assert url not in made.text.split()


def test_nothing_is_fetched_to_show_a_message() -> None:
    for kind in K:
        html = render(kind).html
        assert not re.search(r"<(img|link|script|iframe)\b|url\(|@import|@font-face", html)


def test_a_long_order_lists_some_products_and_counts_the_others() -> None:
    lines = tuple(LetterLine(f"Product {number}", 1, Money(100, "USD")) for number in range(1500))
    made = render(K.ORDER_CONFIRMED, lines=lines)

    assert f"Product {MOST_LINES - 1}" in made.html
    assert f"Product {MOST_LINES}" not in made.html
    for said in (made.text, made.html):
        assert "and 1,450 more products" in said
    assert len(made.html.encode()) < 102_000, "Gmail cuts what is longer"


def test_a_delivery_by_one_day_or_up_to_one_is_said_so() -> None:
    day = NOW + timedelta(hours=12)
    words = Words.of("en", "UTC")

    assert words.days(day, day + timedelta(hours=2)) == "Wed, Dec 2"
    assert words.days(None, day) == "by Wed, Dec 2"
    assert words.days(day, None) == "Wed, Dec 2"
    assert words.days(None, None) is None


def test_addresses_are_written_as_their_country_writes_them_and_nothing_is_lost() -> None:
    words = Words.of("de", "UTC")
    tokyo = Address("山田 太郎", "丸の内1-1-1", "千代田区", "JP", "見本社", "5階", "東京都", "100-0005")
    berlin = Address("A", "B 1", "Berlin", "DE", "C GmbH", "Hof", None, "10115")

    assert words.address(tokyo) == [
        "〒100-0005",
        "東京都",
        "千代田区丸の内1-1-1",
        "5階",
        "見本社",
        "山田 太郎",
        "Japan",
    ]
    assert words.address(berlin) == ["A", "C GmbH", "B 1", "Hof", "10115 BERLIN", "Deutschland"]
    assert words.address(replace(berlin, country="XX"))[-1] == "XX"


def test_a_letter_that_cannot_be_put_into_words_is_refused_and_not_a_defect() -> None:
    with pytest.raises(MessageRefused, match="cannot be put into words"):
        render(time_zone="Nowhere/Land")


def test_a_letter_with_nothing_but_its_order_is_complete() -> None:
    made = Renderer().render(Letter(K.ORDER_CANCELED, "en", "UTC", "Shop", "1", NOW))

    assert "http" not in made.text
    assert "<a " not in made.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_to_sign_in_is_said_in_every_language_and_not_where_locked_screens_show_it(
    language: str,
) -> None:
    made = Renderer().render_sign_in(SignInLetter(language, f"Shop {NASTY}", "12345678", 10))

    assert made.language == language
    assert "1234" not in made.subject
    assert "1234" not in made.html.split("</div>")[0]
    for said in (made.text, made.html):
        assert "1234 5678" in said
        assert not re.search(r"{[a-z]+}", said), "a placeholder was left"
    assert "<script" not in made.html
