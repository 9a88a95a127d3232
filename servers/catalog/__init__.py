"""The catalog: owner of books, stock and the ledger."""
