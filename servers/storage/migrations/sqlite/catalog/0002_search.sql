-- What searches are answered from: the words of living books, and the orders of lists.

-- The words are made by the program (servers/storage/full_text.py), so the index has to
-- cut at blanks only. Beginnings of words are indexed up to the length that stands there too.
CREATE VIRTUAL TABLE book_words USING fts5 (
    words,
    content = '',
    contentless_delete = 1,
    detail = none,  -- whether a word stands in a book, not where: ranking looks at the book
    tokenize = 'ascii',
    prefix = '1 2 3 4 5 6 7 8 9 10 11 12'
);

-- authors and topics are JSON; nothing of its notation is a word.
INSERT INTO book_words (rowid, words)
    SELECT id, search_words(title, authors, topics) FROM books WHERE deleted = 0 ORDER BY id;

-- No column in these is written by a sale.
CREATE INDEX books_by_title ON books (title COLLATE NOCASE, id) WHERE deleted = 0;
CREATE INDEX books_by_price ON books (price_minor, id) WHERE deleted = 0;
