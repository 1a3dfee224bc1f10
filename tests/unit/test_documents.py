"""Papers in every script: what was given stands on them as text, and never as an empty box."""

import pypdfium2  # type: ignore[import-untyped]
import pytest

from domain.address_lines import address_lines
from domain.addresses import Address
from domain.document_ports import AddressLabel, Column, Listing, PackingSlip, PageSize, SlipLine
from domain.slip_words import LANGUAGES, slip_words
from providers.documents.pdf import PdfDocuments

SENDER = Address("Ordertide Store", "1 Market Street", "Berlin", "DE", postal_code="10115")
LATIN = Address("Zoë Müller-Łukasiewicz", "Königstraße 5", "München", "DE", postal_code="80331")
ADDRESSES = {
    "latin": LATIN,
    "vietnamese": Address("Nguyễn Thị Ánh", "12 Đường Lê Lợi", "Huế", "VN"),
    "cyrillic": Address("Лев Толстой", "Пушкина 10", "Москва", "RU", postal_code="101000"),
    "greek": Address("Ελένη Παππά", "Ερμού 5", "Αθήνα", "GR", postal_code="10563"),
    "japanese": Address("山田 太郎", "丸の内1-2-3", "千代田区", "JP", region="東京都"),
    "chinese": Address("王小明", "中关村大街1号", "海淀区", "CN", region="北京市", postal_code="100080"),
    "korean": Address("김철수", "세종대로 110", "중구", "KR", region="서울특별시", postal_code="04524"),
    "arabic": Address("محمد بن عبد الله", "شارع الملك فهد 123", "الرياض", "SA", postal_code="11564"),
    "hebrew": Address("דוד כהן", "רחוב הרצל 12", "תל אביב", "IL", postal_code="6688312"),
    "thai": Address("สมชาย ใจดี", "ถนนพระราม 1", "ปทุมวัน", "TH", postal_code="10330"),
    "devanagari": Address("अमित शर्मा", "जनपथ 5", "नई दिल्ली", "IN", postal_code="110001"),
    "armenian": Address("Արամ Խաչատրյան", "Մաշտոցի 5", "Երևան", "AM"),
    "georgian": Address("შოთა რუსთაველი", "რუსთაველის 5", "თბილისი", "GE"),
}


def text_of(content: bytes) -> list[str]:
    """Return the text of each page, as a reader copies it."""
    document = pypdfium2.PdfDocument(content)
    return [page.get_textpage().get_text_range() for page in document]


@pytest.mark.parametrize("script", ADDRESSES)
def test_an_address_in_any_script_is_on_its_label_letter_by_letter(script: str) -> None:
    address = ADDRESSES[script]
    made = PdfDocuments().address_label(AddressLabel(SENDER, address, "S-1"))
    [page] = text_of(made.content)
    assert made.warnings == ()
    assert "\ufffd" not in page
    wanted = [line for line in address_lines(address) if line.strip()]
    # Letters that join come out in an order of their own: what counts is that each is there.
    for line in wanted:
        assert sorted(set(line) - set(page) - {" "}) == [], line
    for word in ("Ordertide", "Market", "BERLIN", "S-1", wanted[-1].split()[0]):
        assert word in page


def test_a_line_after_one_in_another_script_is_in_its_own_font() -> None:
    made = PdfDocuments().address_label(AddressLabel(SENDER, ADDRESSES["arabic"], "S-1", "Express 24"))
    [page] = text_of(made.content)
    for words in ("SAUDI ARABIA", "123", "11564", "Express 24"):
        assert words in page


def test_what_no_font_has_is_said_and_never_an_empty_box() -> None:
    made = PdfDocuments().packing_slip(
        PackingSlip("1", "x", None, LATIN, [SlipLine("A", "rocket 🚀 ሰ", 1)], "en")
    )
    [warning] = made.warnings
    assert set(warning.characters) == {"🚀", "ሰ"}
    assert warning.text == "rocket 🚀 ሰ"
    assert "rocket \ufffd \ufffd" in text_of(made.content)[0]


def test_the_city_stands_on_the_label_even_where_the_countrys_format_has_no_place_for_it() -> None:
    assert "千代田区丸の内1-2-3" in address_lines(ADDRESSES["japanese"])
    romanized = Address("Taro", "1-2-3 Marunouchi", "Chiyoda-ku", "JP", region="Tokyo")
    assert any("Chiyoda-ku" in line for line in address_lines(romanized))


@pytest.mark.parametrize("page", list(PageSize))
def test_a_long_slip_goes_on_over_pages_with_its_heading_on_each(page: PageSize) -> None:
    lines = [SlipLine(f"SKU-{at}", "A long name of a thing " * (1 + at % 4), 2) for at in range(60)]
    made = PdfDocuments().packing_slip(PackingSlip("1007", "May 1", SENDER, LATIN, lines, "de", page))
    pages = text_of(made.content)
    assert len(pages) > 1
    assert all("Menge" in text and f"Seite {at}" in text for at, text in enumerate(pages, 1))
    told = "\n".join(pages)
    assert [at for at in range(60) if f"SKU-{at}" not in told] == []
    assert "Stück insgesamt: 120" in told


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_slip_speaks_the_customers_language(language: str) -> None:
    slip = PackingSlip("1007", "x", None, ADDRESSES["japanese"], [SlipLine("A", "Mug", 1)], f"{language}-XX")
    made = PdfDocuments().packing_slip(slip)
    assert made.warnings == ()
    assert slip_words(language).title in text_of(made.content)[0]


@pytest.mark.parametrize("page", [PageSize.A6, PageSize.LABEL_4X6])
def test_the_longest_address_fits_on_one_label(page: PageSize) -> None:
    long = Address("N" * 200, "s" * 200, "C" * 200, "US", "c" * 200, "l" * 200, "CA", "94016", "+14155552671")
    made = PdfDocuments().address_label(AddressLabel(long, long, "S-1", "Express", page))
    [text] = text_of(made.content)
    squeezed = "".join(text.split())
    assert squeezed.count("N" * 200) == squeezed.count("l" * 200) == 2


def test_a_list_has_its_rows_and_a_line_to_sign() -> None:
    columns = (Column("SKU", 3), Column("Units", 1, numbers=True))
    listing = Listing("Manifest 7", "M-7", [("Carrier", "Post")], columns, [["MUG", "3"]], ["Handed over by"])
    [page] = text_of(PdfDocuments().listing(listing).content)
    for words in ("Manifest 7", "Carrier: Post", "MUG", "3", "Handed over by", "Page 1"):
        assert words in page


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        (
            Address("山田", "一丁目", "千代田区", "JP", region="東京都"),
            ["東京都", "千代田区一丁目", "山田", "JAPAN"],
        ),
        (Address("A", "B 1", "Helsinki", "FI"), ["A", "B 1", "HELSINKI", "FINLAND"]),
        (Address("A", "B 1", "Riga", "LV"), ["A", "B 1", "RIGA", "LATVIA"]),
        (Address("A", "B 1", "Sydney", "AU", region="NSW"), ["A", "B 1", "SYDNEY NSW", "AUSTRALIA"]),
        (Address("A", "B 1", "San Juan", "PR"), ["A", "B 1", "SAN JUAN", "PUERTO RICO"]),
    ],
)
def test_without_a_postal_code_nothing_is_left_of_one(address: Address, lines: list[str]) -> None:
    assert address_lines(address) == lines
