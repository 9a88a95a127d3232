"""What the catalog does beyond its contract: its routes, its repair, its restarts."""
