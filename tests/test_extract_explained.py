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
        B = **Correct Answer: B**¶¶Option C (Insulin glargine) would be the best choice in DKA.
        B = B. Metformin¶¶Option C (Insulin glargine) would be the best choice in DKA.
        B = The answer is B. If the patient were pregnant, the answer would be C.
        B = The answer is B. If the patient is pregnant, the answer is C.
        B = The answer is B. However, if the patient were pregnant, C would be the best choice.
        B = The answer is B. The next best choice is C.
        B = The answer is B. The second best answer is C.
        B = The answer is B. The second-best choice is C.
        B = The answer is B. A tempting answer is C.
        B = The answer is B. I do not think the answer is C.
        B = The answer is B. I don't think that the correct answer is C.
        B = The answer is B. I do not think C is the answer.
        B = The answer is B. I don't believe option C (Insulin glargine) is the correct answer.
        B = Answer: B¶Solution: C is used in type 1 diabetes.
        B = The answer is B. In type 1 diabetes, the answer would be C.
        B = First choice: B¶Second choice: C
        B = I do not think A is right, so B is the answer.
        B = The answer is B.¶qSOFA is a score.
        B = Solution: B
        B = If the patient is obese, the answer is B.
        C = The answer would be C.
        C = Therefore, option C would be the best choice.
        C = The answer is B. Wait, insulin is safer, so the answer is C.
        C = I first thought of A. On the second reading the answer is C.
        C = The answer is B.¶¶Actually, if we look at her kidneys, the answer is C.
        - = I do not think C is the answer.
        - = I don't think the answer is C.
        - = The answer is A. The answer is also C.
    """,
    "zh": r"""
        B = 正确答案：B。二甲双胍是2型糖尿病的首选，A为抗血小板药。
        B = 答案：B。本题考查药物的选择，C为胰岛素。
        B = 答案：B。本题考查药物的选择：C为胰岛素。
        B = 答案：B。下列为可选药物，优选A，筛选C。
        B = 答案是B。不建议选择A。
        B = 答案是B。不要选A。
        B = 答案是B。不宜选A。
        B = 答案是B。不可选A。
        B = 答案是B。应避免选A。
        B = 答案是B，而不是选A。
        B = 答案是B。不能直接选A。
        B = 正确答案：B。选择A项，只能抗血小板；选择D项，低血糖风险大。
        B = 答案是B。B为首选，C为次选。
        B = 答案是B。如果患者怀孕，答案是C。
        B = 答案是B。若患者怀孕，应选C。
        B = B¶¶选择A，只能抗血小板。
        B = 选B
        B = 选择：B
        B = 我的选择：B
        B = 我选择B。
        B = 故选：B
        B = 应当选B
        B = 综合以上，选：B
        B = 答案：B。若选A，则无降糖作用。
        B = 答案：B。考生容易选C。
        C = 答案似乎是A。综上，选C。
        C = 答案是B。不对，再看一遍，故选C。
        C = 答案是A。这个说法不对，应选C。
        - = 不建议选A
        - = 首选A
    """,
    "ja": r"""
        B = 正解はBです。もし妊娠中であれば正解はCです。
        B = 正解はBです。妊娠中であれば正解はCです。
        B = 正解はBです。私は正解はCとは思いません。
    """,
    "fr": r"""
        B = La réponse est B. Si la patiente était enceinte, la réponse serait C.
        B = La réponse est B. S'il était diabétique, la réponse est C.
        B = La réponse est B. La deuxième meilleure réponse est C.
        C = La réponse serait C.
    """,
    "es": r"""
        B = La respuesta es B. Si estuviera embarazada, la respuesta sería C.
        B = La respuesta es B. Solución: C es para la diabetes tipo 1.
        B = La respuesta es B. La segunda mejor respuesta es C.
        C = La respuesta sería C.
    """,
    "ru": r"""
        B = Ответ: B. Если бы пациентка была беременна, правильный ответ был бы C.
        B = Ответ: B. Если пациентка беременна, правильный ответ: C.
        B = Ответ: B. Я не думаю, что ответ C.
    """,
    "ko": r"""
        B = 정답: B¶오답: A
        B = ### 정답: B: 메트포르민¶### 설명: 오답: A (항혈소판제)
        B = 정답: B¶오답: A, C, D
        B = 정답은 B입니다. A를 선택하면 안 됩니다.
        B = 정답은 B입니다. A를 고르면 안 됩니다.
        B = 정답은 B입니다. A를 선택해서는 안 됩니다.
        B = 정답은 B입니다. 만약 임신 중이라면 정답은 C입니다.
        B = 정답은 B입니다. 임신 중이라면 정답은 C입니다.
        B = 정답은 B입니다. C가 정답이라고 오해할 수 있다.
        B = B를 선택하면 됩니다.
        - = 오답은 A입니다.
        - = 오답: A
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
    ("B\n\nIf she were pregnant, the answer would be C. This", EN, "B"),
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
