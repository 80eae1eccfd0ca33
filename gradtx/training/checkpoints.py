"""Keeping a training on disk, by Orbax: whole checkpoints or none, the last few and the best."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.training.data import named_leaves
from gradtx.training.run import Best, Run

FORMAT = "gradtx training, version 1"


@dataclasses.dataclass(eq=False)
class Checkpoints:
    """Where `fit` keeps a run, at each record. A run that was cut off goes on from the last, and ends bit for bit as the uninterrupted one.

    A checkpoint holds the parameters, the optimizer's numbers and state, the model's state, the key, the place in the data, the
    records and the best parameters. It is there as a whole or not at all, whenever the process is killed. Sharded arrays come back as
    the new run has them laid out.

    Args:
        folder: made if it isn't there. One run a folder.
        keep: how many of the last are kept, 1 or more.
        best: a number of the records, such as "val_accuracy", by which the best checkpoint is kept besides.
        mode: "min" or "max".

    Raises:
        ValueError: an argument is out of range. When the run begins: the folder holds a run of another model or another optimizer, or its
            last checkpoint is damaged; nothing in it is changed then.
        ModuleNotFoundError: Orbax isn't there (`pip install orbax-checkpoint`; Flax brings it).

    Example:
        >>> import gradtx, jax.numpy as jnp, tempfile
        >>> from gradtx.training import Checkpoints, fit
        >>> folder = tempfile.mkdtemp()
        >>> train = lambda steps: fit(lambda p, b: p**2, jnp.array(1.0), gradtx.sgd(0.25), [0], steps=steps, checkpoints=Checkpoints(folder))
        >>> [float(train(steps).params) for steps in (1, 3)]  # the second goes on from the first
        [0.5, 0.125]
    """

    folder: str | os.PathLike[str]
    keep: int = 3
    best: str | None = None
    mode: str = "min"

    def __post_init__(self) -> None:
        if isinstance(self.keep, bool) or not isinstance(self.keep, int) or self.keep < 1:
            raise ValueError(f"Checkpoints: keep is {self.keep!r}; it must be a whole number, 1 or more.")
        if self.mode not in ("min", "max"):
            raise ValueError(f"Checkpoints: mode is {self.mode!r}; it must be 'min' or 'max'.")
        self.manager: Any = None

    def open(self, run: Run) -> None:
        """Puts the last checkpoint into the run, if there is one."""
        import orbax.checkpoint as ocp
        from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

        policies: list[Any] = [LatestN(self.keep)]
        if self.best is not None:
            policies.append(
                BestN(
                    get_metric_fn=lambda m: m["score"], reverse=self.mode == "min", n=1, keep_checkpoints_without_metrics=False
                )
            )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=AnyPreservationPolicy(policies),
            # Only with this are the scores kept on disk, where a resumed run finds them.
            best_fn=(lambda m: m["score"]) if self.best else None,
            best_mode=self.mode,
            enable_async_checkpointing=False,
            cleanup_tmp_directories=True,
        )
        self.manager = ocp.CheckpointManager(pathlib.Path(self.folder).absolute(), options=options)
        self.identity = {"format": FORMAT, "optimizer": repr(run.optimizer)}
        last = self.manager.latest_step()
        if last is not None:
            self._restore(run, last)

    def save(self, run: Run) -> None:
        """Keeps the run as it is now.

        Raises:
            OSError: the disk is full or can't be written to; earlier checkpoints stay.
        """
        import orbax.checkpoint as ocp

        if self.best is not None and self.best not in run.records[-1]:
            raise ValueError(f"Checkpoints: best is {self.best!r}; the records have {sorted(run.records[-1])}.")
        arrays = _arrays(run)
        about = {
            **self.identity,
            "shapes": {n: _shape(x) for n, x in arrays.items()},
            "place": [run.step, run.epoch, run.batch],
            "records": run.records,
            "best": None if run.best is None else [run.best.step, run.best.score],
        }
        full = {n: x for n, x in arrays.items() if np.size(x)}  # Orbax keeps no empty arrays; they hold nothing
        parts = ocp.args.Composite(arrays=ocp.args.StandardSave(full), about=ocp.args.JsonSave(about))
        metrics = None if self.best is None else {"score": run.records[-1][self.best]}
        self.manager.save(run.step, args=parts, metrics=metrics, force=True)

    def _restore(self, run: Run, step: int) -> None:
        import orbax.checkpoint as ocp

        where = f"{self.folder}, step {step}"
        with _readable(where):
            about = self.manager.restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore()))["about"]
        for name, ours in self.identity.items():
            if about.get(name) != ours:
                raise ValueError(
                    f"{where}: the run kept there has the {name} {about.get(name)}, this one has {ours}. Nothing was changed; take another folder."
                )
        if about["best"] is not None and run.best is None:
            at, score = about["best"]
            run.best = Best(at, score, run.params, run.state.model_state)
        arrays, shapes = _arrays(run), about["shapes"]
        for name in sorted(set(arrays) | set(shapes)):
            ours = _shape(arrays[name]) if name in arrays else "nothing"
            if shapes.get(name, "nothing") != ours:
                raise ValueError(
                    f"{where}: at {name} the run kept there has {shapes.get(name, 'nothing')}, this one has {ours}: another model. Nothing was changed; take another folder."
                )
        full = {n: x for n, x in arrays.items() if np.size(x)}
        with _readable(where):
            parts = ocp.args.Composite(arrays=ocp.args.StandardRestore(jax.tree.map(_like, full)))
            arrays |= self.manager.restore(step, args=parts)["arrays"]
        _put(run, arrays)
        run.step, run.epoch, run.batch = about["place"]
        run.records = about["records"]


def _parts(run: Run) -> dict[str, Any]:
    best = run.best and (run.best.params, run.best.model_state)
    return {"optimizer": run.optimizer, "state": run.state, "best": best}


def _arrays(run: Run) -> dict[str, Any]:
    """Everything by path; typed random keys as their data, Python's numbers in their full precision."""
    plain = lambda x: jax.random.key_data(x) if _is_key(x) else x if isinstance(x, jax.Array) else np.asarray(x)
    return {n: plain(x) for n, x in named_leaves(_parts(run)).items()}


def _put(run: Run, arrays: dict[str, Any]) -> None:
    """Fills a run of the same structure."""
    parts = _parts(run)
    names = iter(named_leaves(parts))

    def back(old: Any) -> Any:
        new = arrays[next(names)]
        if _is_key(old):
            return jax.random.wrap_key_data(new, impl=jax.random.key_impl(old))
        if isinstance(old, jax.Array):
            return jnp.asarray(new)
        return new.item() if isinstance(old, bool | int | float) else new

    parts = jax.tree.map(back, parts)
    run.optimizer, run.state = parts["optimizer"], parts["state"]
    if run.best is not None:
        run.best.params, run.best.model_state = parts["best"]


def _like(x: Any) -> Any:
    """What Orbax makes of an array: one laid out like it; or NumPy's, which goes wherever it is used, of one that isn't bound to a device."""
    if not isinstance(x, jax.Array):
        return x
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding) if x.committed else np.empty(x.shape, x.dtype)


def _shape(x: Any) -> str:
    return f"{x.dtype}{list(np.shape(x))}"


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


@contextlib.contextmanager
def _readable(where: str) -> Any:
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{where}: the checkpoint can't be read ({type(error).__name__}: {error}). Nothing was changed; without this step's folder the run goes on from the one before."
        ) from error
