"""Fine-tune one model, as one process of several or alone; `medbench train` launches it.

By hand, in a checkout (RECIPE asks for 4 devices and ddp):

    accelerate launch --config_file train/launch/ddp.yaml train/sft.py RECIPE --output DIR
    torchrun --nproc_per_node 4 train/sft.py RECIPE --output DIR
"""

from medbench.training.program import main

if __name__ == "__main__":
    main("sft", "Fine-tune one model.")
