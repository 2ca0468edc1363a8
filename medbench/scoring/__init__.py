"""Pure functions: prompts and protocols, answer extraction, rationale metrics, statistics."""
