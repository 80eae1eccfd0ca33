"""A sweep to look at in TensorBoard while it runs: a run for each trial, with its curves and its hyperparameters.

`python -m examples.sweep_tensorboard`, with `gradtx[data,sweep,tensorboard]` or PyTorch; then `tensorboard --logdir runs/tensorboard`.
"""

import pathlib

import gradtx
from examples.demo import classifying
from gradtx.sweep import log, run, successive_halving, tensorboard, trials, values

FOLDER = pathlib.Path("runs/tensorboard")


def summary_writer():
    """PyTorch's `SummaryWriter` or tensorboardX's, whichever there is."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise SystemExit("This needs torch and tensorboard, or tensorboardX: pip install 'gradtx[tensorboard]'.") from None
    return SummaryWriter


def main(folder=FOLDER, steps=200) -> None:
    writer = summary_writer()
    settings = trials(gradtx.adam, learning_rate=log(1e-4, 1.0, 8), b1=values(0.5, 0.9))
    told = tensorboard(lambda trial: writer(str(folder / trial)))
    results = run(classifying(), settings, steps, policy=successive_halving(25, 2), callbacks=[told])
    print(f"Wrote {folder}; best: {results.best().optimizer}.")


if __name__ == "__main__":
    main()
