"""Go on with a model's pre-training, as one process of several or alone; see `medbench train`.

By hand, in a checkout (RECIPE asks for 8 devices and fsdp):

    accelerate launch --config_file train/launch/fsdp.yaml train/pretrain.py RECIPE --output DIR
    torchrun --nproc_per_node 8 train/pretrain.py RECIPE --output DIR
"""

from medbench.training.program import main

if __name__ == "__main__":
    main("pretrain", "Go on with a model's pre-training.")
