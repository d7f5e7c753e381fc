"""The command line: ``ssl-pipeline COMMAND KEY=VALUE...``."""

from __future__ import annotations

import sys

from ssl_pipeline.cli.train import train
from ssl_pipeline.utils.errors import nearest

COMMANDS = {
    "train": "pretrain: corruption=mask+noise data=digits ...",
    "evaluate": "probes with their baselines: run=FOLDER data=... finetune=10 ...",
    "export": "one model of a run, by itself: run=FOLDER part=encoder format=onnx ...",
    "embed": "a data set or a folder of files: run=FOLDER source=FOLDER out=FOLDER ...",
    "restore": "corrupted files: run=FOLDER view=noise source=FOLDER out=FOLDER ...",
    "report": "a run's page, made again: run=FOLDER",
    "compare": "runs side by side on one page: FOLDER FOLDER ... out=compare.html",
    "draw_dag": "a picture of a graph: corruption=mask+noise objective=... or run=FOLDER out=dag.svg",
    "cycles": "how well the halves of every cut undo each other: run=FOLDER",
}


def main(arguments: list[str] | None = None) -> int:
    """``ssl-pipeline COMMAND ...``: returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *words = arguments or ["--help"]
    if name in ("-h", "--help", "help"):
        print("ssl-pipeline COMMAND [ARGUMENTS]  (each COMMAND has its own --help)\n")
        print("\n".join(f"  {name:<10}{what}" for name, what in COMMANDS.items()))
        return 0
    if name not in COMMANDS:
        print(f"error: there is no command {name!r}; {nearest(name, COMMANDS)}", file=sys.stderr)
        return 1
    if name == "train":
        return train(words, command=[name])
    from ssl_pipeline import commands
    from ssl_pipeline.cli.arguments import call

    return call(getattr(commands, name), words)


if __name__ == "__main__":
    sys.exit(main())
