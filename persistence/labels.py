"""SQL of labels: leasing those to be bought or given back, recording what became of them, documents."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, LargeBinary, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.carrier_ports import CustomsLine, Label, LabelFormat
from domain.kernel.errors import LabelRefused
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.labels import Correction, DocumentKind, LabelAsk, LabelFacts
from domain.shipments import LabelState, ParcelSize, Shipment
from persistence.json_text import json_text

_MOMENT = DateTime(timezone=True)
_DUE = """
    (s.label_state = 'REQUESTED'
     OR (s.label_state = 'PURCHASED' AND s.status = 'CANCELED' AND s.label_kept_at IS NULL))
    AND (s.label_next_attempt_at IS NULL OR s.label_next_attempt_at <= :now)
"""
_TAKEN = """
    UPDATE shipments s
       SET label_attempts = s.label_attempts + 1, label_next_attempt_at = :leased_until,
           label_requested_at = coalesce(s.label_requested_at, :now)
      FROM due, orders o
     WHERE s.id = due.id AND o.id = s.order_id
    RETURNING s.id, s.order_id, o.number, s.label_generation, s.label_attempts, s.label_requested_at,
              s.provider, s.label_state, s.status = 'CANCELED' AS canceled, s.provider_reference,
              coalesce(s.service_code, s.service) AS service_code,
              (SELECT l.address FROM locations l WHERE l.id = s.location_id) AS sender,
              coalesce(s.label_recipient, o.shipping_address) AS recipient,
              s.weight_grams, s.length_mm, s.width_mm, s.height_mm, o.currency,
              (SELECT jsonb_agg(jsonb_build_array(p.sku, i.name, p.quantity, i.unit_price_minor,
                                                  v.weight_grams) ORDER BY p.sku, i.id)
                 FROM shipment_lines p
                 JOIN order_lines i ON i.id = p.order_line_id
                 LEFT JOIN variants v ON v.id = i.variant_id
                WHERE p.shipment_id = s.id) AS contents
