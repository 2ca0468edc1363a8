#!/bin/bash
# One recipe on several machines of a Slurm cluster: 2 × 4 A100 here. Each machine runs the same
# `medbench train`; it learns its number from SLURM_NODEID and the first machine's address from
# MASTER_ADDR. The output folder must be one that all machines see.
#
#   sbatch train/launch/slurm.sh mmedbench/mistral-7b/full --output /shared/runs/mistral
#
# After a time limit, submit it again with --resume.
#SBATCH --job-name=medbench
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --mem=0
#SBATCH --time=24:00:00
set -euo pipefail

MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR MASTER_PORT=${MASTER_PORT:-29500}

# the recipe, the settings given here, then the options
recipe=$1
shift
srun --kill-on-bad-exit=1 medbench train "$recipe" \
  launch.nodes="$SLURM_NNODES" launch.devices="$SLURM_GPUS_ON_NODE" "$@"
