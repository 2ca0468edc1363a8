"""The answer extractor on explained answers: other letters are named, supposed or denied."""

import pytest

from medbench.scoring.extract import extract

EN = {"A": "Aspirin", "B": "Metformin", "C": "Insulin glargine", "D": "Sulfonylurea"}
ZH = {"A": "阿司匹林", "B": "二甲双胍", "C": "胰岛素", "D": "磺脲类"}
KO = {"A": "아스피린", "B": "메트포르민", "C": "인슐린", "D": "설포닐우레아", "E": "비타민 D"}
POLAR = {"A": "yes", "B": "no", "C": "maybe"}
OPTIONS = {"zh": ZH, "ko": KO}

# By language: letters (-: none is read) = one output a line; ¶ is a line break
EXPLAINED = {
    "en": r"""
        B = The answer is B.¶qSOFA is a score.
        - = The answer is A. The answer is also C.
    """,
}

# (output, options, letters), each cut off
CUT = [
    ("Yes. The study found that the treatment reduced mortality in patients with", POLAR, "A"),
    ("**No**\n\nThe trial was too small to", POLAR, "B"),
    ("Yes", POLAR, ""),
    ("Yes because the trial", POLAR, ""),
    ("Yes. But wait, the trial", POLAR, ""),
    ("Да, поскольку доза", {"A": "да", "B": "нет"}, "A"),
    ("B. Metformin\n\nExplanation: Metformin is the first-line therapy for", EN, "B"),
    ("B\n\nExplanation: Met", EN, "B"),
    ("B번\n메트포르민은", KO, "B"),
    ("**B**\nA. Aspirin is", EN, "B"),
    ("B. Metformin", EN, ""),
    ("B", EN, ""),
    ("A. Aspirin\nB. Metformin\nC. Ins", EN, ""),
    ("A、Aspirin\nB、Metformin\nC、Ins", EN, ""),
    ("A. Aspirin\nIt is no drug for this.\n- **B. Metformin**: it", EN, ""),
    ("A\nIt is no drug for this.\nB\nIt", EN, ""),
    ("Option A\nIt is no drug for", EN, ""),
    ("B. Metformin\n\nWait, let me look at", EN, ""),
    ("A patient with\ndiabetes", EN, ""),
    ("Let us look at each option.\nB\nMetformin is", EN, ""),
]

# Where several letters may be right: (output, letters)
SEVERAL = [
    ("Réponses : A. C. D.", "ACD"),
    ("Réponses : A. C. D", "ACD"),
    ("Réponse : A. L'aspirine agit.", "A"),
    ("Réponse : A. C est faux.", "A"),
    ("Réponse : A. C. difficile est une bactérie.", "A"),
    ("La réponse correcte est A. La réponse correcte est également C.", ""),
]


def cases() -> list[tuple[str, str, str]]:
    lines = [
        (language, *line.strip().split(" = ", 1))
        for language, block in EXPLAINED.items()
        for line in block.strip().split("\n")
    ]
    return [(language, text.replace("¶", "\n"), said.strip("-")) for language, said, text in lines]


@pytest.mark.parametrize(("language", "output", "letters"), cases())
def test_explained(language: str, output: str, letters: str) -> None:
    found = extract(output, OPTIONS.get(language, EN), language=language, finish_reason="stop")
    assert (found.letters, found.outcome == "parsed") == (frozenset(letters), letters != ""), found


@pytest.mark.parametrize(("output", "options", "letters"), CUT)
def test_cut_explanation(output: str, options: dict[str, str], letters: str) -> None:
    found = extract(output, options, finish_reason="length")
    outcome = "parsed" if letters else "truncated"
    assert (found.letters, found.outcome) == (frozenset(letters), outcome), found


@pytest.mark.parametrize(("output", "letters"), SEVERAL)
def test_several(output: str, letters: str) -> None:
    found = extract(output, EN, language="fr", several=True, finish_reason="stop")
    assert found.letters == frozenset(letters), found
