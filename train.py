"""Pretrain: ``python train.py corruption=mask+noise``; ``--help`` shows the choices."""

import sys

from ssl_pipeline.cli.train import train

if __name__ == "__main__":
    sys.exit(train())
