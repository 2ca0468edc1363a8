"""`medbench export`: the files that other people's leaderboards ask for."""
