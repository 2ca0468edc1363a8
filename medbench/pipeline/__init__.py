"""`medbench run`: train → evaluate → board, as one pipeline that goes on where it was stopped."""
