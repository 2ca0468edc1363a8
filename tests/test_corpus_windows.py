"""Windows: each flaw of the originals has a test here that shows ours is right, named after it."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from medbench.training.corpus.windows import (
    Draws,
    HeldOut,
    Shape,
    Texts,
    Windows,
    random_starts,
    spread,
    uniform,
)
from medbench.training.examples import IGNORED, Example
from tests.pretraining_runs import END, byte_store, text_of

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make stores in a folder of the test."""
    monkeypatch.setenv("MEDBENCH_CACHE", str(tmp_path / "cache"))


def texts(folder: Path, *lengths: int) -> Texts:
    """Return texts of so many tokens, their ends among them; each is of its own letter."""
    written = [chr(97 + i) * (length - 1) for i, length in enumerate(lengths)]
    return Texts.of([byte_store(written, folder)])


def windows(found: Texts, window: int, overlap: int | None = None, seed: int = 7) -> Windows:
    return Windows(found, None, Shape(window, overlap), 0.0, seed)


def read(one: Example) -> str:
    return text_of(one.input_ids)


def test_the_last_window_is_drawn(tmp_path: Path) -> None:
    """PMC-LLaMA never takes the last start, so never a paper's end; all are as likely here."""
    found = windows(texts(tmp_path, 20), 12)
    starts = Counter(int(found.draw(epoch, 0).source.split()[-3]) for epoch in range(900))
    assert sorted(starts) == list(range(9))
    assert chisquare([starts[one] for one in range(9)]).pvalue > 1e-3
    assert any(read(found.draw(epoch, 0)).endswith("¶") for epoch in range(50))


def test_a_text_as_long_as_a_window_or_one_longer(tmp_path: Path) -> None:
    found = windows(texts(tmp_path, 12, 13), 12)
    assert {read(found.draw(epoch, 0)) for epoch in range(20)} == {"a" * 11 + "¶"}
    assert {read(found.draw(epoch, 1)) for epoch in range(40)} == {"b" * 12, "b" * 11 + "¶"}


def test_padding_is_never_learnt(tmp_path: Path) -> None:
    """Both originals fill short texts up and learn the filling; a short text is whole here."""
    for overlap in (None, 3):
        short = windows(texts(tmp_path, 5, 2), 12, overlap)
        assert [read(one) for one in short] == ["aaaa¶", "b¶"]
        assert [one.labels for one in short] == [[IGNORED, 97, 97, 97, END], [IGNORED, END]]


def test_every_token_but_the_first_is_learnt(tmp_path: Path) -> None:
    one = windows(texts(tmp_path, 40), 12)[0]
    assert one.labels == [IGNORED, *one.input_ids[1:]] and len(one.input_ids) == 12


def test_new_windows_each_epoch(tmp_path: Path) -> None:
    found = windows(texts(tmp_path, 500), 12)
    assert len({found.draw(epoch, 0).source for epoch in range(20)}) > 15


@settings(deadline=None)
@given(lengths=LENGTHS, window=st.integers(2, 20), data=st.data())
def test_overlapping_windows_cover_a_text(
    lengths: list[int], window: int, data: st.DataObject
) -> None:
    """Every token is in one; neighbours share the overlap, the last two more; none leaves it."""
    overlap = data.draw(st.integers(0, window - 1))
    counts = spread(np.array(lengths), window, overlap)
    for length, count in zip(lengths, counts.tolist(), strict=True):
        last = max(length - window, 0)
        starts = [min(i * (window - overlap), last) for i in range(count)]
        assert starts[0] == 0 and starts[-1] + min(window, length) == length
        assert all(0 < b - a <= window - overlap for a, b in pairwise(starts))