"""
_MOMENTS = (bindparam("now", type_=_MOMENT), bindparam("leased_until", type_=_MOMENT))
_LEASE_DUE = text(
    f"""
    WITH due AS (
        SELECT s.id FROM shipments s WHERE {_DUE} AND coalesce(s.provider, '') <> ALL (:busy)
         ORDER BY s.label_next_attempt_at NULLS FIRST, s.id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    ) {_TAKEN}
    """
).bindparams(*_MOMENTS, bindparam("busy", type_=ARRAY(Text)))
_LEASE_THESE = text(
    f"""
    WITH due AS (
        SELECT s.id FROM shipments s WHERE s.id = ANY (:ids) AND {_DUE}
         ORDER BY s.id FOR NO KEY UPDATE SKIP LOCKED
    ) {_TAKEN}
    """
).bindparams(*_MOMENTS, bindparam("ids", type_=ARRAY(Uuid)))
_POSTPONE = text(
    """
    UPDATE shipments SET label_next_attempt_at = :next_attempt_at
     WHERE id = :id AND label_generation = :generation AND label_attempts = :attempts
    """
).bindparams(bindparam("next_attempt_at", type_=_MOMENT))
_REQUEST = text(
    """
    UPDATE shipments
       SET label_generation = label_generation + 1, label_attempts = 0, label_requested_at = :now,
           label_next_attempt_at = NULL, label_error_code = NULL, label_error = NULL, provider = :provider,
           service_code = coalesce(:service_code, CASE WHEN :new_service THEN NULL ELSE service_code END),
           label_recipient = coalesce(CAST(:recipient AS jsonb), label_recipient),
           weight_grams = :weight_grams, length_mm = :length_mm, width_mm = :width_mm, height_mm = :height_mm
     WHERE id = :id
    """
).bindparams(
    bindparam("now", type_=_MOMENT),
    *(bindparam(name, type_=Text()) for name in ("service_code", "recipient")),
)
# Who asked for another generation, or got there first, has made this answer void. A label that was bought
# is a fact, also where somebody else was refused it under the same key.
_PURCHASED = text(
    """
    WITH bought AS (
        UPDATE shipments
           SET label_price_minor = :price_minor, label_currency = :currency, estimated_at = :estimated_at,
               label_next_attempt_at = NULL, label_error_code = NULL, label_error = NULL
         WHERE id = :id AND label_state IN ('REQUESTED', 'FAILED') AND label_generation = :generation
        RETURNING id
    ), kept AS (
        INSERT INTO shipment_documents (id, shipment_id, kind, format, bytes, created_at)
        SELECT :document_id, id, 'LABEL', :format, :document, :now FROM bought
    )
    SELECT id FROM bought
    """
).bindparams(
    *(bindparam(name, type_=_MOMENT) for name in ("now", "estimated_at")),
    bindparam("price_minor", type_=BigInteger()),
    bindparam("currency", type_=Text()),
    bindparam("document", type_=LargeBinary()),
)
_FAILED = text(
    """
    UPDATE shipments SET label_next_attempt_at = NULL, label_error_code = :code, label_error = :message
     WHERE id = :id AND label_state = 'REQUESTED' AND label_generation = :generation
    RETURNING id
    """
)
_KEPT = text(
    """
    UPDATE shipments SET label_kept_at = :now, label_next_attempt_at = NULL,
           label_error_code = 'label_not_taken_back', label_error = :message
     WHERE id = :id
    """
).bindparams(bindparam("now", type_=_MOMENT))
_VOIDED = text(
    """
    UPDATE shipments SET label_state = 'VOIDED', version = version + 1, label_next_attempt_at = NULL
     WHERE id = :id AND status = 'CANCELED' AND label_state IN ('REQUESTED', 'PURCHASED')
    """
)
_FACTS = text(
    """
    SELECT s.id, s.label_state, s.label_attempts, s.label_next_attempt_at, s.label_price_minor,
           s.label_currency, s.label_error_code, s.label_error, s.label_kept_at, d.id AS document_id, d.format
      FROM shipments s
      LEFT JOIN LATERAL (SELECT id, format FROM shipment_documents
                          WHERE shipment_id = s.id AND kind = 'LABEL'
                          ORDER BY created_at DESC, id DESC LIMIT 1) d ON true
     WHERE s.id = ANY (:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_DOCUMENTS = text("SELECT id, kind, format, bytes FROM shipment_documents WHERE id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_LABELS = text(
    """
    SELECT DISTINCT ON (shipment_id) shipment_id AS id, kind, format, bytes FROM shipment_documents
     WHERE shipment_id = ANY (:ids) AND kind = 'LABEL' ORDER BY shipment_id, created_at DESC, id DESC
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a parcel as it is stored."""

    kind: DocumentKind
    format: LabelFormat
    content: bytes


async def lease_due(
    connection: AsyncConnection, *, most: int, now: datetime, leased_until: datetime, busy: Collection[str]
) -> list[LabelAsk]:
    """Take up to `most` labels that are to be bought or given back, for this caller alone.

    None of the providers that are `busy`.
    """
    values = {"most": most, "now": now, "leased_until": leased_until, "busy": sorted(busy)}
    return [_ask(row) for row in await connection.execute(_LEASE_DUE, values)]


async def lease(
    connection: AsyncConnection, shipment_ids: Sequence[UUID], *, now: datetime, leased_until: datetime
) -> list[LabelAsk]:
    """Take those of these parcels' labels that nobody else is asking for."""
    values = {"ids": list(shipment_ids), "now": now, "leased_until": leased_until}
    return [_ask(row) for row in await connection.execute(_LEASE_THESE, values)]


async def postpone(connection: AsyncConnection, ask: LabelAsk, *, next_attempt_at: datetime) -> None:
    """Ask again later, unless somebody has meanwhile."""
    values = {"id": ask.shipment_id, "generation": ask.generation, "attempts": ask.attempts}
    await connection.execute(_POSTPONE, {**values, "next_attempt_at": next_attempt_at})


async def request(
    connection: AsyncConnection, shipment: Shipment, correction: Correction, now: datetime
) -> None:
    """Ask for the label of a locked parcel anew, as corrected."""
    await connection.execute(
        _REQUEST,
        {
            "id": shipment.id,
            "now": now,
            "provider": shipment.provider,
            "service_code": correction.service_code,
            "new_service": correction.service is not None,
            "recipient": json_text(correction.recipient.to_json()) if correction.recipient else None,
            "weight_grams": shipment.size.weight_grams,
            "length_mm": shipment.size.length_mm,
            "width_mm": shipment.size.width_mm,
            "height_mm": shipment.size.height_mm,
        },
    )


async def keep(connection: AsyncConnection, ask: LabelAsk, label: Label, now: datetime) -> bool:
    """Record the label of a locked parcel; False when that was recorded before."""
    values = {
        "id": ask.shipment_id,
        "generation": ask.generation,
        **bought(label),
        "estimated_at": label.estimated_at,
        "now": now,
    }
    return (await connection.execute(_PURCHASED, values)).first() is not None


def bought(label: Label) -> dict[str, Any]:
    """Return what is written of every label that was sold: its price and its document."""
    return {
        "price_minor": label.price.amount_minor if label.price else None,
        "currency": label.price.currency if label.price else None,
        "document_id": new_id(),
        "format": label.document_format.value,
        "document": label.document,
    }


async def fail(connection: AsyncConnection, ask: LabelAsk, refused: LabelRefused) -> bool:
    """Record why the label of a locked parcel was refused; False when an outcome was recorded before."""
    values = {
        "id": ask.shipment_id,
        "generation": ask.generation,
        "code": refused.refusal,
        "message": refused.message,
    }
    return (await connection.execute(_FAILED, values)).first() is not None


async def record_void(connection: AsyncConnection, ask: LabelAsk) -> None:
    """Record that the label of a canceled parcel was given back, or never came to be."""
    await connection.execute(_VOIDED, {"id": ask.shipment_id})


async def record_kept(connection: AsyncConnection, ask: LabelAsk, message: str, now: datetime) -> None:
    """Record that the label of a canceled parcel was not taken back."""
    await connection.execute(_KEPT, {"id": ask.shipment_id, "message": message, "now": now})


async def facts_of(connection: AsyncConnection, shipment_ids: Sequence[UUID]) -> dict[UUID, LabelFacts]:
    """Return what is known of parcels' labels, by shipment."""
    rows = await connection.execute(_FACTS, {"ids": list(shipment_ids)})
    return {row.id: _facts(row) for row in rows}


async def documents(connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, Document]:
    """Return documents by their ids."""
    return {row.id: _document(row) for row in await connection.execute(_DOCUMENTS, {"ids": list(ids)})}


async def labels_of(connection: AsyncConnection, shipment_ids: Sequence[UUID]) -> Mapping[UUID, Document]:
    """Return the newest label of each of these parcels, by shipment."""
    rows = await connection.execute(_LABELS, {"ids": list(shipment_ids)})
    return {row.id: _document(row) for row in rows}


def _document(row: Row[*tuple[Any, ...]]) -> Document:
    return Document(DocumentKind(row.kind), LabelFormat(row.format), bytes(row.bytes))


def _facts(row: Row[*tuple[Any, ...]]) -> LabelFacts:
    return LabelFacts(
        LabelState(row.label_state),
        row.label_attempts,
        row.label_next_attempt_at,
        None if row.label_price_minor is None else Money(row.label_price_minor, row.label_currency),
        None if row.label_error_code is None else (row.label_error_code, row.label_error),
        row.label_kept_at,
        row.document_id,
        None if row.format is None else LabelFormat(row.format),
    )


def _ask(row: Row[*tuple[Any, ...]]) -> LabelAsk:
    return LabelAsk(
        row.id,
        row.order_id,
        row.number,
        row.label_generation,
        row.label_attempts,
        row.label_requested_at,
        row.provider,
        LabelState(row.label_state),
        row.canceled,
        row.provider_reference,
        row.service_code,
        Address.from_json(row.sender) if row.sender else None,
        Address.from_json(row.recipient),
        ParcelSize(row.weight_grams, row.length_mm, row.width_mm, row.height_mm),
        tuple(
            CustomsLine(sku, name, quantity, Money(price, row.currency), weight)
            for sku, name, quantity, price, weight in row.contents or ()
        ),
    )
