"""What the shop prints, on a terminal, into a pipe, into its log, when its texts are hostile."""
