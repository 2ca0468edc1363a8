"""The originals' own rules for reading an answer, beside ours, so that published numbers compare.

Each takes the raw output and the question, and returns the letters that the original would have
graded; an empty set is what the original could not read. They are reproduced with their faults,
which their docstrings name: use them to compare, never to conclude.
"""

import re
from collections.abc import Callable

from medbench.question import Question

__all__ = [
    "Rule",
    "flowertune",
    "kormedmcqa",
    "kormedmcqa_direct",
    "medcare",
    "mmedbench",
    "sllm",
]

Rule = Callable[[str, Question], frozenset[str]]


def mmedbench(output: str, question: Question) -> frozenset[str]:
    """MMedBench (MMedLM, metrics/accuracy.py): strip the frame, compare what is left.

    With one gold letter the rest must be that letter; with several, the comma-separated sets must
    be equal. The original only strips "</s>" as an end mark; so do we.
    """
    answer = output.rsplit("###Answer: OPTION ", 1)[-1]
    answer = answer.replace("</s>", "").replace("IS CORRECT.", "").replace("IS CORRECT", "").strip()
    letters = frozenset(answer.split(","))
    return letters if letters <= set(question.options) else frozenset()


KORMEDMCQA_STOPS = re.compile(r"Q:|</s>|<\|im_end\|>|\.|\n\n")
KORMEDMCQA_CASCADE = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"정답[:\s]*([ABCDE])",
        r"정답은\s*([ABCDE])\s*입니다",
        r"\b([ABCDE])\.",
        r"\b([ABCDE])\b",
    )
]


def kormedmcqa(output: str, question: Question) -> frozenset[str]:
    """KorMedMCQA (arXiv 2403.01469, appendix B): the first pattern that matches, its last match.

    Faults: a full-width colon and brackets are not read by the first two, no letter is seen next to
    Hangul, and an English article can be taken for option A.
    """
    for pattern in KORMEDMCQA_CASCADE:
        if found := pattern.findall(output):
            return frozenset(found[-1].upper()) & set(question.options)
    return frozenset()


def kormedmcqa_direct(output: str, question: Question) -> frozenset[str]:
    """lm-eval's `kormedmcqa` 3.0: the same cascade before the first stop string, "." included."""
    return kormedmcqa(KORMEDMCQA_STOPS.split(output, maxsplit=1)[0], question)


DOUBLED = {"yesyes": "yes", "nono": "no", "yesno": "yes", "noyes": "no"}


def flowertune(output: str, question: Question) -> frozenset[str]:
    """FlowerTune (adap/flower, benchmarks/flowertune-llm/evaluation/medical).

    For letters the first character counts, whatever follows ("answer: b" is A); "maybe" counts
    only as the whole raw output. The original generates as many tokens as the first gold answer of
    the batch has: here, the first word stands for that.
    """
    text = output.lower().strip()
    if "\n##" in text:
        text = text.split("\n##")[1].split("\n")[0].strip()
    words = re.sub(r"[^a-z0-9]", " ", text.encode("ascii", "ignore").decode()).split()
    if not words:
        return frozenset()
    decisions = {option: letter for letter, option in question.options.items()}
    if "maybe" in decisions:
        word = DOUBLED.get(words[0], words[0])
        accepted = word in {"yes", "no"} or output.lower() == "maybe"
        return frozenset(decisions[word]) if accepted else frozenset()
    return frozenset(words[0][0].upper()) & set(question.options)


def sllm(output: str, question: Question) -> frozenset[str]:
    """Jung-YongHan/sLLM (AnswerProcessor): the text after 정답/Answer on its line.

    Letters, each with its number, are tried in the order A to E: A wins wherever it stands.
    """
    for line in output.splitlines():
        mark = re.search(r"정답|Answer", line)
        if not mark:
            continue
        rest = line[mark.end() :]
        for number, letter in enumerate(question.options, start=1):
            if re.search(rf"[{letter}{letter.lower()}](\W|$)|{number}", rest):
                return frozenset(letter)
    return frozenset()


MEDCARE_FIRST = re.compile(r"the answer is (.*?)(\.|$)", re.IGNORECASE)
MEDCARE_LAST = re.compile(r"The answer is (.*?)$")
MEDCARE_CHINESE = re.compile(r"答案为(.*?)$")
MEDCARE_LETTERS = frozenset("ABCDE")


def medcare(output: str, question: Question) -> frozenset[str]:
    """MedCare (medcare/eval/eval_em.py): the gold letters where it counts the text as right.

    The text ends in the sentence of the second pass, so the last line decides. Faults: MMedBench in
    English wants "B." in the first sentence that says an answer, which the second pass, without a
    full stop, never gives; other English sets look for further letters only where several are
    right, so "A B C D" is right; in Chinese, what stands before the last two empty lines counts
    alone, and a text without the sentence is right if it says "B对" of the right letter only.
    """
    gold = question.gold
    if question.language == "zh":
        is_right = medcare_chinese(output, gold)
    elif question.benchmark == "mmedbench":
        said = MEDCARE_FIRST.search(output)
        is_right = said is not None and f"{','.join(question.gold_letters)}." in said[0]
    else:
        said = MEDCARE_LAST.search(output)
        letters = MEDCARE_LETTERS & set(said[0]) if said else frozenset()
        is_right = gold <= letters and (len(gold) == 1 or letters <= gold)
    return gold if is_right else frozenset()


def medcare_chinese(output: str, gold: frozenset[str]) -> bool:
    """Tell whether MedCare's rule for Chinese sets counts a text as right."""
    said = MEDCARE_CHINESE.search(output.rsplit("\n\n\n", 1)[0])
    if said:
        return MEDCARE_LETTERS & set(said[0]) == gold
    if f"{''.join(sorted(gold))}错，为本题正确答案" in output:
        return True
    return {letter for letter in MEDCARE_LETTERS if f"{letter}对" in output} == gold
