"""What the storage promises, over real files."""
