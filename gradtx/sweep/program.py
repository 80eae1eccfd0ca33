"""The compiled parts of a sweep: starting trials, and advancing them by some steps, for one structure of optimizer."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gradtx.sweep.trainer import Trainer
from gradtx.sweep.trials import Frozen, Trial

AXIS = "trials"


class Program:
    """One lane is traced once; each number of lanes that turns up is compiled once.

    Between calls the carry is a list of plain arrays with the lanes along the first axis. What the trainer's functions close over
    (the data) goes in as arguments that all lanes share, and is put on the devices once.
    """

    def __init__(
        self, trainer: Trainer, frozen: Frozen, varying: Sequence[Any], values: dict[str, Any], mesh: Mesh | None
    ) -> None:
        self.mesh = mesh
        self.seconds = 0.0  # spent compiling, ever
        self._compiled: dict[tuple[str, int], Any] = {}
        self._placed: dict[int, Any] = {}
        lane = lambda x: jax.ShapeDtypeStruct(np.shape(x)[1:], jax.dtypes.canonicalize_dtype(x.dtype))
        trial = Trial([lane(x) for x in varying], {n: lane(v) for n, v in values.items()}, _int(), frozen)
        self._trace(trainer, trial)

    def _trace(self, trainer: Trainer, trial: Trial) -> None:
        def start(trial: Trial) -> Any:
            return trainer.init(trial, jax.random.key(trial.seed))

        kinds: list[Any] = []  # of each leaf that is a random key: how it is made from its data

        def first_look(trial: Trial) -> Any:
            carry = start(trial)
            kinds.extend(jax.random.key_impl(x) if _is_key(x) else None for x in jax.tree.leaves(carry))
            return carry

        carry = jax.eval_shape(first_look, trial)
        self.structure = jax.tree.structure(carry)
        plain = lambda carry: [
            x if k is None else jax.random.key_data(x) for x, k in zip(jax.tree.leaves(carry), kinds, strict=True)
        ]
        whole = lambda leaves: jax.tree.unflatten(
            self.structure,
            [x if k is None else jax.random.wrap_key_data(x, impl=k) for x, k in zip(leaves, kinds, strict=True)],
        )
        self.metrics = _check(trainer, trial, carry)

        def advance(leaves: list[Any], trial: Trial, begin: jax.Array, end: jax.Array) -> Any:
            def body(t: jax.Array, state: Any) -> Any:
                leaves, total, bad = state
                batch = None if trainer.batch is None else trainer.batch(t, trial)
                carry, loss = trainer.step(whole(leaves), batch)
                loss = jnp.asarray(loss)
                bad = jnp.where((bad < 0) & ~jnp.isfinite(loss), t + 1, bad)
                return plain(_weakless(carry)), total + loss.astype(total.dtype), bad

            first = (leaves, jnp.zeros((), jnp.float32), jnp.full((), -1, jnp.int32))
            leaves, total, bad = jax.lax.fori_loop(begin, end, body, first)
            outcome = {n: jnp.asarray(v).astype(jnp.float32) for n, v in _named(trainer.evaluate(whole(leaves))).items()}
            return leaves, {"train": total / (end - begin).astype(jnp.float32), "diverged_at": bad, "metrics": outcome}

        # Numbers settle in strongly typed arrays, so that the loop's carry keeps its types.
        self._start = _hoisted(lambda trial: plain(_weakless(start(trial))), trial)
        shapes = jax.eval_shape(lambda t: plain(_weakless(start(t))), trial)
        self._advance = _hoisted(advance, shapes, trial, _int(), _int())

    def start(self, trial: Trial, size: int) -> list[Any]:
        """The carries of new trials."""
        trial = self._place(trial)
        return self._get("start", size, (trial,))(self._constants("start"), trial)

    def advance(self, leaves: list[Any], trial: Trial, begin: int, end: int, size: int) -> tuple[list[Any], Any]:
        """The carries some steps later (the old ones are given away), the mean loss of training, and what `evaluate` says."""
        leaves, trial = self._place((leaves, trial))
        steps = (np.int32(begin), np.int32(end))
        return self._get("advance", size, (leaves, trial, *steps))(self._constants("advance"), leaves, trial, *steps)

    def bytes(self, leaves: list[Any], trial: Trial, size: int) -> int:
        """What the program for so many lanes needs at once on all devices, by its own account."""
        analysis = self._get("advance", size, (leaves, trial, np.int32(0), np.int32(1))).memory_analysis()
        if analysis is None:
            return 0
        used = analysis.argument_size_in_bytes + analysis.output_size_in_bytes + analysis.temp_size_in_bytes
        return int(used - analysis.alias_size_in_bytes) * (1 if self.mesh is None else self.mesh.size)  # it tells of one device

    def carry_shapes(self, size: int) -> list[jax.ShapeDtypeStruct]:
        """The carry of so many lanes, without making it."""
        return [jax.ShapeDtypeStruct((size, *a.shape), a.dtype) for a in self._start[2]]

    def _get(self, which: str, size: int, arguments: tuple[Any, ...]) -> Any:
        if (which, size) not in self._compiled:
            begin = time.perf_counter()
            function = (self._start if which == "start" else self._advance)[0]
            axes = (0,) if which == "start" else (0, 0, None, None)
            donated = (1,) if which == "advance" else ()
            lower = lambda mapped: jax.jit(self._sharded(mapped, axes), donate_argnums=donated).lower(
                self._constants(which), *arguments
            )
            lowered = lower(jax.vmap(function, in_axes=(None, *axes)))
            if "lapack_" in lowered.as_text():
                # LAPACK's loop over many matrices waits for threads of the pool that it holds itself: several at once stand still
                # for good (jaxlib 0.10.2). Matrix by matrix it doesn't wait.
                lowered = lower(_one_by_one(function, axes))
            self._compiled[which, size] = lowered.compile()
            self.seconds += time.perf_counter() - begin
        return self._compiled[which, size]

    def _sharded(self, mapped: Callable[..., Any], axes: tuple[int | None, ...]) -> Callable[..., Any]:
        if self.mesh is None:
            return mapped
        lanes, shared = PartitionSpec(AXIS), PartitionSpec()
        specs = (shared, *(shared if a is None else lanes for a in axes))
        return jax.shard_map(mapped, mesh=self.mesh, in_specs=specs, out_specs=lanes, check_vma=False)

    def _constants(self, which: str) -> list[Any]:
        constants = (self._start if which == "start" else self._advance)[1]
        for x in constants:
            if id(x) not in self._placed:
                self._placed[id(x)] = self._place(x, PartitionSpec())
        return [self._placed[id(x)] for x in constants]

    def _place(self, tree: Any, spec: PartitionSpec = PartitionSpec(AXIS)) -> Any:  # noqa: B008
        if self.mesh is None:
            return tree
        sharding = NamedSharding(self.mesh, spec)

        def one(x: Any) -> Any:
            if isinstance(x, jax.Array) and x.sharding == sharding:
                return x
            # Every process has the whole and takes its part; device_put would first compare them with each other.
            host = np.asarray(x)
            return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

        return jax.tree.map(one, tree)


_programs: weakref.WeakKeyDictionary[Trainer, dict[Any, Program]] = weakref.WeakKeyDictionary()


def program_for(trainer: Trainer, frozen: Frozen, varying: Sequence[Any], values: dict[str, Any], mesh: Mesh | None) -> Program:
    """The program of this trainer for this structure, as long as the trainer lives: another sweep with it doesn't compile again."""
    shapes = tuple((np.shape(x)[1:], str(x.dtype)) for x in varying)
    key = (frozen, shapes, tuple((n, str(v.dtype)) for n, v in values.items()), mesh, str(jnp.result_type(float)))
    made = _programs.setdefault(trainer, {})
    if key not in made:
        made[key] = Program(trainer, frozen, varying, values, mesh)
    return made[key]


