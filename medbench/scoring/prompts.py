"""Questions as text: one function per wording, each with its source.

A prompt ends in a blank only where its original does; lm-eval puts the task's delimiter between
prompt and answer.
"""

from itertools import combinations

from medbench.errors import TaskError
from medbench.question import Question

__all__ = [
    "MEDCARE_INSTRUCTION",
    "SLLM_INSTRUCTION",
    "alpaca_direct",
    "alpaca_rationale",
    "direct_answer",
    "flowertune",
    "harness_choices",
    "harness_medqa",
    "harness_pubmedqa",
    "korean",
    "medcare",
    "medcare_answer",
    "medcare_second",
    "native",
    "option_sets",
    "rationale_answer",
    "set_text",
    "sllm",
    "step_by_step",
]

# language: (question label, answer label, all right answers are asked for)
NATIVE = {
    "en": ("Question: ", "Answer:", ""),
    "zh": ("问题：", "答案：", ""),
    "ja": (
        "問題：",
        "答え：",
        "（正しい選択肢は1つとは限らない。正しいものの記号をすべて答えよ。）",
    ),
    "fr": (
        "Question : ",
        "Réponse :",
        "(Une ou plusieurs réponses sont exactes ; donnez les lettres de toutes.)",
    ),
    "ru": ("Вопрос: ", "Ответ:", ""),
    "es": ("Pregunta: ", "Respuesta:", ""),
}
LANGUAGE_NAMES = {
    "en": "English",
    "zh": "Chinese",
    "ja": "Japanese",
    "fr": "French",
    "ru": "Russian",
    "es": "Spanish",
}


def option_lines(question: Question) -> str:
    """Return "A. …" lines, each closed by a newline."""
    return "".join(f"{letter}. {option}\n" for letter, option in question.options.items())


def native(question: Question) -> str:
    """Ask in the exam's own language; say so where several options may be right."""
    ask, answer, all_right = NATIVE[question.language]
    hint = f"{all_right}\n" if question.several else ""
    return f"{ask}{question.text}\n{option_lines(question)}{hint}{answer}"


def set_text(letters: list[str]) -> str:
    """Write an option set as a continuation: "A, C."; the full stop is the end mark.

    Without it "A" would be a prefix of "A, C" and could never be less likely.
    """
    return ", ".join(letters) + "."


def option_sets(question: Question) -> list[str]:
    """Return every non-empty option set, small sets first: 31 continuations for five options."""
    letters = list(question.options)
    return [
        set_text(list(subset))
        for size in range(1, len(letters) + 1)
        for subset in combinations(letters, size)
    ]


def harness_medqa(question: Question) -> str:
    """lm-eval's `medqa_4options`, byte for byte: no "Choices:" line."""
    return f"Question: {question.text}\n{option_lines(question)}Answer:"


def harness_choices(question: Question) -> str:
    """lm-eval's `medmcqa`, `careqa_en`, `careqa_es` (English labels there too), byte for byte."""
    return f"Question: {question.text}\nChoices:\n{option_lines(question)}Answer:"


def harness_pubmedqa(question: Question) -> str:
    """lm-eval's `pubmedqa`, byte for byte."""
    return f"Abstract: {question.context}\nQuestion: {question.text}\nAnswer:"


def korean(question: Question) -> str:
    """KorMedMCQA's official prompt (arXiv 2403.01469; lm-eval's `kormedmcqa` 3.0)."""
    return f"{question.text.strip()}\n{option_lines(question)}정답："


STEP_BY_STEP = {
    "en": (
        "Think step by step about which option is right. "
        'Then finish with one line: "The answer is (X)", where X is the letter of that option.'
    ),
    "es": (
        "Razona paso a paso cuál es la opción correcta. "
        'Después termina con una línea: "La respuesta es (X)", donde X es la letra de esa opción.'
    ),
}
STEP_BY_STEP_PUBMEDQA = (
    "Think step by step about what the abstract shows. "
    'Then finish with one line: "The answer is yes", "The answer is no" or "The answer is maybe".'
)


def step_by_step(question: Question) -> str:
    """Ask for a chain of thought in the question's language that ends in an explicit answer."""
    ask = NATIVE[question.language][0]
    if question.context:
        return (
            f"Abstract: {question.context}\n{ask}{question.text.strip()}\n\n{STEP_BY_STEP_PUBMEDQA}"
        )
    how = STEP_BY_STEP[question.language]
    return f"{ask}{question.text.strip()}\n{option_lines(question)}\n{how}"


ALPACA = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
PAPER_INPUT = (
    "###Question: {question} Which of the following is the best treatment for this patient? "
    "###Options: {options}"
)
PAPER_DIRECT = (
    "You're a {language} doctor, kindly address the medical queries according to the patient's "
    "account. Answer with the best option directly."
)
PAPER_RATIONALE = (
    "You're a {language} doctor, kindly address the medical queries according to the patient's "
    "account in {language}. Let’s solve this step-by-step. You should first give the reason in "
    "{language} for your choice. Then you should give the right answer index of the question."
)


def alpaca(question: Question, instruction: str) -> str:
    """Wrap a question as MMedBench's fine-tuning and inference do (MAGIC-AI4Med/MMedLM)."""
    options = "".join(f"{letter}. {option} " for letter, option in question.options.items())
    return ALPACA.format(
        instruction=instruction.format(language=LANGUAGE_NAMES[question.language]),
        input=PAPER_INPUT.format(question=question.text, options=options),
    )


