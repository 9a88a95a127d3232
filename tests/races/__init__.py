"""Who wins when several want the same thing at once, over real HTTP."""
