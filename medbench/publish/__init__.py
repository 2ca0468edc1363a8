"""Checkpoints to the Hugging Face Hub and back, with proof that what was trained is served."""
