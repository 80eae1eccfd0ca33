"""Minimizing a function until it is done."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.flatten_util import ravel_pytree

from gradtx.core.number import cast, is_inexact
from gradtx.core.points import evaluation_params, gradient_params
from gradtx.core.transform import Transform
from gradtx.core.trees import path_string
from gradtx.core.updates import apply_updates
from gradtx.curvature.lbfgsb import lbfgsb_step
from gradtx.curvature.line import FOUND, NOT_FINITE, LineSearchState
from gradtx.curvature.line import REASONS as SEARCH_REASONS

RUNNING, GRADIENT, STEP, VALUE, STEPS, SECONDS, ASKED = range(7)
FAILED = 10  # a search's status is added
REASONS = {
    RUNNING: "it has not ended",
    GRADIENT: "the gradient is below grad_tol",
    STEP: "the step is below step_tol",
    VALUE: "the change of the value is below value_tol",
    STEPS: "max_steps are done",
    SECONDS: "max_seconds are over",
    ASKED: "the callback said so",
    **{FAILED + n: f"the search failed: {why}" for n, why in SEARCH_REASONS.items() if n != FOUND},
    FAILED + NOT_FINITE: "the function or its gradient is not finite",
}


class MinimizeResult(NamedTuple):
    """What `minimize` found. Under `vmap` and `jit` the fields are arrays; `success` and `reason` then read them outside.

    Attributes:
        x: the parameters to evaluate.
        fun: the value there.
        aux: what the function gave besides; None without `has_aux`.
        grad_norm: the largest size of a component of the gradient; of the projected one with `lbfgsb`.
        steps: taken.
        evaluations: of the function and its gradient together.
        products: with the Hessian, by methods that count them.
        status: why it ended; `reason` says it in words.
    """

    x: Any
    fun: jax.Array
    aux: Any
    grad_norm: jax.Array
    steps: jax.Array
    evaluations: jax.Array
    products: jax.Array
    status: jax.Array

    @property
    def success(self) -> Any:
        """Whether a tolerance was met; a list for a batch."""
        return _each(self.status, lambda s: s in (GRADIENT, STEP, VALUE))

    @property
    def reason(self) -> Any:
        """Why it ended, in words; a list for a batch."""
        return _each(self.status, lambda s: REASONS[s])


class Progress(NamedTuple):
    """What a callback is shown of a run: the parameters, the value, the gradient, the steps taken."""

    x: Any
    fun: jax.Array
    grad: Any
    steps: jax.Array


class _Carry(NamedTuple):
    params: Any
    state: Any
    value: jax.Array
    grad: Any
    steps: jax.Array
    evaluations: jax.Array
    status: jax.Array
    fresh: jax.Array  # the optimizer remembers nothing: a failed search can't be helped by forgetting


def minimize(
    fun: Callable[..., Any],
    start: Any,
    optimizer: Transform,
    *,
    grad_tol: float = 1e-5,
    step_tol: float = 0.0,
    value_tol: float = 0.0,
    max_steps: int = 1000,
    max_seconds: float | None = None,
    has_aux: bool = False,
    callback: Callable[[Progress], Any] | None = None,
    check_gradient: bool = False,
) -> MinimizeResult:
    """Minimizes a function with any optimizer, as one compiled loop, until a tolerance is met.

    It can be called inside `jit`, and mapped over starts, hyperparameters or data: lanes that are done wait for the others. Its solution can be
    differentiated with respect to what `fun` closes over (and the bounds of `lbfgsb`), by the implicit function theorem
    $\\mathrm{d}x = -H^{-1}\\,\\mathrm{d}\\nabla f$, whatever the optimizer did on the way.

    Args:
        fun: from the parameters to a scalar (and something besides, with `has_aux`); with an attribute `residuals`, as `SumOfSquares` has, if the
            optimizer needs those.
        start: a tree of floats, in whose dtype all is done.
        optimizer: any transformation, of first order or with a search of its own.
        grad_tol: ends when no component of the gradient (the projected one, with `lbfgsb`) is larger; 0 for never.
        step_tol: ends when no parameter changes by more than this part of `1 + |x|`.
        value_tol: ends when the value changes by no more than this part of `1 + |f|`.
        max_steps: ends without success after so many.
        max_seconds: ends without success after so long; not inside `jit`.
        has_aux: `fun` gives a pair, of which the first is minimized.
        callback: called with a `Progress` after each step; ends the run if it gives True. Not inside `jit`.
        check_gradient: compares the gradient with finite differences first.

    Returns:
        A `MinimizeResult`.

    Raises:
        TypeError: the function gives no real scalar; an argument has the wrong type.
        ValueError: an argument is out of range, the value at the start is not finite, or the gradient doesn't match (`check_gradient`).

    References:
        Krantz, Parks (2003), The Implicit Function Theorem. Blondel et al. (2021), Efficient and Modular Implicit Differentiation, arXiv:2105.15183.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> nearest = lambda a: gradtx.minimize(lambda x: jnp.sum((x - a) ** 2 * (1 + x**2)), jnp.ones(()), gradtx.bfgs()).x
        >>> round(float(nearest(2.0)), 4), round(float(jax.grad(nearest)(2.0)), 3)
        (2.0, 1.0)
    """
    _check_calls(fun, callback, max_seconds)
    start = jax.tree.map(jnp.asarray, start)
    _check(fun, start, optimizer, has_aux, grad_tol, step_tol, value_tol, max_steps)
    value_fn = (lambda x: fun(x)[0]) if has_aux else fun
    traced = any(isinstance(x, Tracer) for x in jax.tree.leaves((start, optimizer)))
    watched = callback is not None or max_seconds is not None
    if not traced:
        _check_start(value_fn, start, check_gradient)
    elif watched:
        raise ValueError(
            "minimize: callback and max_seconds run in Python, step by step; they can't be used inside jit, vmap or grad."
        )
    limits = (grad_tol, step_tol, value_tol)

    def solve(_: Any, first: Any) -> tuple[Any, Any]:
        carry = _begin(value_fn, optimizer, first, grad_tol)
        if watched:
            carry = _watched(value_fn, optimizer, limits, carry, max_steps, max_seconds, callback)
        else:
            carry = _advance(value_fn, optimizer, limits, carry, max_steps)
        status = jnp.where(carry.status == RUNNING, STEPS, carry.status)
        x = evaluation_params(optimizer, carry.state, carry.params)
        # Counts as floats: custom_root takes derivatives of what comes beside the solution, and integers have none.
        return x, (
            _residual(optimizer, carry.state, x, carry.grad),
            *(cast(n, jnp.float32) for n in (carry.steps, carry.evaluations, _products(optimizer, carry.state), status)),
        )

    if watched:
        x, (residual, *counts) = solve(None, start)
    else:
        zero = lambda x: _residual(optimizer, optimizer.init(x), x, jax.grad(value_fn)(x))
        tangents = functools.partial(_tangent_solve, _between_bounds(optimizer, optimizer.init(start)) is None)
        x, (residual, *counts) = jax.lax.custom_root(zero, start, solve, tangents, has_aux=True)
    value, aux = fun(x) if has_aux else (fun(x), None)
    return MinimizeResult(x, value, aux, _largest(residual), *(n.astype(jnp.int32) for n in counts))


def _begin(fun: Callable[..., Any], optimizer: Transform, start: Any, grad_tol: float) -> _Carry:
    state = optimizer.init(start)
    value, grad = jax.value_and_grad(fun)(gradient_params(optimizer, state, start))
    zero = jnp.zeros((), jnp.int32)
    flat = _largest(_residual(optimizer, state, start, grad)) <= grad_tol
    status = jnp.where(flat, GRADIENT, RUNNING).astype(jnp.int32)
    return _Carry(start, state, value, grad, zero, zero + 1, status, jnp.asarray(True))


def _advance(fun: Callable[..., Any], optimizer: Transform, limits: Any, carry: _Carry, until: Any) -> _Carry:
    step = functools.partial(_step, fun, optimizer, limits)
    return jax.lax.while_loop(lambda c: (c.status == RUNNING) & (c.steps < until), step, carry)


def _step(fun: Callable[..., Any], optimizer: Transform, limits: Any, c: _Carry) -> _Carry:
    grad_tol, step_tol, value_tol = limits
    residuals = getattr(fun, "residuals", None)
    extra = {} if residuals is None else {"residual_fn": residuals}
    updates, state = optimizer.update(c.grad, c.state, c.params, value=c.value, grad=c.grad, value_fn=fun, **extra)
    params = apply_updates(c.params, updates)
    search, at = _last_search(optimizer, state), None
    if search is None:
        at = gradient_params(optimizer, state, params)
        value, grad = jax.value_and_grad(fun)(at)
        evaluations, failed = c.evaluations + 1, jnp.asarray(False)
        code = jnp.zeros((), jnp.int32)
    else:
        value, grad = cast(search.value, c.value.dtype), jax.tree.map(lambda g, p: cast(g, p.dtype), search.grad, c.grad)
        evaluations, failed, code = c.evaluations + search.evaluations, search.status != FOUND, search.status
    finite = jnp.isfinite(value) & jnp.isfinite(_largest(grad))
    moved = jax.tree.map(lambda u, p: jnp.abs(cast(u, p.dtype)) / (1 + jnp.abs(p)), updates, c.params)
    status = jnp.where(jnp.abs(value - c.value) <= value_tol * (1 + jnp.abs(value)), VALUE, RUNNING) if value_tol else RUNNING
    status = jnp.where(_largest(moved) <= step_tol, STEP, status) if step_tol else status
    flat = _largest(_residual(optimizer, state, params, grad)) <= grad_tol
    if search is None and not _same(at, judged := evaluation_params(optimizer, state, params)):
        # The gradient was taken elsewhere; what counts is the one where the result will be.
        flat, more = jax.lax.cond(flat, lambda: (_largest(jax.grad(fun)(judged)) <= grad_tol, 1), lambda: (False, 0))
        evaluations += more
    status = jnp.where(flat, GRADIENT, status)
    # A search along a spoilt direction: forget what was learnt, and try once more from here.
    again = failed & ~c.fresh
    status = jnp.where(failed, jnp.where(again, RUNNING, FAILED + code), status)
    status = jnp.where(finite, status, FAILED + NOT_FINITE).astype(jnp.int32)
    choose = lambda condition, a, b: jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
    params, value, grad = choose(finite & ~failed, (params, value, grad), (c.params, c.value, c.grad))
    state = choose(again, optimizer.init(c.params), choose(finite, state, c.state))
    return _Carry(params, state, value, grad, c.steps + (~failed).astype(jnp.int32), evaluations, status, again)


def _watched(fun: Any, optimizer: Any, limits: Any, carry: _Carry, most: int, seconds: float | None, callback: Any) -> _Carry:
    """Step by step, from Python."""
    step = jax.jit(functools.partial(_step, fun, optimizer, limits))
    begin = time.perf_counter()
    while int(carry.status) == RUNNING and int(carry.steps) < most:
        carry = step(carry)
        if callback is not None and callback(Progress(carry.params, carry.value, carry.grad, carry.steps)) is True:
            return carry._replace(status=jnp.asarray(ASKED, jnp.int32))
        if seconds is not None and int(carry.status) == RUNNING and time.perf_counter() - begin >= seconds:
            return carry._replace(status=jnp.asarray(SECONDS, jnp.int32))
    return carry


def _last_search(optimizer: Transform, state: Any) -> LineSearchState | None:
    """The state of the search that has the last word on the update, so that it knows value and gradient where the step ends."""
    _, last = _last(optimizer, state)
    search = last if isinstance(last, LineSearchState) else getattr(last, "search", None)
    return search if isinstance(search, LineSearchState) else None


def _products(optimizer: Transform, state: Any) -> Any:
    return getattr(_last(optimizer, state)[1], "products", jnp.zeros((), jnp.int32))


def _residual(optimizer: Transform, state: Any, params: Any, grad: Any) -> Any:
    """What is nothing at a solution: the gradient, but for methods between bounds, which say what."""
    last = _between_bounds(optimizer, state)
    return grad if last is None else last.residual(params, grad)


def _between_bounds(optimizer: Transform, state: Any) -> lbfgsb_step | None:
    last, _ = _last(optimizer, state)
    return last if isinstance(last, lbfgsb_step) else None


def _last(optimizer: Transform, state: Any) -> tuple[Transform, Any]:
    """The last piece, at any depth, and its state."""
    part, inner = optimizer.resolve(state.step), state.inner
    while below := list(part.parts(inner).values()):
        part, inner = below[-1]
    return part, inner


def _tangent_solve(symmetric: bool, product: Callable[[Any], Any], y: Any) -> Any:
    """The system with the derivative of the residual, the Hessian but between bounds, at the solution: as a matrix while that is small."""
    flat, back = ravel_pytree(y)
    apply = lambda v: ravel_pytree(product(back(v)))[0]
    if flat.size <= 200:
        return back(jnp.linalg.solve(jax.vmap(apply)(jnp.eye(flat.size, dtype=flat.dtype)).T, flat))
    method = jax.scipy.sparse.linalg.cg if symmetric else jax.scipy.sparse.linalg.bicgstab
    solve = lambda apply, v: method(apply, v, tol=float(10 * jnp.finfo(v.dtype).eps), maxiter=10 * v.size)[0]
    return back(jax.lax.custom_linear_solve(apply, flat, solve, solve, symmetric))


def _same(a: Any, b: Any) -> bool:
    """Whether two trees hold the very same arrays."""
    return all(x is y for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def _largest(tree: Any) -> jax.Array:
    sizes = [jnp.max(jnp.abs(x)) for x in jax.tree.leaves(tree) if x.size]
    return functools.reduce(jnp.maximum, sizes) if sizes else jnp.zeros(())


def _each(status: Any, f: Callable[[int], Any]) -> Any:
    return f(int(status)) if jnp.ndim(status) == 0 else [_each(s, f) for s in status]


def _check_calls(fun: Any, callback: Any, max_seconds: Any) -> None:
    for name, f in (("fun", fun), ("callback", callback)):
        if not callable(f) and not (f is None and name == "callback"):
            raise TypeError(f"minimize: {name} is {f!r}; it must be a function.")
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"minimize: max_seconds is {max_seconds!r}; it must be over 0, or None.")


def _check(
    fun: Any, start: Any, optimizer: Any, has_aux: bool, grad_tol: Any, step_tol: Any, value_tol: Any, max_steps: Any
) -> None:
    if not isinstance(optimizer, Transform):
        raise TypeError(f"minimize: optimizer is {optimizer!r}, no transformation; give one such as bfgs().")
    for name, x in (("grad_tol", grad_tol), ("step_tol", step_tol), ("value_tol", value_tol)):
        if not isinstance(x, Tracer) and not x >= 0:
            raise ValueError(f"minimize: {name} is {x!r}; it must be 0 or more.")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 0:
        raise ValueError(f"minimize: max_steps is {max_steps!r}; it must be a whole number, 0 or more.")
    for path, x in jax.tree_util.tree_leaves_with_path(start):
        if not is_inexact(x.dtype):
            where = f" at {path_string(path)}" if path else ""
            raise TypeError(f"minimize: start is {x.dtype}{list(x.shape)}{where}; give floats, which can be moved a little.")
    out = jax.eval_shape(fun, start)
    if has_aux and not (isinstance(out, tuple) and len(out) == 2):
        raise TypeError("minimize: with has_aux the function must give a pair (value, aux).")
    value: Any = out[0] if has_aux else out
    if getattr(value, "shape", None) != () or not jnp.issubdtype(value.dtype, jnp.floating):
        told = f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else type(value).__name__
        raise TypeError(f"minimize: the function must give one real number, it gives {told}.")


def _check_start(fun: Callable[..., Any], start: Any, check_gradient: bool) -> None:
    value = fun(start)
    if isinstance(value, Tracer):
        return
    if not bool(jnp.isfinite(value)):
        raise ValueError(f"minimize: the function is {float(value)} at the start; begin where it is finite.")
    if not check_gradient:
        return
    x, back = ravel_pytree(start)
    grad = ravel_pytree(jax.grad(fun)(start))[0]
    for i in range(x.size):
        h = float(jnp.finfo(x.dtype).eps) ** (1 / 3) * max(1.0, abs(float(x[i])))
        up, down = x.at[i].add(h), x.at[i].add(-h)
        told = (float(fun(back(up))) - float(fun(back(down)))) / float(up[i] - down[i])
        size = max(1.0, abs(told), float(jnp.max(jnp.abs(grad))))
        if abs(told - float(grad[i])) > 30 * float(jnp.finfo(x.dtype).eps) ** (1 / 2) * size * 10:
            raise ValueError(
                f"minimize: component {i} of the gradient is {float(grad[i]):.6g}, finite differences say {told:.6g}: they don't match."
            )
