"""BLEU, ROUGE and BERTScore of rationales in six languages; the BERT is tiny and random."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

from medbench.errors import MissingExtra, ModelError
from medbench.scoring import rationale
from medbench.scoring.rationale import (
    BertScorer,
    bert_scorer_from_environment,
    segment,
    similarity,
    split_rationale,
)

SENTENCES = {
    "en": ("The patient has a fever and a dry cough.", "A patient with a fever doesn't cough."),
    "es": ("El paciente tiene fiebre y tos seca.", "La paciente no tiene fiebre alta."),
    "fr": ("L'aspirine réduit la fièvre du patient.", "Le patient reçoit de l'aspirine."),
    "ja": ("患者は発熱と咳を呈している。", "発熱は患者の症状である。"),
    "ru": ("У пациента лихорадка и сухой кашель.", "Кашель и лихорадка у ребёнка."),
    "zh": ("患者出现发热和干咳。", "发热是患者的主要症状。"),
}
NAMES = ("bleu1", "bleu4", "rouge1", "rougeL")


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "He doesn't smoke. BP: 140/90.", "He does n't smoke . BP : 140/90 ."),
        ("fr", "L'aspirine réduit la fièvre.", "L'aspirine réduit la fièvre ."),
        ("fr", "Réponse «B», l’os.", "Réponse « B » , l ’ os ."),
        ("es", "Tomó 38,5 mg. La niña mejoró.", "Tomó 38,5 mg . La niña mejoró ."),
        ("ru", "Острый аппендицит — операция.", "Острый аппендицит — операция ."),
        ("zh", "患者出现发热。 CT 正常", "患者 出现 发热 。 CT 正常"),
        ("ja", "患者は発熱を呈した。\nCT　正常", "患者 は 発熱 を 呈し た 。 CT 正常"),
        *((language, blank, "") for language in SENTENCES for blank in ("", " \n　\t")),
    ],
)
def test_segment(language: str, text: str, words: str) -> None:
    assert segment(text, language) == words.split()


def test_segment_is_silent_on_a_first_import(tmp_path: Path) -> None:
    """Neither jieba's log nor a warning of its compilation comes out."""
    code = "from medbench.scoring.rationale import segment as cut; cut('患者发热', 'zh')"
    root = str(Path(rationale.__file__).parents[2])
    cold = ["-W", "error", "-X", f"pycache_prefix={tmp_path / 'pyc'}"]
    command = [sys.executable, *cold, "-c", code]
    environment = {**os.environ, "PYTHONPATH": root, "TMPDIR": str(tmp_path)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_missing_package_or_unknown_language(monkeypatch: pytest.MonkeyPatch) -> None:
    rationale._cutter.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(MissingExtra, match=r"medbench\[rationale\]"):
        segment("发热", "zh")
    with pytest.raises(AssertionError, match="'xx'"):
        segment("text", "xx")


@pytest.mark.parametrize("language", SENTENCES)
def test_identical_text_scores_one(language: str) -> None:
    text, _ = SENTENCES[language]
    assert similarity(text, text, language) == dict.fromkeys(NAMES, 1.0)


@pytest.mark.parametrize("language", SENTENCES)
def test_empty_text_scores_zero(language: str) -> None:
    text, _ = SENTENCES[language]
    for candidate, reference in (("", text), (text, " "), ("\n", "")):
        assert set(similarity(candidate, reference, language).values()) == {0.0}


HALF_BIGRAM = (2 / 3, 1 / 2, 0.1, 0.1)  # 2 of 3 words, 1 of 2 bigrams, then 0.1 of 1


@pytest.mark.parametrize(
    ("language", "candidate", "reference", "brevity", "precisions", "rouge"),
    [
        # 5 words of 6, in order: brevity penalty e^(1-6/5); P 5/5, R 5/6, F 10/11.
        ("en", "a b c d e", "a b c d x e", math.exp(-0.2), (1, 3 / 4, 2 / 3, 0.5), (10 / 11,) * 2),
        # Clipping: two of four count, one of three bigrams; no penalty for length; P 2/4, R 2/2.
        ("en", "no no no no", "no no", 1, (2 / 4, 1 / 3, 0.05, 0.1), (2 / 3, 2 / 3)),
        # All words found, one of two in sequence; nltk counts an order without n-grams as one.
        ("en", "fever cough", "cough fever", 1, (1, 0.1, 0.1, 0.1), (1, 1 / 2)),
        ("en", "Fever is high", "fever is high", 1, HALF_BIGRAM, (2 / 3, 2 / 3)),  # case is kept
        ("zh", "患者出现发热", "患者出现咳嗽", 1, HALF_BIGRAM, (2 / 3, 2 / 3)),
        # 患者|は|発熱 of 患者|は|発熱|を|呈し|た: R 3/6.
        ("ja", "患者は発熱", "患者は発熱を呈した", math.exp(-1), (1, 1, 1, 0.1), (2 / 3, 2 / 3)),
        ("ru", "это лёгкий отит", "это другой отит", 1, (2 / 3, 0.05, 0.1, 0.1), (2 / 3, 2 / 3)),
        # La|fiebre|_|.: three of four words, one of three bigrams.
        ("es", "La fiebre baja.", "La fiebre sube.", 1, (3 / 4, 1 / 3, 0.05, 0.1), (3 / 4, 3 / 4)),
        ("fr", "l'aspirine", "la fièvre", 1, (0,), (0, 0)),
    ],
)
def test_similarity_by_hand(
    language: str,
    candidate: str,
    reference: str,
    brevity: float,
    precisions: tuple[float, ...],
    rouge: tuple[float, float],
) -> None:
    scores = similarity(candidate, reference, language)
    bleu = (brevity * precisions[0], brevity * math.prod(precisions) ** 0.25)
    expected = dict(zip(NAMES, bleu + rouge, strict=True))
    assert scores == pytest.approx(expected) and tuple(scores) == NAMES


@pytest.mark.parametrize("language", SENTENCES)
def test_bleu_agrees_with_sacrebleu(language: str) -> None:
    """Its "floor" smoothing at 0.1 is method 1 of Chen & Cherry."""
    options: dict[str, Any] = {"tokenize": "none", "smooth_method": "floor", "smooth_value": 0.1}
    for pair in (SENTENCES[language], SENTENCES[language][::-1]):
        ours = similarity(*pair, language)
        words, reference = (" ".join(segment(text, language)) for text in pair)
        theirs = sacrebleu.sentence_bleu(words, [reference], use_effective_order=False, **options)
        assert ours["bleu4"] == pytest.approx(theirs.score / 100)
        assert ours["bleu1"] == pytest.approx(theirs.precisions[0] / 100 * theirs.bp)


@pytest.mark.parametrize("language", ["ja", "ru", "zh"])
def test_rouge_sees_every_script(language: str) -> None:
    candidate, reference = SENTENCES[language]
    stock = RougeScorer(["rouge1", "rougeL"]).score(reference, candidate)
    ours = similarity(candidate, reference, language)
    for name in ("rouge1", "rougeL"):
        assert stock[name].fmeasure == 0.0
        assert 0.2 < ours[name] < 1.0


ANY_TEXT = st.text(max_size=80) | st.text(str(SENTENCES), max_size=80)


@pytest.mark.parametrize("language", SENTENCES)
@given(candidate=ANY_TEXT, reference=ANY_TEXT)
@settings(max_examples=30, deadline=None)
def test_similarity_stays_in_range(language: str, candidate: str, reference: str) -> None:
    assert all(0.0 <= score <= 1.0 for score in similarity(candidate, reference, language).values())
    assert not any(character.isspace() for character in "".join(segment(candidate, language)))


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("text", ["\ud800", "." * 3000, "a" * 3000, "は" * 3000, "的" * 3000])
def test_similarity_survives_degenerate_outputs(language: str, text: str) -> None:
    assert similarity(text, text, language)["bleu1"] == 1.0


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("###Rationale: It is viral. \n###Answer: OPTION A IS CORRECT.", "It is viral."),
        ("### rationale：病毒。\n### ANSWER：OPTION B IS CORRECT.", "病毒。"),
        ("Sure.\n###Rationale: One.\n\nTwo.\n###Answer: OPTION A,C IS CORRECT.", "One.\n\nTwo."),
        ("###Answer: OPTION A IS CORRECT.\n###Rationale: Because.", "Because."),
        ("###Rationale: A.\n###Answer: x\n###Rationale: B.\n###Answer: y", "A."),
        ("It is viral. ###Answer: OPTION A IS CORRECT.", "It is viral."),
        ("###Answer: OPTION A IS CORRECT.", ""),
        ("###Rationale: It is viral.\nOPTION A IS CORRECT.", "It is viral."),
        ("###Rationale: It is viral. ", "It is viral."),
        (" It is viral.\n", "It is viral."),
        (" \n", ""),
    ],
)
def test_split_rationale(output: str, expected: str) -> None:
    assert split_rationale(output) == expected


