"""Documents of shipments: labels that were bought, packing slips, lists that carriers sign."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Uuid

from domain.carrier_ports import LabelFormat
from domain.labels import DocumentKind
from persistence.tables.base import key, metadata, moment, one_of, text_column

shipment_documents = Table(
    "shipment_documents",
    metadata,
    key(),
    Column("shipment_id", Uuid, ForeignKey("shipments.id"), nullable=False),
    text_column("kind"),
    text_column("format"),
    Column("bytes", LargeBinary, nullable=False),
    moment("created_at"),
    one_of("kind", DocumentKind),
    one_of("format", LabelFormat),
    Index("ix_shipment_documents_shipment_id", "shipment_id", "kind", "created_at"),
)