def test_the_original_s_overlap(tmp_path: Path) -> None:
    """MMedLM's 2048 with a stride of 1536, in small: 8 with 6; the last ends with the text."""
    found = windows(texts(tmp_path, 21, 8, 3), 8, 2)
    assert [one.source.partition("tokens ")[2] for one in found] == [
        "0 to 8", "6 to 14", "12 to 20", "13 to 21", "0 to 8", "0 to 3",
    ]  # fmt: skip
    assert "".join(read(one) for one in found).count("¶") == 3


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 20), st.integers(0, 2**32), st.integers(0, 50))
def test_starts_stay_inside(lengths: list[int], window: int, seed: int, epoch: int) -> None:
    drawn = uniform(seed, epoch, "start", len(lengths))
    starts = random_starts(np.array(lengths), window, drawn)
    assert all(0 <= s <= max(n - window, 0) for s, n in zip(starts, lengths, strict=True))
    again = uniform(seed, epoch, "start", len(lengths) + 5)
    assert again[: len(lengths)].tolist() == drawn.tolist(), "a text keeps its number"


def test_a_number_just_below_one() -> None:
    below = np.array([np.nextafter(1.0, 0.0)])
    assert random_starts(np.array([2**40]), 512, below).tolist() == [2**40 - 512]


def test_streams_differ() -> None:
    drawn = [uniform(s, e, "start", 1)[0] for s in range(5) for e in range(5)]
    drawn += [uniform(0, 0, one, 1)[0] for one in ("order", "replay start", "held out")]
    assert len(set(drawn)) == len(drawn)


def test_an_epoch_shows_each_text_once(tmp_path: Path) -> None:
    """In an order of its own, filled up to whole steps with what nothing is learnt of."""
    found = windows(texts(tmp_path, 9, 3, 30, 12, 5), 12)
    draws = Draws(found, batch=4, steps=6)
    assert len(draws) == 24 and draws.size == 8
    epochs = [[draws[8 * epoch + place] for place in range(8)] for epoch in range(3)]
    for epoch in epochs:
        assert sorted(read(one)[0] for one in epoch[:5]) == list("abcde")
        assert [one.labels for one in epoch[5:]] == [[IGNORED]] * 3
    assert len({"".join(read(one)[0] for one in epoch[:5]) for epoch in epochs}) > 1


def test_any_order_of_asking_gives_the_same(tmp_path: Path) -> None:
    """So a resumed run, and a process that sees every second batch, read what one process reads."""
    found = texts(tmp_path, 90, 30, 45, 12, 5)
    ahead = [Draws(windows(found, 12), 4, 6)[number] for number in range(24)]
    draws = Draws(windows(found, 12), 4, 6)
    backward = [draws[number] for number in reversed(range(24))]
    assert backward[::-1] == ahead
    assert ahead != [Draws(windows(found, 12, seed=8), 4, 6)[number] for number in range(24)]


@pytest.mark.parametrize(("replay", "expected"), [(0.0, 0), (0.25, 3), (0.5, 9), (0.9, 81)])
def test_replay_is_its_share(replay: float, expected: int, tmp_path: Path) -> None:
    medical = texts(tmp_path, *[20] * 9)
    general = Texts.of([byte_store(["Z" * 30, "Y" * 5], tmp_path)])
    found = Windows(medical, general, Shape(12, None), replay, 0)
    assert found.replayed == expected and len(found) == 9 + expected
    epochs = [[read(found.draw(e, i)) for i in range(9, len(found))] for e in range(3)]
    assert {one[0] for epoch in epochs for one in epoch} <= set("YZ¶")
    if replay == 0.9:
        assert epochs[0] != epochs[1] and epochs[0] == [read(found[i]) for i in range(9, 90)]
    assert [one.part for one in found.counts] == ["sources", "replayed"][: 1 + (expected > 0)]
    assert found.counts[0].tokens == 9 * 12 and found.counts[0].supervised == 9 * 11


def test_held_out_windows_are_the_same_in_every_run(tmp_path: Path) -> None:
    found = texts(tmp_path, 90, 8, 45)
    first, second = ([*map(read, map(HeldOut(found, 12).__getitem__, range(3)))] for _ in "ab")
    assert first == second and [len(one) for one in first] == [12, 8, 12]


def test_several_stores(tmp_path: Path) -> None:
    stores = [byte_store(["one", "two"], tmp_path), byte_store(["three"], tmp_path)]
    found = Texts.of(stores)
    assert [read(found.example(i, 0, 9)) for i in range(3)] == ["one¶", "two¶", "three¶"]
    assert read(found.where(np.array([False, False, True])).example(0, 1, 2)) == "hr"
