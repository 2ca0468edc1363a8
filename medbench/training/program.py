"""What the programs under `train/` share: one process of a training, from its command line."""

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path

from medbench.errors import MedbenchError, RecipeError

__all__ = ["main"]


def main(kind: str, description: str) -> None:
    """Train; what is wrong becomes one message and exit code 1.

    Args:
        kind: of recipe that the program runs.
        description: of the program, for --help.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("recipe", metavar="RECIPE", help="file, or name in the zoo")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings to change")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on with an unfinished run")
    options = parser.parse_args()
    quieten()  # before the libraries are imported, which speak then
    from accelerate import PartialState

    from medbench.recipe import load
    from medbench.training.ready import prepare
    from medbench.training.run import train

    try:
        recipe = load(options.recipe, options.overrides)
        if recipe.kind != kind:
            raise RecipeError(
                f"{recipe.name} is of kind {recipe.kind}, and this program runs {kind}"
            )
        train(prepare(recipe), options.output.resolve(), resume=options.resume)
        # at exit the threads of a group that is still there may end the process, and so all others
        PartialState().destroy_process_group()
    except MedbenchError as error:
        rank = os.environ.get("RANK", "0")
        print(f"medbench{'' if rank == '0' else f' (process {rank})'}: {error}", file=sys.stderr)
        sys.exit(1)


def quieten() -> None:
    """Leave out what libraries say of themselves and nobody here can change."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    for name in ("accelerate", "bitsandbytes", "DeepSpeed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", "`torch.distributed", FutureWarning)  # DeepSpeed's calls
