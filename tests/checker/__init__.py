"""What customers saw, compared with what the shop wrote down; and what makes up such stories."""
