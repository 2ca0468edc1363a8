"""Option sets: `medbench-hf` against lm-eval's `hf` where several options may be right.

A question with five options has 31 continuations ("A.", "A, C.", …); lm-eval computes the whole
question for each. Stock is timed on 4 questions a round, other ones each time, and multiplied.
"""

from compare import compare_scores

if __name__ == "__main__":
    compare_scores(
        __doc__, tasks="mmedbench_french,mmedbench_japanese", shots=0, items=200, stock_items=4
    )
