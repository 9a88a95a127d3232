"""What a shop's keepers do with its databases: audit, repair, copy, put back, examine."""
