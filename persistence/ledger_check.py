"""SQL that proves the ledger against the rest of the database."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.tables.payments import MOVED

# One statement, so that all of it is seen at one moment.
_UNEXPLAINED = text(
    f"""
    WITH postings AS (
        SELECT e.id, e.source_kind, e.source_id, e.kind, e.order_id, p.account, p.amount_minor
          FROM ledger_entries e JOIN ledger_postings p ON p.entry_id = e.id
    ), compared AS (
        SELECT 'entry ' || e.id AS subject, coalesce(sum(p.amount_minor), 0) AS booked, 0 AS expected,
               count(p.id) = e.posting_count AS whole
          FROM ledger_entries e LEFT JOIN postings p ON p.id = e.id
         GROUP BY e.id
        UNION ALL
        SELECT coalesce('the ' || m.kind || ' ' || m.id || ' of order ' || m.number,
                        'transaction ' || b.source_id),
               coalesce(b.amount, 0), coalesce(m.amount_minor, 0), true
          FROM (SELECT t.id, lower(t.kind) AS kind, t.amount_minor, o.number
                  FROM payment_transactions t
                  JOIN payments p ON p.id = t.payment_id JOIN orders o ON o.id = p.order_id
                 WHERE t.{MOVED.replace("AND kind", "AND t.kind")}) m
          FULL JOIN (SELECT source_id, sum(abs(amount_minor)) AS amount FROM postings
                      WHERE source_kind = 'payment_transaction'
                        AND account IN ('PROVIDER_CLEARING', 'CASH', 'STORE_CREDIT')
                      GROUP BY source_id) b ON b.source_id = m.id
        UNION ALL
        SELECT 'order ' || o.number, coalesce(s.sold, 0), o.total_minor, true
          FROM orders o
          LEFT JOIN (SELECT order_id, -sum(amount_minor) AS sold FROM postings
                      WHERE kind IN ('ORDER_PLACED', 'ORDER_EDITED') AND account <> 'RECEIVABLE'
                      GROUP BY order_id) s ON s.order_id = o.id
         WHERE NOT o.imported AND o.status IN ('PENDING_APPROVAL', 'OPEN', 'COMPLETED')
        UNION ALL
        SELECT 'what was credited of order ' || o.number, coalesce(c.booked, 0), coalesce(p.credited, 0),
               true
          FROM (SELECT order_id, sum(credited_minor) AS credited FROM payments
                 WHERE credited_minor > 0 GROUP BY order_id) p
          FULL JOIN (SELECT order_id, -sum(amount_minor) AS booked FROM postings
                      WHERE kind = 'CREDITED' AND account = 'STORE_CREDIT'
                      GROUP BY order_id) c ON c.order_id = p.order_id
          JOIN orders o ON o.id = coalesce(p.order_id, c.order_id)
        UNION ALL
        SELECT 'what is left of order ' || o.number || ' on ' || s.account, s.left_minor, 0, true
          FROM orders o
          JOIN (SELECT order_id, account, sum(amount_minor) AS left_minor FROM postings
                 WHERE account IN ('SALES', 'SHIPPING', 'TAX', 'DISCOUNT')
                 GROUP BY order_id, account) s ON s.order_id = o.id
         WHERE o.status IN ('CANCELED', 'REJECTED', 'EXPIRED')
        UNION ALL
        SELECT 'the refund ' || r.number || ' without an order', coalesce(b.amount, 0), r.paid_minor, true
          FROM unlinked_refunds r
          LEFT JOIN (SELECT source_id, -sum(amount_minor) AS amount FROM postings
                      WHERE source_kind = 'unlinked_refund'
                        AND account IN ('CASH', 'STORE_CREDIT', 'PROVIDER_CLEARING')
                      GROUP BY source_id) b ON b.source_id = r.id
        UNION ALL
        SELECT 'what a provider paid of the refund ' || r.number || ' without an order',
               CASE r.method WHEN 'PROVIDER' THEN r.paid_minor ELSE 0 END, p.amount_minor, true
          FROM unlinked_refund_payments p JOIN unlinked_refunds r ON r.id = p.unlinked_refund_id
         WHERE p.status = 'SUCCEEDED'
        UNION ALL
        SELECT 'what a carrier owes for claim ' || c.number, coalesce(b.amount, 0),
               CASE WHEN k.paid_minor IS NULL THEN k.amount_minor ELSE 0 END, true
          FROM carrier_claims k JOIN claims c ON c.id = k.claim_id
          LEFT JOIN (SELECT source_id, sum(amount_minor) AS amount FROM postings
                      WHERE source_kind = 'claim' AND account = 'CARRIER_CLAIMS'
                      GROUP BY source_id) b ON b.source_id = k.claim_id
    )
    SELECT subject, booked::bigint AS booked, expected::bigint AS expected FROM compared
     WHERE booked <> expected OR NOT whole
     ORDER BY subject LIMIT :most
    """
)
_COUNTS = text(
    f"""
    SELECT (SELECT count(*) FROM ledger_entries) AS entries,
           (SELECT count(*) FROM payment_transactions WHERE {MOVED}) AS movements
    """
)


@dataclass(frozen=True, slots=True)
class Unexplained:
    """What the books do not say as they should; amounts in minor units."""

    subject: str
    booked_minor: int
    expected_minor: int


async def unexplained(connection: AsyncConnection, most: int) -> list[Unexplained]:
    """Return up to `most` entries, movements of payments and orders that the books do not explain."""
    rows = await connection.execute(_UNEXPLAINED, {"most": most})
    return [Unexplained(row.subject, row.booked, row.expected) for row in rows]


async def size(connection: AsyncConnection) -> tuple[int, int]:
    """Return how many entries and how many movements of payments there are."""
    row = (await connection.execute(_COUNTS)).one()
    return row.entries, row.movements