def _hoisted(function: Callable[..., Any], *arguments: Any) -> tuple[Callable[..., Any], list[Any], Any]:
    """The function of one lane with what it closes over as its first argument, that, and the shapes that come out."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    leaves, structure = jax.tree.flatten(shapes)

    def call(constants: list[Any], *arguments: Any) -> Any:
        whole = closed.replace(consts=constants) if closed.consts else closed
        return jax.tree.unflatten(structure, jaxpr_as_fun(whole)(*jax.tree.leaves(arguments)))

    return call, [jnp.asarray(c) for c in closed.consts], leaves


def _one_by_one(function: Callable[..., Any], axes: tuple[int | None, ...]) -> Callable[..., Any]:
    """Like `vmap` over the lanes, one after another."""
    lanes = axes.count(0)

    def mapped(constants: list[Any], *arguments: Any) -> Any:
        return jax.lax.map(lambda lane: function(constants, *lane, *arguments[lanes:]), arguments[:lanes])

    return mapped


def _check(trainer: Trainer, trial: Trial, carry: Any) -> list[str]:
    """Clear words for a trainer that doesn't fit; the names of what it measures."""
    batch = None if trainer.batch is None else jax.eval_shape(trainer.batch, _int(), trial)
    out = jax.eval_shape(trainer.step, carry, batch)
    if not (isinstance(out, tuple) and len(out) == 2):
        raise TypeError(f"sweep: step must return (carry, loss), it returns {type(out).__name__}.")
    after, loss = out
    if jax.tree.structure(after) != jax.tree.structure(carry):
        raise TypeError(
            f"sweep: step changes the structure of the carry: init makes {jax.tree.structure(carry)}, step returns {jax.tree.structure(after)}."
        )
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(carry), jax.tree.leaves(after), strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            where = jax.tree_util.keystr(path)
            raise TypeError(f"sweep: step changes the carry at {where}: init makes {_words(a)}, step returns {_words(b)}.")
    _check_scalar("the loss that step returns", loss)
    names: list[str] = []  # in the trainer's order, which a dictionary loses on its way through JAX

    def evaluate(carry: Any) -> dict[str, Any]:
        measured = _named(trainer.evaluate(carry))
        names.extend(measured)
        return measured

    for name, x in jax.eval_shape(evaluate, carry).items():
        _check_scalar(f"evaluate's {name!r}", x)
    if not names or "train" in names:
        raise ValueError(f"sweep: evaluate measures {names}; it must measure something, and 'train' is the loss of training.")
    return names


