"""Texts for continued pre-training: read, tokenised once, drawn from as windows."""
