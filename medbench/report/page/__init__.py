"""The board as one page that needs no other file, and asks no server for anything."""
