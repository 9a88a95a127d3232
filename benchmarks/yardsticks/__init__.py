"""What the shop is measured against: processes that print their port and end with their stdin."""
