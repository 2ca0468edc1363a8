"""What comes from the Hugging Face Hub by its name, and why it does not."""
