"""A copy is found though it was edited; what is only of the same kind is not."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.publish.gates.duplicates import FREQUENT, TextIndex, units

ENGLISH = (
    "A 61-year-old gardener has had a dry cough and swollen ankles since spring. His neck veins "
    "are full, and fine crackles are heard over both lung bases. An echocardiogram shows a thick "
    "ventricle that relaxes slowly while its ejection fraction stays normal. Which drug relieves "
    "his breathlessness first? furosemide digoxin ivabradine amlodipine"
)
COPIES = {
    "en": ENGLISH,
    "zh": (
        "一名六十一岁的园丁自春天起干咳并双踝水肿。颈静脉怒张，双肺底可闻及细湿啰音。"
        "超声心动图提示心室壁增厚、舒张缓慢而射血分数正常。首先用哪种药物缓解其呼吸困难？"
    ),
    "ja": (
        "六十一歳の庭師が春から続く乾いた咳と足首のむくみを訴えて来院した。頸静脈は怒張し、"
        "両側の肺底部で細かい断続性ラ音を聴取する。息切れをまず和らげる薬はどれか。"
    ),
    "ko": (
        "예순한 살 정원사가 봄부터 마른기침과 발목 부종이 있어 병원에 왔다. "
        "목정맥이 확장되어 있고 양쪽 폐 아래쪽에서 미세한 거품소리가 들린다. 먼저 쓸 약은?"
    ),
    "ru": (
        "Садовник шестидесяти одного года с весны жалуется на сухой кашель и отёки лодыжек. "
        "Шейные вены набухшие, в нижних отделах лёгких хрипы. Какой препарат поможет первым?"
    ),
}
WORDS = [f"{a}{b}" for a in ("car", "neph", "hep", "oss", "derm", "pulm") for b in
         ("ine", "ora", "ulo", "esis", "atum", "idal", "ophy", "ence")]  # fmt: skip


def edited(text: str, share: float, seed: int) -> str:
    """Replace so many words, or characters where a text has no blanks, by others."""
    parts = list(text) if len(text.split()) < 8 else text.split(" ")
    for place in random.Random(seed).sample(range(len(parts)), int(share * len(parts))):
        parts[place] = "〇" if len(text.split()) < 8 else "xyz"
    return ("" if len(text.split()) < 8 else " ").join(parts)


@pytest.mark.parametrize("language", COPIES)
@given(seed=st.integers(0, 10**6))
def test_an_edited_copy_is_found(language: str, seed: int) -> None:
    text = COPIES[language]
    index = TextIndex(list(COPIES.values()))
    found = index.search(["something else altogether", edited(text, 0.06, seed)])
    place = list(COPIES).index(language)
    assert found.near[place] and found.source[place] == 1
    assert found.near.sum() == 1 and not found.exact.any()


@given(st.integers(0, 10**6))
def test_unrelated_texts_are_not(seed: int) -> None:
    """Texts drawn from the same 48 words share words, but hardly runs of them."""
    draw = random.Random(seed)
    known, *others = (" ".join(draw.choices(WORDS, k=draw.randint(12, 40))) for _ in range(6))
    found = TextIndex([known]).search(others)
    assert not found.exact.any() and not found.near.any()


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=8))
def test_share_is_the_containment(known: str, others: list[str]) -> None:
    """Against the definition, counted with sets."""
    found = TextIndex([known]).search(others)
    assert found.exact[0] == any(units(one) == units(known) for one in others)
    assert 0 <= found.share[0] <= 1
    assert (found.source[0] >= 0) == (found.share[0] > 0)


@pytest.mark.parametrize(
    ("known", "other", "share"),
    [
        ("a b c d e f g h", "a b c d e f g h", 1),
        ("a b c d e f g h", "x a b c d e f g h y", 1),
        ("a b c d e f g h", "a b c d e f g x", 5 / 6),
        ("a b c d e f g h", "a b c d", 2 / 6),
        ("a b c d e f g h", "a b c x a b c", 1 / 6),
        ("a b c a b c a b c d", "a b c a", 2 / 4),
        ("一二三四五六七八九", "一二三四五六七八九十", 1),
        ("一二三四五六七八九", "一二三四五六七", 3 / 5),
    ],
)
def test_containment_by_hand(known: str, other: str, share: float) -> None:
    assert TextIndex([known]).search([other]).share[0] == pytest.approx(share)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Which drug?  Aspirin!", "which DRUG aspirin"),
        ("Ｖｉｔａｍｉｎ　Ｂ１２の欠乏", "vitamin b12の欠乏"),
        ("ﾋﾞﾀﾐﾝ", "ビタミン"),
        ("Café", "Cafe\u0301"),
        ("下列哪项，正确？", "下列哪项正确"),
    ],
)
def test_what_is_no_difference(a: str, b: str) -> None:
    assert TextIndex([a]).search([b]).exact[0]


def test_short_texts_are_only_found_whole() -> None:
    index = TextIndex(["heart rate of adults", "sinus rhythm"])
    assert not index.search(["the heart rate of adults at rest"]).near.any()
    assert index.search(["Sinus rhythm."]).exact.tolist() == [False, True]


def test_frequent_runs_say_nothing() -> None:
    frame = "Which of the following statements about this finding in an adult patient is right:"
    known = [f"{frame} {word} {word}s {word}es {word}ing {word}ed" for word in WORDS]
    assert len(known) > FREQUENT
    found = TextIndex(known).search([f"{frame} nothing of the kind", known[7]])
    assert not found.near.any()
    assert np.flatnonzero(found.exact).tolist() == [7]


def test_equal_known_texts_are_all_found() -> None:
    found = TextIndex([ENGLISH, "other words here", ENGLISH.upper()])
    assert found.search([edited(ENGLISH, 0.03, 1)]).near.tolist() == [True, False, True]
    assert found.search([ENGLISH]).exact.tolist() == [True, False, True]


def test_nothing_to_look_for_or_in() -> None:
    assert len(TextIndex([]).search(["a b c"]).share) == 0
    assert TextIndex(["a b c d e f g"]).search([]).source.tolist() == [-1]