@pytest.mark.parametrize(
    ("line", "is_answer"),
    [
        ("**Answer:** (B)\n", True),
        ("Therefore, the correct answer is C: Aspirin.", True),
        ("因此，正确答案是C。", True),
        ("よって、正解は C と E である。", True),
        ("Réponses correctes : A, B et E", True),
        ("La respuesta correcta es 3.", True),
        ("Правильный ответ — А.", True),  # a Cyrillic А
        ("The answer is a matter of debate.", False),
        ("Answer A is wrong: it kills.", False),
        ("Option A is wrong, option C is correct.", False),
        ("The answer is C, because A kills.", False),
        ("答案A错误。", False),
        ("The answer is C, " * 20 + "is it not?", False),
    ],
)
def test_split_rationale_without_marks(line: str, is_answer: bool) -> None:
    expected = "It is viral." if is_answer else f"It is viral.\n{line}"
    assert split_rationale(f"It is viral.\n{line}") == expected


@given(st.text("#Rationle: Asw\n"))
@settings(max_examples=100, deadline=None)
def test_split_rationale_only_cuts(output: str) -> None:
    assert split_rationale(output) in output


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a random three-layer BERT with 16 positions and a WordPiece tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    words = ["the", "patient", "has", "fever", "doctor", "gives", "aspirin", "no", ".", *"患者发热"]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *"abc", "##a", "##b", "##c"]
    (folder / "vocab.txt").write_text("\n".join(pieces), "utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3}
    config = BertConfig(**shape, vocab_size=len(pieces), max_position_embeddings=16)
    BertModel(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def test_bert_score_matches_its_definition(tiny_bert: Path) -> None:
    """Mean over words (not [CLS], [SEP]) of the best cosine at the chosen layer, both ways."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["the patient has fever", "doctor gives aspirin ."]
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    model = AutoModel.from_pretrained(tiny_bert, output_hidden_states=True)
    with torch.no_grad():
        states = [model(**tokenizer(text, return_tensors="pt")).hidden_states for text in texts]
    for layer in (1, 3):
        ours, theirs = (torch.nn.functional.normalize(state[layer][0], dim=-1) for state in states)
        cosine = ours @ theirs.T
        precision, recall = cosine.max(1).values[1:-1].mean(), cosine.max(0).values[1:-1].mean()
        f1 = float(2 * precision * recall / (precision + recall))
        scorer = BertScorer(str(tiny_bert), layers=layer)
        assert scorer.score(texts[:1], texts[1:]) == pytest.approx([f1], abs=1e-5)


def test_bert_score_of_pairs(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_BERTSCORE", str(tiny_bert))
    scorer = bert_scorer_from_environment()
    monkeypatch.setenv("MEDBENCH_BERTSCORE", "off")
    assert bert_scorer_from_environment() is None
    assert scorer is not None and scorer.layers == 3
    same, other, long = "the patient has fever", "doctor gives no aspirin", "患者 发热 " * 50
    candidates, references = [same, other, "", same, long], [same, same, same, " ", long]
    scores = scorer.score(candidates, references)
    assert scores == pytest.approx([1.0, scores[1], 0.0, 0.0, 1.0], abs=1e-5)
    assert 0.0 < scores[1] < 0.95
    assert scorer.score(candidates[::-1], references[::-1]) == pytest.approx(scores[::-1], abs=1e-5)
    monkeypatch.setattr(scorer, "_scorer", None)
    assert scorer.score(["", " "], ["x", ""]) == [0.0, 0.0] and scorer.score([], []) == []


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        ("bert-base-multilingual-cased", 9),
        ("./models/bert-base-multilingual-cased/", 9),
        ("hub/models--google-bert--bert-base-multilingual-cased/snapshots/0123", 9),
        ("hub/models--distilbert-base-multilingual-cased/snapshots/0123", 5),
        ("gpt2/unknown", sys.maxsize),
    ],
)
def test_tuned_layers(model: str, layers: int) -> None:
    assert rationale._tuned_layers(model) == layers


LEFT_OUT = {"empty": "*", "no-words": "[tv]o*", "no-weights": "model*", "t5": "", "broken": ""}


@pytest.mark.parametrize("name", ["", "absent", *LEFT_OUT])
def test_bert_model_that_cannot_be_loaded(
    name: str, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in LEFT_OUT:
        ignore = shutil.ignore_patterns(LEFT_OUT[name])
        shutil.copytree(tiny_bert, tmp_path / name, ignore=ignore)
    if name == "broken":
        (tmp_path / name / "model.safetensors").write_bytes(b"no tensors")
    model = str(tmp_path / name) if name else "bert-base-multilingual-cased"
    monkeypatch.setenv("MEDBENCH_BERTSCORE", model if name else "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=rf"'{re.escape(model)}': .+MEDBENCH_BERTSCORE=off"):
        bert_scorer_from_environment()
