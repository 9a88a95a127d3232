"""HTTP without books: routes, bodies, headers, limits, batches."""
