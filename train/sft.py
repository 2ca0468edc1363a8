"""Fine-tune one model, as one process of several or alone; `medbench train` launches it.

By hand, in a checkout (RECIPE asks for 4 devices and ddp):

    accelerate launch --config_file train/launch/ddp.yaml train/sft.py RECIPE --output DIR
    torchrun --nproc_per_node 4 train/sft.py RECIPE --output DIR
"""

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path

from medbench.errors import MedbenchError


def main() -> None:
    """Train; what is wrong becomes one message and exit code 1."""
    parser = argparse.ArgumentParser(description="Fine-tune one model.")
    parser.add_argument("recipe", metavar="RECIPE", help="file, or name in the zoo")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings to change")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on with an unfinished run")
    options = parser.parse_args()
    quieten()  # before the libraries are imported, which speak then
    from medbench.recipe import load
    from medbench.training.ready import prepare
    from medbench.training.run import train

    try:
        ready = prepare(load(options.recipe, options.overrides))
        train(ready, options.output.resolve(), resume=options.resume)
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


if __name__ == "__main__":
    main()
