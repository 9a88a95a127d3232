"""Rows without books: one seam for databases, and SQLite behind it."""
