"""The rationale metrics of MMedBench: BLEU, ROUGE and BERTScore against a checked rationale.

The paper (arXiv 2402.13963) reports BLEU-1 and ROUGE-1; its released code computes BLEU-4 and
ROUGE-L. All four are given here, by name, so that a number can be held against either. A score of
a language is the plain mean over its questions with a human-checked rationale.

Sources: BLEU, Papineni et al. 2002; smoothing method 1, Chen & Cherry 2014; ROUGE, Lin 2004;
BERTScore, Zhang et al. 2020.
"""

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from medbench.errors import MissingExtra, ModelError

__all__ = [
    "BertScorer",
    "bert_scorer_from_environment",
    "segment",
    "similarity",
    "split_rationale",
]

_PAPER_MODEL = "bert-base-multilingual-cased"
_METRICS = ("bleu1", "bleu4", "rouge1", "rougeL")
_LANGUAGES = ("en", "es", "fr", "ja", "ru", "zh")


def segment(text: str, language: str) -> list[str]:
    """Cut a text into words, punctuation marks included, as the paper's code does.

    Chinese is cut by jieba, Japanese by janome. The other four go through the two steps of nltk's
    `word_tokenize`, sentences and then `NLTKWordTokenizer`. Its sentence model is a download, so
    Punkt runs untrained: only periods of abbreviations ("Dr.") and initials can come out
    differently. Treebank rules hold for all four: "doesn't" is two words, "l'aspirine" is one.
    Upper and lower case stay apart; blanks are no words.

    Args:
        text: Anything a model may write.
        language: ISO 639-1: en, es, fr, ja, ru or zh.

    Returns:
        Words without blanks inside; empty for a blank text.
    """
    assert language in _LANGUAGES, f"no word segmenter for {language!r}: {', '.join(_LANGUAGES)}"
    well_formed = text.encode("utf-8", "replace").decode("utf-8")  # janome fails on surrogates
    return [word for piece in _cutter(language)(well_formed) for word in piece.split()]


def similarity(
    candidate: str, reference: str, language: str, metrics: Sequence[str] = _METRICS
) -> dict[str, float]:
    """Compare a rationale with the reference, word by word.

    Args:
        candidate: The model's rationale.
        reference: The benchmark's rationale.
        language: ISO 639-1, as in `segment`.
        metrics: Of bleu1 to bleu4, rouge1, rouge2 and rougeL.

    Returns:
        Each metric in [0, 1], ROUGE as F-measure; zeros if a side is empty.
    """
    words, reference_words = segment(candidate, language), segment(reference, language)
    if not words or not reference_words:
        return dict.fromkeys(metrics, 0.0)
    bleu = tuple(name for name in metrics if name.startswith("bleu"))
    rouge = tuple(name for name in metrics if name not in bleu)
    return {**_bleu(words, reference_words, bleu), **_rouge(words, reference_words, rouge)}


