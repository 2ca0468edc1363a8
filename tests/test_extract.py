"""The answer extractor on made-up outputs in seven languages: what is read, and what is not."""

import pytest

from medbench.scoring.extract import extract

DRUGS = {"A": "Aspirin", "B": "Metformin", "C": "Insulin", "D": "Warfarin", "E": "Vitamin C"}
POLAR = {"A": "yes", "B": "no", "C": "maybe"}
RU_POLAR = {"A": "да", "B": "нет"}

# By language: letters (-: none is read) = outputs, with | between them; ¶ is a line break
SINGLE = {
    "en": r"""
        A = Ans-a | A | Answer: a) Acetylsalicylic acid | The answer is (A) because aspirin works.
        A = The answer is A because aspirin works.
        B = {"step_by_step_thinking": "A is wrong.", "answer_choice": "B"}
        B = ```json¶{"answer": "B. Metformin"}¶```
        B = {"thinking": "50\% of \cases", "answer_choice": "B"}
        B = {"thinking": "cut \"off", "answer_choice": "B", "note": "the mod | {"answer": 2}
        B = {"thinking": "So the answer is B.", "answer_choice": ""}
        B = {"answer": "B", "options": ["A. Aspirin", "C. Insulin"]} | Thus \boxed{B}
        B = The dose is \boxed{14} mg, and the answer is B. | <answer>B</answer>
        B = <answer> (B) Metformin | <think>The answer is A.</think>The answer is B.
        B = So the answer is A.</think>¶¶B | The answer is (B) | the answer is b
        B = Therefore, the correct answer is: **B. Metformin** | **Answer:** B | Answer: `B`
        B = Answer: [B] | Answer: "B" | Answer：Ｂ | ANSWER IS B | ###Answer: OPTION B IS CORRECT.
        B = ### Final answer¶B | Option B is correct. | OPTION B IS CORRECT
        B = B. Metformin is the correct answer. | So the answer is Metformin (B). | Answer: 2
        B = The answer is B, not C. | B. | (B) | **B** | b | B. Metformin
        B = B) Metformin¶¶It lowers glucose. A is wrong. | Metformin lowers glucose.¶B | Metformin
        B = Glucose is high. The drug of choice is metformin.
        B = Based on this, the most likely diagnosis is **B. Metformin**.
        B = Answer: B. Metformin¶A. Aspirin: wrong because¶C. Insulin: wrong because
        B = Answer: B. Metformin. A. Aspirin is wrong; C. Insulin is wrong.
        B = The correct answer is:¶¶B. Metformin¶¶Explanation: A is wrong. C is for diabetes.
        B = The final answer is: $\boxed{B}$. | Answer: \text{B} | ✅ **Correct answer: B**
        B = Answer: ✅ B | ## Final Answer: **(B) Metformin**
        B = The answer is likely B.¶¶Explanation: it lowers glucose in most people
        B = The most likely answer is B. | The answer is as follows: B | Correct Answer (B)
        B = the answer is b. because it works | The correct choice would be B: Metformin
        B = I choose B. | So, B. | Therefore B is correct. | (B) is the best answer.
        B = Only B is correct. | the answer is b, i.e. metformin | The answer is B (metformin).
        B = The answer is “B”. | The answer is B</s> | The answer is B<|im_end|> | B<|eot_id|>
        B = Thus, option B would be the best choice. | Hence, (B) should be the answer | 'B' | "B"
        B = [B] | Option B | Option B: Metformin | b) metformin | B metformin
        B = Correct option: B¶¶Why the others are wrong: A is wrong.
        B = the correct answer among the options given is B. | [[B]] | Metformin (B)
        C = So my result is {"final_answer": "c"} as asked. | {"answer": ["C"]}
        C = Thus $\boxed{\text{C}}$. | Final answer: C) Insulin | The best choice is option C.
        C = The answer to this question is C, as shown above. | The answer is option 3.
        C = The answer is not B but C. | The best next step in management is (C) Insulin.
        C = The answer is:¶¶**C**¶¶but D is close | I'd go with option C | answer - c
        D = {"answer_choice": "A"} on reflection {"answer_choice": "D"} | {'answer': 'D'}
        D = {"answer_choice": "Option D: Warfarin"} | {"answer_choice": "Warfarin"}
        D = \boxed{\textbf{(D)}} | The correct option is D because it acts on vitamin K.
        D = I would choose (D). | Answer: ④ | The answer is A. Wait, the answer is D.
        D = The answer is warfarin. | The answer is most likely (D).
        D = The right answer is therefore option D).
        D = Statement: the correct answer is to give warfarin.
        E = Thus, I'll answer E. | The answer is E
        - = {"answer_choice": "None of the above"}
        - = {"thinking": "So the answer is B.", "answer_choice": "None of the above"}
        - = {"answer_choice": "A, B"} | {"answer_choice": "A/B"}
        - = {"answer_choice": "B. Metformin or C. Insulin"} | {"answer_choice": "F"}
        - = <think>The answer is A.</think> | The answer is not B. | The answer isn't A.
        - = The incorrect answer is B. | If the answer is B, the patient would bleed.
        - = Is the answer B? | The answer is A and C. | The answer is A or C.
        - = The answer is either A or C. | The answer is B. On second thought, the answer is F.
        - = Answer choices: A. Aspirin B. Metformin C. Insulin D. Warfarin E. Vitamin C
        - = Option A is correct. Option B is correct. Option C is wrong.
        - = The answer might be B. I am not sure.¶More tests are needed.
        - = The answer is a patient with no fever. | The answer is A patient with no fever.
        - = The answer is a beta blocker. | The answer is hepatitis B.
        - = The answer is B cell lymphoma. | The answer is type C. | The answer is E. coli.
        - = The answer is 3 mg per day. | I am not sure.
        - = A patient with hepatitis B needs vitamin A. | Vitamin E is the answer. | B. Aspirin | F
        - = 2 | A. Aspirin¶B. Metformin¶C. Insulin¶D. Warfarin¶E. Vitamin C
        - = The drug of choice is not metformin. | The most common type is B.
        - = The next best step in management is (C). | Aspirin¶Metformin¶Insulin¶Warfarin
        - = I do not choose B. | Hepatitis B is the answer. | Vitamin A is correct.
        - = B is not correct. | Both A and B are correct.
        - = A is the first letter. The patient is ill | The answer is A 45-year-old man
        - = Answer: I don't know | Answer: None | Answer: A/G ratio | The answer is K+.
        - = The answer is C-reactive protein. | The answer is A's drug | The answer is D-dimer. | I
        - = A B C D | No. | ABCD | The correct answer is give warfarin, instead of aspirin.
        - = Option A is correct. Option C is also correct.
    """,
    "ko": r"""
        B = {"풀이": "A는 아니다", "답": "2"} | 정답은 (B) 입니다. | 정답: B | **정답:** B
        B = 정답은 「B」 | 답은 B이다. | 따라서 B가 정답이다. | 따라서 B번이 정답입니다. | B번
        B = 정답은 2번입니다. | 정답은 ②번 | 따라서 정답은 2번째 보기입니다.
        B = 정답은 A가 아니라 B입니다. | 정답은 다음과 같습니다: B | 【정답】 B
        B = **정답: B. 메트포르민** | 정답은 B일 가능성이 높다. | 가장 적절한 것은 B입니다.
        B = 가장 적절한 치료는 B. Metformin이다. | 최종적으로 B를 선택합니다.
        B = B가 정답일 가능성이 높다.
        C = {"\uc815\ub2f5": "C"} | 저는 C를 선택합니다. | Thus the answer is C. | 정답 : ③
        C = 따라서 가장 적절한 답은 C입니다. | 따라서 3번이 정답입니다. | 정답은 3번 인슐린입니다.
        D = The options differ. Thus, the final answer is D.¶정답: D | 답: ④
        E = {"정답": "E"} | 따라서 E입니다. | E입니다. | 정답은 E. 비타민입니다.
        - = 정답은 A가 아닙니다. | B가 정답이 아니다. | 정답은 B, C, D 중 하나입니다.
        - = 정답은 B 또는 D입니다. | 정답은 B일 수도 있다.¶더 생각해 보자. | 정답은 A형 간염입니다.
        - = A형 간염 환자에게 비타민 B가 좋다. | 비타민 B가 정답이다. | 답은 B가 될 수 없다.
        - = 정답은 B인가? | 저는 B라고 생각합니다. | 옳지 않은 것은 A와 B이다. | 정답은 B형입니다.
        - = 정답은 C반응단백입니다. | B를 선택하지 않는다. | 대답은 없다 | 응답: B
        - = A가 옳다. B도 옳다. | 정답은 A, B 모두이다.
    """,
    "zh": r"""
        B = 答案是B | 答案为：B | 故选B。 | 综上，选B | 答案是B选项，因为它降血糖。
        B = 答案不是A而是B。 | 【答案】B¶【解析】A错误。 | 答案：¶B | 答案 B | B选项正确。
        B = 选项B正确 | 答案如下：B | 因此选择B。 | 最可能的诊断是B. Metformin | 答案选B，Metformin
        B = 我选择B | 本题答案为 B. | 正确的是B。 | 答案是第2项 | 因此，B是最佳选择。
        C = 正确答案是【C】。 | 应选C。 | A选项错误，C选项正确，D选项错误。 | 正确答案应该是C
        D = {"分析": "略", "答案": "D"} | 因此，正确选项为D。 | 所以本题选择D项。 | 故本题选D
        - = 答案不是A。 | 不选B。 | 答案是B型肝炎。 | 维生素A缺乏，B细胞减少。 | 答案是A或B
        - = 不能选B | 答案是C反应蛋白 | 答案是B细胞 | 答案可能是B | A正确，B也正确。 | 答案为A、B
        - = 答案是A吗？
    """,
    "ja": r"""
        A = {"解答": "a", "理由": "bは誤り"} | 解答：A | 正解は頸肩腕障害（a）です。 | 答えはaです。
        A = aが最も適切です。
        B = {"答え": "b"} | 正解はBです。 | 正解は（Ｂ） | 正解はAではなくBです。 | 【正解】b
        B = 正解: b | 正解は b です。 | したがって、正解は「b. Metformin」です。 | 選択肢bが正しい。
        B = 正解は以下の通りです：b | したがって、Bが正しい選択肢です。
        C = 答えは「c」である。
        D = したがってdが正解である。
        E = よって、選択肢Eを選択します。
        - = 正解はB型肝炎です。 | ビタミンAが正解です。 | Bが正解ではない。 | 正解はAかBである。
        - = 不正解はBです。 | 正解はBではありません。 | 正解はBかもしれない | 正解はビタミンBです
        - = 誤っているのはAである。
    """,
    "fr": r"""
        A = Réponse(s) : A | La réponse est A, car l'aspirine agit. | A est la bonne réponse.
        B = {"réponse": "B"} | La réponse est B. | la reponse correcte est l'option B
        B = La réponse correcte est : B | La réponse : « B » | La proposition B est exacte.
        C = Réponse : C | La réponse n'est pas B mais C.
        C = La bonne réponse est donc la proposition C.
        C = La proposition C est exacte. La proposition D est fausse.
        D = La bonne réponse est la D. | C'est la réponse D.
        E = Je choisis la réponse E.
        - = La réponse n'est pas B. | La réponse est B ou C. | Il y a une hépatite B chronique.
        - = La réponse a-t-elle un sens | Aucune réponse n'est A.
    """,
    "es": r"""
        A = Elijo la opción A.
        B = La respuesta es B. | Opción B | La opción correcta es la b.
        B = Respuesta correcta: b) Metformina | La correcta es la B
        B = Por lo tanto, la respuesta es la B. | La respuesta correcta es la opción B) Metformina.
        B = La opción B es la correcta.
        C = {"respuesta": "La C"} | La respuesta correcta es la C. | La respuesta no es A sino C.
        D = Respuesta: D | La opción D es la respuesta correcta. | La alternativa correcta es D.
        E = Creo que es la opción E.
        - = La respuesta no es A. | La respuesta es a menudo difícil.
        - = A los pacientes se les da vitamina C y E. | La opción B es incorrecta.
        - = La respuesta es a la vez sencilla | La A es correcta. La B también es correcta.
    """,
    "ru": r"""
        A = Правильный ответ: **А**
        B = {"ответ": "В"} | Ответ: B | Ответ: В | ответ B | B — правильный ответ.
        B = Ответ не A, а B. | Правильный ответ: B) Metformin | Правильный ответ - это B.
        B = Вариант B правильный. | Вариант В является правильным ответом.
        B = Верный ответ под буквой B.
        C = Правильный ответ — С. | Верный вариант — C.
        E = Правильным ответом является вариант Е.
        - = Неправильный ответ: B | Ответ в тексте. | А пациент здоров. | Ответ: А и В
        - = В тексте сказано, что А лучше. | Ответ: Б
    """,
}

