"""GraphQL types of printed papers."""

import base64

import strawberry

from domain import document_ports as domain

PageSize = strawberry.enum(domain.PageSize, name="PageSize", description="Paper; LABEL_4X6 is 4 by 6 inches.")


@strawberry.type
class MissingGlyphs:
    """Characters that no font has: they are printed as U+FFFD."""

    characters: str
    text: str


@strawberry.type
class PdfDocument:
    """A PDF, and what of it could not be printed as it was written."""

    content_base64: str
    warnings: list[MissingGlyphs]

    @classmethod
    def of(cls, document: domain.Document) -> "PdfDocument":
        """Return the GraphQL form of a document."""
        return cls(
            content_base64=base64.b64encode(document.content).decode(),
            warnings=[MissingGlyphs(characters=one.characters, text=one.text) for one in document.warnings],
        )
