"""Results under version control: what may be added, and what is wrong with what is there."""
