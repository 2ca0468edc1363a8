"""Zero-shot letters: `medbench-hf` against lm-eval's `hf` on the same questions.

Nothing is shared between questions, and lm-eval too computes a question once for all its letters:
what is left to gain is padding, and logits that nobody reads. Stock runs all questions.
"""

from compare import compare_scores

if __name__ == "__main__":
    compare_scores(__doc__, tasks="kormedmcqa-letters_doctor", shots=0, items=100)