_RATIONALE_MARK = re.compile(r"###\s*rationale\s*[:：]?", re.IGNORECASE)
_ANSWER_MARK = re.compile(r"###\s*answer\b", re.IGNORECASE)
_LETTERS = r"(?-i:[A-JА-Д1-9])(?:\W*(?:and|et|y|и|和|と)?\W*(?-i:[A-JА-Д])(?!\w))*"  # А-Д: Cyrillic
_ANSWER_LINE = re.compile(
    rf"""\W*(?:(?:so|thus|hence|therefore|donc|ainsi|por\ (?:lo\ )?tanto|таким\ образом|поэтому|итак
              |因此|所以|综上|综上所述|よって|したがって)\W*)?
    (?:options?\W+{_LETTERS}\ (?:is|are)\ correct
      |(?:the\ |la\ )?(?:final\ |correct\ |right\ |bonne\ |правильный\ |верный\ |正确|最终)?
       (?:answer|réponse|respuesta|ответ|答案|正解|解答)s?(?:\ (?:correct[ea]|finale?)s?)?
       \s*(?:is|est|es|应为|应选|为|是|は|[^\w\s])\W*(?:option\W*)?{_LETTERS}
       \s*(?:です|である|选项|[^\w\s,，、].{{0,60}})?)  # "C. Aspirin" goes, "C, because …" stays
    \W*""",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_ANSWER_LINE = 200  # characters; a longer last line argues, it does not only answer


def split_rationale(output: str) -> str:
    r"""Take the rationale out of "###Rationale: … \n###Answer: OPTION A IS CORRECT.".

    Args:
        output: What the model wrote; either mark may be missing.

    Returns:
        The text from the first rationale mark (or the start) to the answer mark after it. With no
        answer mark: to the end, less a last line that only states the answer.
    """
    if mark := _RATIONALE_MARK.search(output):
        output = output[mark.end() :]
    if mark := _ANSWER_MARK.search(output):
        return output[: mark.start()].strip()
    rationale = output.strip()
    before, _, last = rationale.rpartition("\n")
    is_answer = len(last) <= _LONGEST_ANSWER_LINE and _ANSWER_LINE.fullmatch(last) is not None
    return before.strip() if is_answer else rationale


class BertScorer:
    """BERTScore F1 with one model held in memory, neither idf-weighted nor rescaled.

    Args:
        model: A Hub id or a local folder.
        layers: The hidden layer that is compared. By default the one that bert-score's authors
            tuned for this model (9 for the paper's), or the last one of a model they do not list.

    Raises:
        MissingExtra: bert-score is not installed.
        ModelError: The model cannot be loaded.
    """

    def __init__(self, model: str = _PAPER_MODEL, layers: int | None = None) -> None:
        self.model = model
        self._scorer = _load_bert_score(model, layers)
        self.layers: int = self._scorer.num_layers

    def score(self, candidates: Sequence[str], references: Sequence[str]) -> list[float]:
        """Compare each candidate with the reference at the same place.

        Args:
            candidates: Rationales of the model.
            references: As many rationales of the benchmark.

        Returns:
            One F1 a pair, in order; 0.0 where a side is blank.
        """
        pairs = list(zip(candidates, references, strict=True))
        full = [i for i, (ours, theirs) in enumerate(pairs) if ours.strip() and theirs.strip()]
        scores = [0.0] * len(pairs)
        if full:
            _, _, f1 = self._scorer.score([pairs[i][0] for i in full], [pairs[i][1] for i in full])
            for place, value in zip(full, f1.tolist(), strict=True):
                scores[place] = value
        return scores


def bert_scorer_from_environment() -> BertScorer | None:
    """Load what MEDBENCH_BERTSCORE names: a Hub id, a folder, or nothing for "off".

    Returns:
        A scorer, of the paper's model if the variable is unset or empty; None for "off".

    Raises:
        ModelError: The model cannot be loaded.
    """
    model = os.environ.get("MEDBENCH_BERTSCORE", "").strip() or _PAPER_MODEL
    return None if model.lower() == "off" else BertScorer(os.path.expanduser(model))


def _bleu(words: list[str], reference: list[str], metrics: Sequence[str]) -> dict[str, float]:
    """BLEU-N of one sentence: brevity penalty x geometric mean of n-gram precisions, n = 1 to N."""
    bleu = _optional("nltk.translate.bleu_score")
    smooth = bleu.SmoothingFunction().method1  # an n-gram order without a match counts 0.1 matches
    longest = {name: int(name.removeprefix("bleu")) for name in metrics}
    return {
        name: float(bleu.sentence_bleu([reference], words, (1 / n,) * n, smooth))
        for name, n in longest.items()
    }


def _rouge(words: list[str], reference: list[str], metrics: tuple[str, ...]) -> dict[str, float]:
    """ROUGE-N and ROUGE-L F-measures; repeated words count, as in Lin 2004.

    The `rouge` package of the paper's code differs: it counts each distinct word once, cuts
    Western text at blanks and periods only, and takes ROUGE-L sentence by sentence.
    """
    scores = _rouge_scorer(metrics).score("\n".join(reference), "\n".join(words))
    return {name: float(scores[name].fmeasure) for name in metrics}


class _Lines:
    """The tokenizer for rouge-score: words come one a line.

    Its own one deletes all but a-z and 0-9: Chinese, Japanese and Russian would score 0.
    """

    def tokenize(self, text: str) -> list[str]:
        """Undo the join; a word holds no blank, so nothing else is cut."""
        return text.split("\n")


@cache
def _rouge_scorer(metrics: tuple[str, ...]) -> Any:
    library = _optional("rouge_score.rouge_scorer")
    return library.RougeScorer(list(metrics), tokenizer=_Lines())


@cache
def _cutter(language: str) -> Callable[[str], Iterable[str]]:
    """Build the segmenter of a language once; its pieces may hold blanks."""
    cut: Callable[[str], Iterable[str]]
    if language == "zh":
        jieba = _optional("jieba")
        jieba.setLogLevel("WARNING")  # it reports the loading of its dictionary on stderr
        cut = jieba.cut
    elif language == "ja":
        cut = _optional("janome.tokenizer").Tokenizer(wakati=True).tokenize
    else:
        cut = _word_tokenize()
    return cut


@cache
def _word_tokenize() -> Callable[[str], Iterable[str]]:
    """Rebuild nltk's `word_tokenize` without its downloaded sentence model."""
    sentences = _optional("nltk.tokenize.punkt").PunktSentenceTokenizer()
    words = _optional("nltk.tokenize.destructive").NLTKWordTokenizer()

    def cut(text: str) -> list[str]:
        return [word for sentence in sentences.tokenize(text) for word in words.tokenize(sentence)]

    return cut


def _load_bert_score(model: str, layers: int | None) -> Any:
    """Build bert-score's scorer and mend what it misses with a local folder."""
    bert_score, transformers = _optional("bert_score"), _optional("transformers")
    safetensors = _optional("safetensors")
    try:
        config = transformers.AutoConfig.from_pretrained(model)
        if "t5" in model and "t5" not in config.model_type:
            raise ModelError(_no_model(model, 'bert-score takes a "t5" in a path for a T5 model'))
        depth = layers or min(_tuned_layers(model), config.num_hidden_layers)
        scorer = bert_score.BERTScorer(model_type=model, num_layers=depth)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ModelError(_no_model(model, str(error).strip().split("\n")[0])) from error
    tokenizer = scorer._tokenizer
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # transformers 5 makes up an empty one
        raise ModelError(_no_model(model, "it has no vocabulary"))
    # A folder without a stated limit says 1e30, which the tokenizer cannot take.
    limit = getattr(config, "max_position_embeddings", 512)
    tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
    return scorer


def _tuned_layers(model: str) -> int:
    """Look the layer up by id, by the folder's name, or by the name in the Hub's cache."""
    table: dict[str, int] = _optional("bert_score.utils").model2layers
    cached = re.findall(r"models--(?:[\w.-]+--)?([\w.-]+)", model)
    names = [model, os.path.basename(os.path.normpath(model)), *cached]
    return next((table[name] for name in names if name in table), sys.maxsize)


def _no_model(model: str, reason: str) -> str:
    return (
        f"cannot load the BERTScore model {model!r}: {reason}. Set MEDBENCH_BERTSCORE to a local "
        "folder (or another model's id), or MEDBENCH_BERTSCORE=off to leave BERTScore out"
    )


def _optional(name: str) -> Any:
    """Import a module of the `rationale` extra without its own warnings (jieba has several)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra("rationale", "Scoring rationales") from error
