"""The words of packing slips in the languages that customers are written to in; English for others."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlipWords:
    """What stands on a packing slip besides the order's own facts."""

    title: str
    order: str
    date: str
    sender: str
    ship_to: str
    item: str
    sku: str
    quantity: str
    units: str
    page: str
    thanks: str


_WORDS = {
    "en": SlipWords(
        "Packing slip", "Order", "Date", "From", "Ship to", "Item", "SKU", "Quantity", "Units in all", "Page",
        "Thank you for your order.",
    ),
    "de": SlipWords(
        "Lieferschein", "Bestellung", "Datum", "Absender", "Lieferadresse", "Artikel", "Artikelnummer",
        "Menge", "Stück insgesamt", "Seite", "Vielen Dank für Ihre Bestellung.",
    ),
    "fr": SlipWords(
        "Bon de livraison", "Commande", "Date", "Expéditeur", "Adresse de livraison", "Article", "Référence",
        "Quantité", "Nombre total d'articles", "Page", "Merci pour votre commande.",
    ),
    "es": SlipWords(
        "Albarán de entrega", "Pedido", "Fecha", "Remitente", "Dirección de entrega", "Artículo",
        "Referencia", "Cantidad", "Unidades en total", "Página", "Gracias por su pedido.",
    ),
    "pt": SlipWords(
        "Guia de remessa", "Pedido", "Data", "Remetente", "Endereço de entrega", "Artigo", "Referência",
        "Quantidade", "Total de unidades", "Página", "Obrigado pela sua encomenda.",
    ),
    "ja": SlipWords(
        "納品書", "ご注文番号", "日付", "発送元", "お届け先", "商品", "商品コード", "数量", "合計点数",
        "ページ", "ご注文ありがとうございます。",
    ),
}  # fmt: skip
LANGUAGES = frozenset(_WORDS)


def slip_words(language: str) -> SlipWords:
    """Return the words in a language (BCP 47; its region does not matter), else in English."""
    return _WORDS.get(language.split("-")[0].split("_")[0].lower(), _WORDS["en"])
