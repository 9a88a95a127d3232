"""What the servers say of themselves, held against what they do."""