# The same where several letters may be right
SEVERAL = {
    "fr": r"""
        A = Réponse : A
        ABD = Les bonnes réponses sont A, B et D.
        AC = A, C | La bonne réponse est A et C. | Réponse(s) : A, C | A et C sont correctes.
        AC = Réponses :¶A. Aspirin¶C. Insulin | A; C
        ACD = Réponses : A, C, D | Les réponses exactes sont A, C et D. | A - C - D | A C D | ACD
        ACD = La réponse est A, C et D.
        - = La réponse est A ou C. | Réponses : A, F
    """,
    "en": r"""
        ABCDE = The answers are: A, B, C, D, E
        AC = ###Answer: OPTION A,C IS CORRECT. | The answers are A and C. | A. Aspirin¶C. Insulin
        AC = {"answer": ["A", "C"]} | \boxed{A, C}
        - = The answer is bad.
    """,
    "ja": r"""
        AC = 正解はa, cです。 | 正解は1と3
        ACD = 正解はaとcとdです
        ACE = ACとE | a, c, e
        AD = ad
        B = b | B
        BCE = {"answer": "bce"}
        BD = 正解は2つ、BとDです。 | 答えはb、d | bd | b,d | bとdが正解です。 | b、d | 正解：ｂ，ｄ
        BE = be
        - = bad
    """,
    "zh": r"""
        ABD = 答案是ABD
        ABE = 故选A、B、E。
        ACD = 选ACD
        ACDE = 答案：A、C、D、E
        AD = 正确答案为A和D。
    """,
    "ko": r"""
        AC = 정답은 A와 C입니다. | A, C | 정답: A, C | 정답은 1, 3번입니다.
    """,
    "ru": r"""
        AC = Правильные ответы: А и С | А, С | Ответ: А, С
    """,
    "es": r"""
        AC = A y C
        AD = Las respuestas correctas son A y D.
    """,
}

