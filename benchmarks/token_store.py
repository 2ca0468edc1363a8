"""Reading windows of tokens: the token store against `datasets` alone, both mapped into memory.

    python benchmarks/token_store.py [--texts 20000] [--windows 20000]

Texts of random tokens, 200 to 20,000 long, are written once in each form; `datasets` holds one row
a text (Arrow, uint16), read as NumPy. Both then draw the same windows of 512 tokens, in the same
order, in turn; told are tokens a second (medians) and their ratio. Tokens must be equal.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import datasets
import numpy as np
from numpy.typing import NDArray

from medbench.training.corpus.store import MANIFEST, TABLE, Manifest, TokenStore, written
from medbench.training.corpus.windows import Texts, random_starts, uniform

WINDOW = 512
ROUNDS = 5


def main() -> None:
    """Write both, read both, print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--texts", type=int, default=20_000)
    asked.add_argument("--windows", type=int, default=20_000)
    options = asked.parse_args()
    source = np.random.default_rng(0)
    lengths = np.exp(source.uniform(np.log(200), np.log(20_000), options.texts)).astype(np.int64)
    rows = [source.integers(0, 32_000, one, np.uint16) for one in lengths]
    with tempfile.TemporaryDirectory() as name:
        ours = Texts.of([store(rows, Path(name) / "store")])
        theirs = arrow(rows, Path(name) / "arrow")
        chosen = source.integers(0, options.texts, options.windows)
        starts = random_starts(lengths[chosen], WINDOW, uniform(0, 0, "start", options.windows))
        places = list(zip(chosen.tolist(), starts.tolist(), strict=True))
        compare(ours, theirs, places)


def store(rows: list[NDArray[np.uint16]], place: Path) -> TokenStore:
    """Write a token store of one piece."""
    place.mkdir()
    (place / "00000.tokens").write_bytes(b"".join(row.tobytes() for row in rows))
    np.save(place / "00000.npy", np.array([(len(row), i) for i, row in enumerate(rows)], TABLE))
    about = Manifest("random", "", 1, len(rows), 0, sum(map(len, rows)), "uint16")
    (place / MANIFEST).write_text(written(about), encoding="utf-8")
    return TokenStore(place)


def arrow(rows: list[NDArray[np.uint16]], place: Path) -> datasets.Dataset:
    """Write the same as `datasets` does, and open it anew."""
    kind = datasets.Features({"ids": datasets.Sequence(datasets.Value("uint16"))})
    datasets.Dataset.from_dict({"ids": rows}, features=kind).save_to_disk(str(place))
    return datasets.load_from_disk(str(place)).with_format("numpy")


def compare(ours: Texts, theirs: datasets.Dataset, places: list[tuple[int, int]]) -> None:
    """Read in turn, and print medians."""
    reads = {
        "token store": lambda text, start: ours.stores[0].tokens(
            text, start, min(start + WINDOW, int(ours.lengths[text]))
        ),
        "datasets": lambda text, start: theirs[text]["ids"][start : start + WINDOW],
    }
    assert all(
        np.array_equal(reads["token store"](*place), reads["datasets"](*place))
        for place in places[:200]
    )
    speeds: dict[str, list[float]] = {name: [] for name in reads}
    for _ in range(ROUNDS):
        for name, read in reads.items():
            began, tokens = time.perf_counter(), 0
            for place in places:
                tokens += int(read(*place).astype(np.int64).shape[0])
            speeds[name].append(tokens / (time.perf_counter() - began))
    print(f"{len(places):,} windows of {len(ours):,} texts, {os.cpu_count()} processors")
    for name, found in speeds.items():
        print(f"{name}: {median(found):,.0f} tokens/s")
    print(f"ratio {median(speeds['token store']) / median(speeds['datasets']):.1f}")


if __name__ == "__main__":
    main()
