"""`medbench compare`: does B differ from A on the same questions, and where."""