# (language, options, output, letters)
WORDS = [
    ("en", POLAR, "Answer: yes", "A"),
    ("en", POLAR, "The answer is No.", "B"),
    ("en", POLAR, "Yes, because the trial was large.", "A"),
    ("en", POLAR, "The trial was small.\nMaybe.", "C"),
    ("en", POLAR, "No evidence was found.", ""),
    ("en", POLAR, "Now the answer is not clear.", ""),
    ("en", POLAR, "Nothing is known; none was treated.", ""),
    ("en", POLAR, "The answer is no longer known.", ""),
    ("en", POLAR, "The answer is B.", "B"),
    ("ru", RU_POLAR, "Да.", "A"),
    ("ru", RU_POLAR, "Нет, потому что доза мала.", "B"),
    ("ru", RU_POLAR, "Ответ: нет", "B"),
    ("ru", RU_POLAR, "The answer is yes.", "A"),
    ("ru", RU_POLAR, "Данных нет в тексте, датчик неисправен", ""),
    ("fr", {"A": "oui", "B": "non"}, "Oui, car le test est positif.", "A"),
    ("es", {"A": "Sí", "B": "No"}, "Sí.", "A"),
    ("ja", {"A": "はい", "B": "いいえ"}, "いいえ。", "B"),
    ("zh", {"A": "是", "B": "否"}, "答案：否", "B"),
    ("en", {"A": "5", "B": "2", "C": "10"}, "The answer is 2.", "B"),
    ("en", {"1": "Aspirin", "2": "Insulin"}, "The answer is 2.", "2"),
    ("en", {"a": "Aspirin", "b": "Insulin"}, "The answer is B.", "b"),
    ("en", {"A": "anemia", "B": "hemolytic anemia"}, "It is hemolytic anemia.", "B"),
    ("en", {"A": "anemia", "B": "hemolytic anemia"}, "It is an anemia.", "A"),
    ("en", {"A": "0.5 mg", "B": "5 mg"}, "The right dose is 0.5 mg.", "A"),
    ("en", {"A": "pH", "B": "CO"}, "The acid lowers the pH.", ""),
    ("en", {"A": "AB", "B": "ABO"}, "The answer is AB.", "A"),
    ("en", {"A": "12", "B": "3"}, "The answer is 2.", ""),
    ("en", {"A": "A and B", "B": "B only"}, "The answer is B only.", "B"),
    ("en", {"A": "B>A>C", "B": "A>B>C"}, '{"answer_choice": "B>A>C"}', "A"),
    ("ko", {"A": "활성탄", "B": "위세척"}, "따라서 정답은 활성탄입니다.", "A"),
    ("zh", {"A": "阿司匹林", "B": "胰岛素"}, "患者应使用胰岛素。", "B"),
]


