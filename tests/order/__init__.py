"""What the order server does beyond its contract: failing catalogs, restarts, answers."""
