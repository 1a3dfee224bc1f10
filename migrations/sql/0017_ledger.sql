-- What the ledger of money holds to.

-- An entry has exactly the postings it says, of its own currency, and they sum to zero. Asked at commit, of
-- the entry and of each posting: so neither an entry without postings nor a posting added later gets in.
CREATE FUNCTION ledger_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    entry uuid;
    balanced boolean;
BEGIN
    IF TG_TABLE_NAME = 'ledger_entries' THEN
        entry := NEW.id;
    ELSE
        entry := NEW.entry_id;
    END IF;
    SELECT count(p.entry_id) = e.posting_count AND sum(p.amount_minor) = 0 AND bool_and(p.currency = e.currency)
      INTO balanced
      FROM ledger_entries e LEFT JOIN ledger_postings p ON p.entry_id = e.id
     WHERE e.id = entry
     GROUP BY e.id;
    IF balanced IS NOT TRUE THEN
        RAISE EXCEPTION 'ledger entry % does not balance', entry
              USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: what is wrong is put right by another entry', TG_TABLE_NAME
          USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END
$$;
