"""Few-shot letters: `medbench-hf` against lm-eval's `hf` on the same questions.

Five examples come before every question; lm-eval computes them for each, the packed engine once.
Stock is timed on 10 of the questions a round, other ones each time, and multiplied.
"""

from compare import compare_scores

if __name__ == "__main__":
    compare_scores(__doc__, tasks="kormedmcqa-letters_doctor", shots=5, items=200, stock_items=10)
