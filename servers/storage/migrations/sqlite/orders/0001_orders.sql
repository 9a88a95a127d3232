-- Orders: what customers asked for, and what the ledger decided.

CREATE TABLE orders (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were placed
    id               TEXT    NOT NULL CHECK (length(id) = 32),
    fingerprint      TEXT    NOT NULL CHECK (length(fingerprint) = 64),
    book_id          INTEGER NOT NULL,
    quantity         INTEGER NOT NULL CHECK (quantity > 0),
    version          INTEGER,
    max_price_minor  INTEGER,
    state            TEXT    NOT NULL CHECK (state IN ('pending', 'confirmed', 'rejected',
                                                       'cancelling', 'cancelled')),
    created_at_ms    INTEGER NOT NULL,
    ledger_number    INTEGER,
    decided_at_ms    INTEGER,
    reason           TEXT,
    title            TEXT,
    unit_price_minor INTEGER,
    version_after    INTEGER,
    stock_after      INTEGER,
    version_seen     INTEGER,
    stock_seen       INTEGER,
    cancelling_at_ms INTEGER,
    cancelled_at_ms  INTEGER,
    return_number    INTEGER,
    CHECK ((state = 'pending') = (ledger_number IS NULL)),
    CHECK ((state = 'cancelled') = (return_number IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX orders_id ON orders (id);
CREATE INDEX orders_of_book ON orders (book_id, seq);
CREATE INDEX orders_unfinished ON orders (seq) WHERE state IN ('pending', 'cancelling');

-- Facts of this shop, such as its currency.
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