def _named(measured: Any) -> dict[str, Any]:
    return measured if isinstance(measured, dict) else {"loss": measured}


def _check_scalar(what: str, x: Any) -> None:
    if getattr(x, "shape", None) != () or not (jnp.issubdtype(x.dtype, jnp.floating) or jnp.issubdtype(x.dtype, jnp.integer)):
        raise TypeError(f"sweep: {what} must be one real number, it is {_words(x)}.")


def _words(x: Any) -> str:
    return f"{x.dtype}{list(x.shape)}" if hasattr(x, "shape") else type(x).__name__


def _int() -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((), jnp.int32)


def _weakless(tree: Any) -> Any:
    return jax.tree.map(lambda x: x if _is_key(x) else jax.lax.convert_element_type(x, jnp.asarray(x).dtype), tree)


def _is_key(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def to_host(x: Any) -> np.ndarray:
    """An array as NumPy's, from all processes if it is spread over several."""
    if isinstance(x, jax.Array) and not x.is_fully_addressable:
        from jax.experimental.multihost_utils import process_allgather

        return np.asarray(process_allgather(x, tiled=True))
    return np.asarray(x)


def memory_limit(devices: Sequence[Any]) -> int:
    """What a sweep may use of the memory of its devices together: four fifths of what is free where there is least."""
    mine = [d for d in devices if d.process_index == jax.process_index()]
    stats = mine[0].memory_stats()
    if stats and "bytes_limit" in stats:
        free = len(devices) * (stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    else:
        free = _free_on_host()
    if jax.process_count() > 1:  # all must come to the same chunks
        from jax.experimental.multihost_utils import process_allgather

        free = int(np.min(process_allgather(np.int32(free >> 20)))) << 20
    return int(0.8 * free)


def _free_on_host() -> int:
    try:
        with open("/proc/meminfo") as file:  # what sysconf calls free leaves out what the system only caches
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