def cases(table: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return (language, output, letters) for each output of a table."""
    return [
        (language, output.replace("¶", "\n"), line.strip().partition(" = ")[0].strip("-"))
        for language, block in table.items()
        for line in block.strip().split("\n")
        for output in line.partition(" = ")[2].split(" | ")
        if output
    ]


@pytest.mark.parametrize(("language", "output", "letters"), cases(SINGLE))
def test_one_letter(language: str, output: str, letters: str) -> None:
    found = extract(output, DRUGS, language=language)
    assert (found.letters, found.outcome == "parsed") == (frozenset(letters), letters != ""), found


@pytest.mark.parametrize(("language", "output", "letters"), cases(SEVERAL))
def test_several_letters(language: str, output: str, letters: str) -> None:
    found = extract(output, DRUGS, language=language, several=True)
    assert (found.letters, found.outcome == "parsed") == (frozenset(letters), letters != ""), found


@pytest.mark.parametrize(("language", "options", "output", "letters"), WORDS)
def test_option_texts(language: str, options: dict[str, str], output: str, letters: str) -> None:
    found = extract(output, options, language=language)
    assert found.letters == frozenset(letters), found


def test_tables_are_whole() -> None:
    assert len(cases(SINGLE)) > 300
    assert len({language for language, _, _ in cases(SINGLE)}) == 7
