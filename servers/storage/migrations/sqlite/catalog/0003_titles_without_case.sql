-- The order by title in words that every engine has. As NOCASE did, lower() knows ASCII alone,
-- so the order is the same.
DROP INDEX books_by_title;
CREATE INDEX books_by_title ON books (lower(title), id) WHERE deleted = 0;
