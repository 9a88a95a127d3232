-- Books, their topics, and the ledger of everything that happened to them.

CREATE TABLE books (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    title         TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
    authors       TEXT    NOT NULL,  -- a JSON array of strings
    isbn          TEXT    CHECK (length(isbn) = 13),
    topics        TEXT    NOT NULL,  -- a JSON array of strings, as they are shown
    price_minor   INTEGER NOT NULL CHECK (price_minor BETWEEN 0 AND 100000000000),
    stock         INTEGER NOT NULL CHECK (stock >= 0),
    version       INTEGER NOT NULL CHECK (version >= 1),
    updated_at_ms INTEGER NOT NULL,
    deleted       INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX books_isbn ON books (isbn) WHERE deleted = 0 AND isbn IS NOT NULL;

-- One row per topic of a living book, in the order of a search's pages.
CREATE TABLE book_topics (
    topic_key TEXT    NOT NULL,
    book_id   INTEGER NOT NULL REFERENCES books (id),
    PRIMARY KEY (topic_key, book_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE topics (
    topic_key TEXT    PRIMARY KEY,
    name      TEXT    NOT NULL,
    books     INTEGER NOT NULL CHECK (books >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
    number           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind             TEXT    NOT NULL CHECK (kind IN ('added', 'edited', 'received', 'deleted',
                                                      'sold', 'returned', 'refused', 'void')),
    book_id          INTEGER NOT NULL,  -- a refusal may name a book that never existed
    at_ms            INTEGER NOT NULL,
    change           INTEGER NOT NULL DEFAULT 0,
    version_after    INTEGER,
    stock_after      INTEGER CHECK (stock_after >= 0),
    title            TEXT,
    unit_price_minor INTEGER,
    order_id         TEXT    CHECK (length(order_id) = 32),
    fingerprint      TEXT    CHECK (length(fingerprint) = 64),
    quantity         INTEGER CHECK (quantity > 0),
    asked_version    INTEGER,  -- the customer's own conditions
    asked_max_price_minor INTEGER,
    reason           TEXT,
    version_seen     INTEGER,
    stock_seen       INTEGER,
    idempotency_key  TEXT,
    CHECK ((kind IN ('refused', 'void')) = (version_after IS NULL)),
    CHECK ((kind IN ('sold', 'returned', 'refused', 'void')) = (order_id IS NOT NULL))
) STRICT;

-- An order is decided once and given back once.
CREATE UNIQUE INDEX ledger_decision ON ledger (order_id) WHERE kind IN ('sold', 'refused', 'void');
CREATE UNIQUE INDEX ledger_return ON ledger (order_id) WHERE kind = 'returned';
CREATE UNIQUE INDEX ledger_key ON ledger (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX ledger_of_book ON ledger (book_id, number);

-- Facts of this shop, such as its currency.
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
