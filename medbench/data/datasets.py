"""The table of datasets: where each one's rows lie, how they are read, how many there should be.

Sizes: MedQA, MedMCQA, PubMedQA, CareQA, KorMedMCQA and the flashcards as their cards and papers
state them; MMedBench's 45,048 training rows split by the sources that it was built from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from medbench.data import parse
from medbench.errors import DataError

__all__ = ["DATASETS", "Dataset", "dataset"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One benchmark subset: its place on the Hub and what is known of it."""

    benchmark: str
    """The folder under `tasks/`."""
    subset: str
    """A language, an exam, or a number of options."""
    language: str
    """ISO 639-1."""
    repo: str
    """Repository id on the Hub, and the folder in a bundle."""
    parse: parse.Parser
    """Raw row → `Question`."""
    splits: Mapping[str, str]
    """Our split (train, dev, test, few_shot) → the source's own name."""
    sizes: Mapping[str, int]
    """Our split → the number of rows that the source is known to have."""
    licence: str
    """As the source states it."""
    config: str = "default"
    """Configuration on the Hub, and the folder in a bundle."""
    archive: str = ""
    """A zip in the repository that holds the rows as `<split>/<config>.jsonl`."""
    has_options: bool = True
    """False for open questions (flashcards), which only train."""

    @property
    def name(self) -> str:
        """benchmark/subset, as messages show it."""
        return f"{self.benchmark}/{self.subset}"

    @property
    def shots(self) -> str:
        """The split that few-shot examples come from: few_shot, else train, else test."""
        return next(one for one in ("few_shot", "train", "test") if one in self.splits)


# language, code, train rows, test rows
MMEDBENCH = [
    ("English", "en", 10_178, 1_273),
    ("Chinese", "zh", 27_400, 3_426),
    ("Japanese", "ja", 1_590, 199),
    ("French", "fr", 2_171, 622),
    ("Russian", "ru", 1_052, 256),
    ("Spanish", "es", 2_657, 2_742),
]
# exam, train rows, dev rows, test rows
KORMEDMCQA = [
    ("doctor", 1_890, 164, 435),
    ("nurse", 582, 291, 878),
    ("pharm", 632, 300, 885),
    ("dentist", 297, 304, 811),
]


def mmedbench() -> list[Dataset]:
    """MMedBench, arXiv 2402.13963: one zip, six languages."""
    return [
        Dataset(
            "mmedbench",
            language.lower(),
            code,
            "Henrychur/MMedBench",
            parse.lettered,
            {"train": "Train", "test": "Test"},
            {"train": train, "test": test},
            "cc-by-nc-4.0",
            config=language,
            archive="MMedBench.zip",
        )
        for language, code, train, test in MMEDBENCH
    ]


def kormedmcqa() -> list[Dataset]:
    """KorMedMCQA, arXiv 2403.01469: four exams, five few-shot rows with a chain of thought each."""
    return [
        Dataset(
            "kormedmcqa",
            exam,
            "ko",
            "sean0042/KorMedMCQA",
            parse.kormedmcqa,
            {"train": "train", "dev": "dev", "test": "test", "few_shot": "fewshot"},
            {"train": train, "dev": dev, "test": test, "few_shot": 5},
            "cc-by-nc-2.0",
            config=exam,
        )
        for exam, train, dev, test in KORMEDMCQA
    ]


def usmle() -> list[Dataset]:
    """MedQA, arXiv 2009.13081: the US exam with four options, and with five."""
    return [
        Dataset(
            "usmle",
            "4_options",
            "en",
            "GBaker/MedQA-USMLE-4-options",
            parse.lettered,
            {"train": "train", "test": "test"},
            {"train": 10_178, "test": 1_273},
            "cc-by-4.0",
        ),
        Dataset(
            "usmle",
            "5_options",
            "en",
            "mkieffer/MedQA-USMLE",
            parse.lettered,
            {"train": "train", "dev": "dev", "test": "test"},
            # this copy leaves out two training rows that repeat others with a wrong answer
            {"train": 10_176, "dev": 1_272, "test": 1_273},
            "mit",
        ),
    ]


def research_and_entrance() -> list[Dataset]:
    """PubMedQA, arXiv 1909.06146, and MedMCQA, arXiv 2203.14371."""
    return [
        Dataset(
            "pubmedqa",
            "labeled",
            "en",
            "qiaojin/PubMedQA",
            parse.pubmedqa,
            # the Hub has one split; `pubmedqa_test_ids.txt` tells the official 500 test rows
            {"train": "train", "test": "train"},
            {"train": 500, "test": 500},
            "mit",
            config="pqa_labeled",
        ),
        Dataset(
            "medmcqa",
            "validation",
            "en",
            "openlifescienceai/medmcqa",
            parse.medmcqa,
            # the test split has no public answers: everybody scores the validation split
            {"train": "train", "test": "validation"},
            {"train": 182_822, "test": 4_183},
            "apache-2.0",
        ),
    ]


def careqa() -> list[Dataset]:
    """CareQA, arXiv 2502.06666: one Spanish exam, and its translation into English."""
    return [
        Dataset(
            "careqa",
            language,
            language,
            "HPAI-BSC/CareQA",
            parse.careqa,
            {"test": "test"},
            {"test": 5_621},
            "apache-2.0",
            config=f"CareQA_{language}",
        )
        for language in ("en", "es")
    ]


def flashcards() -> Dataset:
    """The flashcards of MedAlpaca, arXiv 2304.08247, which only train."""
    return Dataset(
        "flashcards",
        "anki",
        "en",
        "medalpaca/medical_meadow_medical_flashcards",
        parse.flashcards,
        {"train": "train"},
        {"train": 33_955},
        "cc",
        has_options=False,
    )


DATASETS = {
    (one.benchmark, one.subset): one
    for one in [
        *mmedbench(),
        *kormedmcqa(),
        *usmle(),
        *research_and_entrance(),
        *careqa(),
        flashcards(),
    ]
}


def dataset(benchmark: str, subset: str) -> Dataset:
    """Look a dataset up.

    Raises:
        DataError: nothing has that name; the message lists what there is.
    """
    if (benchmark, subset) not in DATASETS:
        known = ", ".join(one.name for one in DATASETS.values())
        raise DataError(f"no dataset is called {benchmark}/{subset}; there are {known}")
    return DATASETS[benchmark, subset]
