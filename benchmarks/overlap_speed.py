"""The overlap gate's search on synthetic rows: 20,000 test texts in 200,000 training texts.

Words follow Zipf's law, texts have a test set's lengths (30 to 170 units), one in four is Chinese.
So many test texts are put among the training texts, whole or with one unit in twenty changed. Told
are seconds, the highest resident memory, and how many of the planted ones were found.
"""

import argparse
import random
import resource
import time
from collections.abc import Iterator

import numpy as np

from medbench.publish.gates.duplicates import TextIndex

VOCABULARY = 60_000
IDEOGRAPHS = 4_000
PLANTED = 500


def main() -> None:
    """Make rows, search, print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--train", type=int, default=200_000)
    asked.add_argument("--test", type=int, default=20_000)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args()
    tests = list(texts(options.test, np.random.default_rng(options.seed)))
    planted = random.Random(options.seed).sample(range(options.test), 2 * PLANTED)
    copies = {number: tests[number] for number in planted[:PLANTED]}
    edits = {number: edited(tests[number], number) for number in planted[PLANTED:]}
    rows = list(texts(options.train - 2 * PLANTED, np.random.default_rng(options.seed + 1)))
    rows += [*copies.values(), *edits.values()]
    before = peak()
    start = time.perf_counter()
    index = TextIndex(tests)
    built = time.perf_counter()
    found = index.search(rows)
    end = time.perf_counter()
    exact, near = set(np.flatnonzero(found.exact)), set(np.flatnonzero(found.near))
    print(f"{options.train:,} training texts, {options.test:,} test texts")
    print(f"index {built - start:.1f} s, search {end - built:.1f} s, together {end - start:.1f} s")
    print(f"peak memory {peak():,.0f} MiB, of which {before:,.0f} MiB before (the rows themselves)")
    print(f"exact: {len(exact & set(copies))} of {len(copies)}, {len(exact - set(copies))} others")
    print(f"edited: {len(near & set(edits))} of {len(edits)}, {len(near - set(edits))} others")


def texts(count: int, source: np.random.Generator) -> Iterator[str]:
    """Yield synthetic texts."""
    for number in range(count):
        is_chinese = number % 4 == 0
        length = int(source.integers(30, 170))
        ranks = source.zipf(1.3, length) % (IDEOGRAPHS if is_chinese else VOCABULARY)
        if is_chinese:
            yield "".join(chr(0x4E00 + rank) for rank in ranks)
        else:
            yield " ".join(f"w{rank}" for rank in ranks)


def edited(text: str, seed: int) -> str:
    """Change one unit in twenty."""
    is_spaced = " " in text
    parts = text.split() if is_spaced else list(text)
    for place in random.Random(seed).sample(range(len(parts)), len(parts) // 20):
        parts[place] = "〇"
    return (" " if is_spaced else "").join(parts)


def peak() -> float:
    """Return the highest resident memory of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
