"""Matrices made orthogonal: the nearest one with singular values near one."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from gradtx.core.matrices import DimensionNumbers, Dimensions, adjoint, from_matrix, map_matrices, to_matrix
from gradtx.core.number import cast, number, real, tiny
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.typing import NonNegative

# A quintic's three numbers, or three for each step; or the name of a preset.
Coefficients = Any

PRESETS: dict[str, Any] = {
    "standard": (3.4445, -4.7750, 2.0315),
    "dion": (
        (4.0848, -6.8946, 2.9270),
        (3.9505, -6.3029, 2.6377),
        (3.7418, -5.5913, 2.3037),
        (2.8769, -3.1427, 1.2046),
        (2.8366, -3.0525, 1.2012),
    ),
}
PRECONDITIONINGS = ("frobenius", "spectral", "aol", "schatten")


def orthogonalize_via_newton_schulz(
    x: Any,
    ns_coeffs: Coefficients = PRESETS["standard"],
    ns_steps: int = 5,
    preconditioning: str = "frobenius",
    eps: Any = 1e-8,
    dimension_numbers: DimensionNumbers | None = None,
) -> Any:
    """Brings all singular values near one by Newton–Schulz steps: $X \\leftarrow a X + b\\,XX^*X + c\\,(XX^*)^2X$.

    With the standard coefficients five steps take every singular value of 0.01 to 1 into [0.68183, 1.13436]: they are
    chosen for a steep slope at zero, not for convergence to one. It runs in the dtype of `x`.

    Args:
        x: a matrix, or with `dimension_numbers` any array of two and more axes.
        ns_coeffs: $(a, b, c)$, or such a triple for each step, of which the last `ns_steps` are used; `"standard"` or `"dion"`.
        ns_steps: how many steps.
        preconditioning: how $X$ is scaled first: `"frobenius"` divides by that norm; `"spectral"` by the largest singular value, which costs
            an SVD; `"aol"` row by row and `"schatten"` by the fourth Schatten norm, from what the first step computes anyway.
        eps: added to the norm (for the last two, the least that is divided by).
        dimension_numbers: which axes make the matrix; the last two if None.

    Returns:
        An array like `x`.

    Raises:
        ValueError: the coefficients, the steps, the preconditioning or the axes make no sense.

    References:
        Jordan et al. (2024), Muon: An optimizer for hidden layers in neural networks. Bernstein, Newhouse (2024), Old Optimizer, New
        Norm, arXiv:2409.20325. Boissin et al. (2025), arXiv:2512.04632 (aol). Grishina et al. (2025), arXiv:2506.10935 (schatten).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> x = gradtx.orthogonalize_via_newton_schulz(jnp.diag(jnp.array([3.0, 0.5])))
        >>> [round(float(s), 3) for s in jnp.diag(x)]
        [0.714, 1.042]
    """
    numbers = dimension_numbers or DimensionNumbers()
    quintics = coefficients(ns_coeffs, ns_steps)
    return from_matrix(_orthogonal(to_matrix(x, numbers), quintics, preconditioning, eps), x.shape, numbers)


def coefficients(ns_coeffs: Coefficients, ns_steps: int) -> tuple[tuple[float, ...], ...]:
    """Three numbers for each step."""
    if isinstance(ns_coeffs, str):
        if ns_coeffs not in PRESETS:
            raise ValueError(f"ns_coeffs = {ns_coeffs!r}; the presets are {list(PRESETS)}.")
        ns_coeffs = PRESETS[ns_coeffs]
    given = np.asarray(ns_coeffs, np.float64)
    if given.shape[-1:] != (3,) or given.ndim > 2:
        raise ValueError(f"ns_coeffs has the shape {given.shape}; it must be three numbers, or three for each step.")
    if not isinstance(ns_steps, int) or ns_steps < 1 or (given.ndim == 2 and len(given) < ns_steps):
        raise ValueError(f"ns_steps = {ns_steps!r}; it must be a whole number from 1 on for which there are coefficients.")
    steps = given[-ns_steps:] if given.ndim == 2 else [given] * ns_steps
    return tuple(tuple(map(float, step)) for step in steps)


def _orthogonal(x: Any, quintics: tuple[tuple[float, ...], ...], preconditioning: str, eps: Any) -> Any:
    if x.shape[-2] > x.shape[-1]:  # the products are smaller the other way round
        return _orthogonal(x.mT, quintics, preconditioning, eps).mT
    if preconditioning == "frobenius":
        x = x / cast(frobenius(x) + eps, x.dtype)
    elif preconditioning == "spectral":
        x = x / cast(jnp.linalg.svd(x, compute_uv=False)[..., :1, None] + eps, x.dtype)
    elif preconditioning == "aol":
        rows = jnp.sum(jnp.abs(x @ adjoint(x)), -1, keepdims=True)
        x = x / cast(jnp.sqrt(jnp.maximum(rows, eps)), x.dtype)
    elif preconditioning == "schatten":
        x = x / cast(jnp.sqrt(jnp.maximum(frobenius(x @ adjoint(x)), eps)), x.dtype)
    else:
        raise ValueError(f"preconditioning = {preconditioning!r}; it must be one of {PRECONDITIONINGS}.")
    for a, b, c in quintics:
        square = x @ adjoint(x)
        x = a * x + (b * square + c * square @ square) @ x
    return x


def frobenius(x: Any) -> Any:
    """The norm of each matrix, real, its axes kept; its derivative is finite at zero."""
    squares = jnp.sum(jnp.real(x * x.conj()), (-2, -1), keepdims=True)
    return jnp.sqrt(jnp.maximum(squares, tiny(squares.dtype)))


class orthogonalize(Transform):
    """Makes each matrix orthogonal, $u \\leftarrow UV^*$ of its singular value decomposition, nearly: Muon's direction without the momentum.

    Vectors, scalars and whatever else is no matrix stay as they are.

    Args:
        ns_coeffs: $(a, b, c)$ of the quintic, or such a triple for each step; `"standard"` or `"dion"`.
        ns_steps: how many steps.
        preconditioning: how the matrix is scaled first: see `orthogonalize_via_newton_schulz`.
        eps: added to the norm, not negative.
        adaptive: multiply by $\\langle u, UV^* \\rangle$, the dual norm: the steepest descent of Bernstein and Newhouse, which keeps the gradient's size.
        weight_dimension_numbers: which arrays are matrices, and how: one `DimensionNumbers` for all of two and more axes, a tree of them
            with None for those that aren't, or a function from the parameters to one. If None those of exactly two axes.

    Returns:
        A stateless transformation.

    Raises:
        ValueError: the coefficients, the steps or the preconditioning make no sense.

    References:
        Jordan et al. (2024), Muon: An optimizer for hidden layers in neural networks. Bernstein, Newhouse (2024), arXiv:2409.20325.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.scale_by_momentum(0.95), gradtx.orthogonalize(), gradtx.scale_by_learning_rate(0.02))[1]
        orthogonalize()
    """

    ns_coeffs: Coefficients = PRESETS["standard"]
    ns_steps: int = 5
    preconditioning: str = "frobenius"
    eps: NonNegative = 1e-8
    adaptive: bool = False
    weight_dimension_numbers: Dimensions = None

    def check(self) -> None:
        coefficients(self.ns_coeffs, self.ns_steps)
        if self.preconditioning not in PRECONDITIONINGS:
            raise ValueError(f"preconditioning = {self.preconditioning!r}; it must be one of {PRECONDITIONINGS}.")

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        quintics = coefficients(self.ns_coeffs, self.ns_steps)

        def one(x: Any) -> Any:
            y = _orthogonal(x, quintics, self.preconditioning, number(self.eps, real(x.dtype)))
            dual = jnp.sum(jnp.real(x.conj() * y), (-2, -1), keepdims=True)
            return cast(dual, y.dtype) * y if self.adaptive else y

        return map_matrices(self, one, self.weight_dimension_numbers, updates), ()


class scale_by_shape(Transform):
    """Scales each matrix by its shape: $u \\leftarrow u \\sqrt{\\max(1, n / m)}$ for $m$ inputs and $n$ outputs, or $u\\,r\\sqrt{\\max(m, n)}$.

    Args:
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).
        consistent_rms: $r$: the second form, in which an orthogonal matrix's root mean square becomes $r$ whatever its shape; 0.2 is
            about Adam's (Moonlight). The first form (Muon's own) if None.

    Returns:
        A stateless transformation; what is no matrix stays as it is.

    Raises:
        ValueError: `consistent_rms` is negative or not finite.

    References:
        Liu et al. (2025), Muon is Scalable for LLM Training, arXiv:2502.16982.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_shape(consistent_rms=0.2)
        >>> round(float(tx.update(jnp.eye(2, 4), tx.init(jnp.eye(2, 4)))[0][0, 0]), 6)
        0.4
    """

    weight_dimension_numbers: Dimensions = None
    consistent_rms: NonNegative | None = None

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def one(x: Any) -> Any:
            rows, columns = x.shape[-2:]
            if self.consistent_rms is None:
                return x * max(1.0, columns / rows) ** 0.5
            return x * (number(self.consistent_rms, x.dtype) * max(rows, columns) ** 0.5)

        return map_matrices(self, one, self.weight_dimension_numbers, updates), ()


class normalize_rms(Transform):
    """Scales each matrix to a root mean square: $u \\leftarrow r\\,u / \\mathrm{rms}(u)$; a zero matrix stays zero.

    Args:
        rms: $r \\ge 0$, a number or a schedule; 0.2 is about that of Adam's updates.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).

    Returns:
        A stateless transformation; what is no matrix stays as it is.

    Raises:
        ValueError: `rms` is negative or not finite.

    References:
        Liu et al. (2025), Muon is Scalable for LLM Training, arXiv:2502.16982.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.normalize_rms(0.2)
        >>> round(float(tx.update(jnp.ones((2, 2)), tx.init(jnp.ones((2, 2))))[0][0, 0]), 6)
        0.2
    """

    rms: NonNegative = 0.2
    weight_dimension_numbers: Dimensions = None

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def one(x: Any) -> Any:
            norm = frobenius(x)
            norm = jnp.where(norm > 2 * tiny(norm.dtype) ** 0.5, norm, 1)  # zero stays zero, and its derivatives small
            return x / cast(norm, x.dtype) * (number(self.rms, x.dtype) * (x.shape[-2] * x.shape[-1]) ** 0.5)

        return map_matrices(self, one, self.weight_dimension_numbers, updates), ()