def alpaca_direct(question: Question) -> str:
    """MMedBench's prompt without rationale (train.py and inference.py of MMedLM)."""
    return alpaca(question, PAPER_DIRECT)


def alpaca_rationale(question: Question) -> str:
    """MMedBench's prompt with rationale, as in training (inference has one blank more)."""
    return alpaca(question, PAPER_RATIONALE)


def direct_answer(question: Question) -> str:
    """MMedBench's target without rationale."""
    return f"###Answer: OPTION {','.join(question.gold_letters)} IS CORRECT."


def rationale_answer(question: Question) -> str:
    """MMedBench's target with rationale."""
    return f"###Rationale: {question.rationale}\n{direct_answer(question)}"


SLLM_INSTRUCTION = (
    "당신은 주어진 다지선다 문제를 풀어야 하는 학생입니다. 다음 질문을 읽고 '정답: <선택지>' "
    "형식으로 답을 작성해주세요. 그 후에 설명을 작성해주세요.\n\n"
)


def sllm(question: Question) -> str:
    """The user turn of the Korean fine-tuning experiments (Jung-YongHan/sLLM)."""
    lines = "".join(f"- {letter}: {option}\n" for letter, option in question.options.items())
    return f"### 질문: {question.text}\n### 선택지\n{lines}"


FLOWERTUNE_INSTRUCTIONS = {
    "pubmedqa": (
        "As an expert doctor in clinical science and medical knowledge, can you tell me if the "
        "following statement is correct? Answer yes, no, or maybe."
    ),
    "usmle": (
        "You are a medical doctor taking the US Medical Licensing Examination. You need to "
        "demonstrate your understanding of basic and clinical science, medical knowledge, and "
        "mechanisms underlying health, disease, patient care, and modes of therapy. Show your "
        "ability to apply the knowledge essential for medical practice. For the following "
        "multiple-choice question, select one correct answer from A to E. Base your answer on the "
        "current and standard practices referenced in medical guidelines."
    ),
    "medmcqa": (
        "You are a medical doctor answering realworld medical entrance exam questions. Based on "
        "your understanding of basic and clinical science, medical knowledge, and mechanisms "
        "underlying health, disease, patient care, and modes of therapy, answer the following "
        "multiple-choice question. Select one correct answer from A to D. Base your answer on the "
        "current and standard practices referenced in medical guidelines."
    ),
}
FLOWERTUNE_INSTRUCTIONS["careqa"] = FLOWERTUNE_INSTRUCTIONS["medmcqa"]


def flowertune(question: Question) -> str:
    """FlowerTune's medical evaluation prompt (adap/flower, benchmarks/flowertune-llm)."""
    if question.context:
        body = f"{question.context}\n{question.text}"
    else:
        mark = "" if question.text.endswith(("?", ".")) else "?"
        body = f"Question: {question.text}{mark}\n\nOptions:\n{option_lines(question)}".rstrip("\n")
    instruction = FLOWERTUNE_INSTRUCTIONS[question.benchmark]
    prompt = f"{instruction}\n{body}\nThe answer is:\n"
    return f"<|im_start|>question\n{prompt}<|im_end|>\n<|im_start|>answer\n"


MEDCARE_INSTRUCTION = "You are a helpful assistant."
MEDCARE = {
    "en": (
        "\n\nPlease format the final answer at the end of the response as: The answer is {answer}.",
        "\nThe answer is ",
        ".",
    ),
    "zh": ("\n\n请在回答的最后用以下格式回答：答案为{answer}。", "\n答案为", "。"),
}
"""Language → MedCare's request (its {answer} stands as it is), what its second pass begins with,
and how such a sentence ends."""


def medcare(question: Question) -> str:
    """MedCare's user turn (BlueZeros/MedCare, medcare/eval): the question and how to end.

    Its released questions could not be seen; options stand one a line, as everywhere here.

    Raises:
        TaskError: it asks in another language than English and Chinese.
    """
    request = medcare_words(question)[0]
    return f"{question.text}\n{option_lines(question)}".rstrip("\n") + request


def medcare_second(output: str, question: Question) -> str:
    """Return what MedCare puts behind a generated text, for a letter to follow."""
    closed = " " if output.strip().endswith(".") else ". "
    return closed + medcare_words(question)[1]


def medcare_answer(question: Question) -> str:
    """Return a rationale, if there is one, and the sentence that MedCare asks for."""
    _, begin, end = medcare_words(question)
    sentence = f"{begin.strip()} {', '.join(question.gold_letters)}"
    if question.language == "zh":
        sentence = sentence.replace(" ", "")
    reason = f"{question.rationale}\n\n" if question.rationale else ""
    return f"{reason}{sentence}{end}"


def medcare_words(question: Question) -> tuple[str, str, str]:
    """Return the request, the second pass's beginning and the end of a sentence."""
    if question.language not in MEDCARE:
        raise TaskError(
            f"protocol medcare asks in English and Chinese; {question.benchmark} "
            f"{question.subset} is in another language ({question.language})"
        )
    return MEDCARE[question.language]
