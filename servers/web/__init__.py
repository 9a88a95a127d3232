"""HTTP without books: routes, bodies, errors, batches, doors, logs and metrics."""
