"""One recipe in the pipeline: where its files lie, and the commands of its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medbench import paths
from medbench.errors import RecipeError
from medbench.recipe import Recipe, find, load, recipes
from medbench.recipe.rules import idle

__all__ = ["AS_SAVED", "Job", "check_overrides", "find_jobs", "identity", "of_its_kind"]

AS_SAVED = "none"
AT_LOAD = ("nf4", "fp4", "int8")


@dataclass(frozen=True, slots=True)
class Job:
    """A recipe, and where what comes of it goes."""

    name: str
    """Its path: in the zoo, or below the folder that was named."""
    recipe: Recipe
    """With the settings of the command line."""
    file: Path
    """The YAML."""
    overrides: tuple[str, ...]
    """Settings of the command line that it reads."""
    output: Path
    """The folder of all recipes."""
    is_asked: bool = True
    """Its scores are wanted; else it is only made, for a recipe that starts from it."""
    merges: tuple[str, ...] = ()
    """What of its adapter others start from: all, attention, shared."""
    after: tuple[str, ...] = ()
    """Names of the recipes that it starts from."""
    starts: Mapping[str, Path] = field(default_factory=dict)
    """What a folder holds to where they leave it: start, experts."""
    links: tuple[str, ...] = ()
    """Settings that name these folders."""

    @property
    def trains(self) -> bool:
        """There is something to train."""
        return self.recipe.kind != "baseline"

    @property
    def folder(self) -> Path:
        """The checkpoint, and below it the results; `medbench train` has the same default."""
        return self.output / self.name

    @property
    def state_file(self) -> Path:
        """The records of its steps."""
        return self.folder.with_name(f"{self.folder.name}.run.json")

    @property
    def lock_file(self) -> Path:
        """What one run holds against others."""
        return self.folder.with_name(f".{self.folder.name}.lock")

    def merged(self, part: str) -> Path:
        """Return the folder of the base with a part of the adapter in it."""
        end = "merged" if part == "all" else part
        return self.folder.with_name(f"{self.folder.name}-{end}")

    def results(self, variant: str) -> Path:
        """Return the folder of the results under a quantisation."""
        return self.folder / "results" / variant

    @property
    def variants(self) -> tuple[str, ...]:
        """The quantisations under which it is scored; `AS_SAVED`: without one."""
        load, evaluation = self.recipe.quantization.load, self.recipe.evaluation
        if not evaluation.tasks or not self.is_asked:
            return ()
        as_trained = load if load in AT_LOAD and evaluation.backend == "hf" else AS_SAVED
        return evaluation.quantization or (as_trained,)

    def train_command(self, *, resume: bool) -> list[str]:
        """Return what is typed to train it."""
        settings = (*self.overrides, *self.links)
        words = ["train", str(self.file), *settings, "--output", str(self.folder)]
        words += ["--federated"] if self.recipe.federated else []
        return [*words, "--resume"] if resume else words

    def merge_command(self, part: str, folder: Path) -> list[str]:
        """Return what is typed to merge a part of its adapter."""
        words = ["merge", str(self.folder), "--output", str(folder)]
        words += [] if part == "all" else ["--only", part]
        return [*words, "--trust-remote-code"] if self.recipe.model.trust_remote_code else words

    def eval_command(self, variant: str, tasks: Sequence[str]) -> list[str]:
        """Return what is typed to score it on some tasks."""
        model, evaluation = self.recipe.model, self.recipe.evaluation
        is_folder = self.trains or model.start
        name = str(self.folder) if self.trains else model.weights
        words = ["eval", name, "--tasks", ",".join(tasks), "--backend", evaluation.backend]
        words += ["--chat-template", self.recipe.chat_template]
        words += ["--output", str(self.results(variant))]
        options = {
            "--quantization": variant if self.quantizes(variant) else None,
            "--num-fewshot": evaluation.num_fewshot,
            "--gen-kwargs": evaluation.gen_kwargs or None,
            "--limit": evaluation.limit,
            "--tokenizer": None if is_folder else model.tokenizer.id or None,
            "--revision": None if is_folder or model.revision == "main" else model.revision,
        }
        for option, value in options.items():
            words += [] if value is None else [option, str(value)]
        return [*words, "--trust-remote-code"] if model.trust_remote_code else words

    def quantizes(self, variant: str) -> bool:
        """Tell whether the variant must be said: it is none only against a recipe in 4 bits."""
        return variant != AS_SAVED or self.recipe.quantization.load in AT_LOAD


def find_jobs(
    places: Sequence[str], overrides: Sequence[str], output: Path
) -> tuple[list[Job], dict[str, str]]:
    """Return the jobs of recipes and folders, and the faults of those that cannot be read.

    An override that does nothing in one recipe of a folder (training.seed in a baseline) is left
    out there; one that does nothing in all of them is a fault.

    Raises:
        RecipeError: a recipe that was named by itself cannot be read, a folder has none, or two
            recipes have one name.
    """
    jobs: dict[str, Job] = {}
    faults: dict[str, str] = {}
    for place in places:
        folder = find_folder(place)
        if folder is None:
            file = find(Path(place))
            own = of_its_kind(file, overrides)
            recipe = load(file, own)
            put(jobs, Job(recipe.name, recipe, file, own, output))
            continue
        for file in recipes(folder):
            name = identity(file, folder)
            try:
                own = effective(file, of_its_kind(file, overrides))
                job = Job(name, load(file, own), file, own, output)
            except RecipeError as error:
                faults[name] = str(error)
            else:
                put(jobs, job)
    return list(jobs.values()), faults


def put(jobs: dict[str, Job], job: Job) -> None:
    """Add a job to those of other names.

    Raises:
        RecipeError: another recipe would be made in the same folder.
    """
    known = jobs.setdefault(job.name, job)
    if known.file != job.file:
        raise RecipeError(
            f"{known.file} and {job.file} would both be made in {job.folder}: rename one, or run "
            "each with an --output of its own"
        )


def find_folder(place: str) -> Path | None:
    """Return a folder of recipes, as it is or in the zoo; None: the place is a file.

    Raises:
        RecipeError: there are no recipes in it.
    """
    for folder in (Path(place), paths.folder("adapters") / place):
        if folder.is_dir():
            if not recipes(folder):
                raise RecipeError(f"{folder} holds no recipe that can be run")
            return folder.resolve()
    return None


def identity(file: Path, folder: Path) -> str:
    """Return a recipe's name: its path in the zoo, or below a folder elsewhere."""
    zoo = paths.folder("adapters").resolve()
    root = zoo if file.is_relative_to(zoo) else folder
    return file.relative_to(root).with_suffix("").as_posix()


def of_its_kind(file: Path, overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides without those of a corpus, if the recipe reads none: its start may."""
    is_left_out = any(map(is_of_a_corpus, overrides)) and load(file).kind != "pretrain"
    return tuple(one for one in overrides if not (is_left_out and is_of_a_corpus(one)))


def is_of_a_corpus(override: str) -> bool:
    """Tell whether an override says something of the texts of a pre-training."""
    return override.startswith("corpus.")


def effective(file: Path, overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides that a recipe reads: a baseline, none of training's."""
    if not overrides:
        return ()
    recipe = load(file)
    keys = {one: one.partition("=")[0].strip() for one in overrides}
    return tuple(
        one for one, key in keys.items() if recipe.kind != "baseline" or not idle(recipe, key)
    )


def check_overrides(jobs: list[Job], faults: dict[str, str], overrides: Sequence[str]) -> None:
    """Refuse settings that no recipe reads.

    Raises:
        RecipeError: names them.
    """
    used = {one for job in jobs for one in job.overrides}
    idle = [one for one in overrides if one not in used]
    if idle and jobs and not faults:
        raise RecipeError(f"{', '.join(idle)}: changes nothing in any of these recipes")
