"""SQL of the documents of returns' labels."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carrier_ports import LabelFormat
from domain.labels import DocumentKind
from persistence.labels import Document

_DOCUMENT = text(
    """
    SELECT p.document_format, p.document, r.order_id
      FROM return_parcels p JOIN returns r ON r.id = p.return_id WHERE p.document_id = :id
    """
).bindparams(bindparam("id", type_=Uuid()))
_SMALL = text(
    """
    SELECT document_format, document FROM return_parcels
     WHERE document_id = :id AND document_format = ANY (:formats) AND octet_length(document) <= :most_bytes
    """
).bindparams(bindparam("id", type_=Uuid()), bindparam("formats", type_=ARRAY(Text)))


async def of_order(connection: AsyncConnection, document_id: UUID) -> tuple[Document, UUID] | None:
    """Return the label with this id and the order that it is for; None where there is none."""
    row = (await connection.execute(_DOCUMENT, {"id": document_id})).first()
    return None if row is None else (_label(row.document_format, row.document), row.order_id)


async def small(
    connection: AsyncConnection, document_id: UUID, formats: Collection[LabelFormat], most_bytes: int
) -> Document | None:
    """Return the label with this id; None where there is none, or it is of another format or larger."""
    values = {"id": document_id, "formats": [one.value for one in formats], "most_bytes": most_bytes}
    row = (await connection.execute(_SMALL, values)).first()
    return None if row is None else _label(row.document_format, row.document)


def _label(format_: str, content: bytes) -> Document:
    return Document(DocumentKind.LABEL, LabelFormat(format_), bytes(content))
