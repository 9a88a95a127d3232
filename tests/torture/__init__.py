"""`make torture`: the heavy amounts of every fault, for as long as one likes, and a table."""
