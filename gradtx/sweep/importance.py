"""Which hyperparameter mattered."""

from __future__ import annotations

import numpy as np

from gradtx.sweep.results import Results


def importance(results: Results, seed: int = 0, trees: int = 200) -> dict[str, float]:
    """How much a random forest's account of the scores worsens when one column is permuted: large where the column mattered.

    The forest learns the ranks of the scores, so that the monstrous ones of diverged trials don't drown the rest.

    Args:
        results: of a sweep in which something was varied.
        seed: of forest and permutations.
        trees: of the forest.

    Returns:
        The fall of the coefficient of determination for each column that varies, the most important first.

    Raises:
        ModuleNotFoundError: scikit-learn isn't there; `gradtx[sweep]` has it.
        ValueError: nothing varies, or there are fewer than 4 trials.

    References:
        Breiman (2001), Random Forests.
    """
    try:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.inspection import permutation_importance
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("importance needs scikit-learn: install gradtx[sweep].") from error
    columns = {n: _numbers(c) for n, c in results.trials.columns.items() if n not in ("setting", "seed")}
    columns = {n: c for n, c in columns.items() if len(np.unique(c)) > 1}
    if not columns or len(results) < 4:
        raise ValueError(f"importance: {len(columns)} columns vary over {len(results)} trials; it takes one and 4.")
    sign = -1 if results.mode == "max" else 1
    scores = sign * results.final()
    scores = np.where(np.isfinite(scores) & (results.status != "diverged"), scores, np.inf)
    ranks = np.searchsorted(np.sort(scores), scores).astype(float)
    table = np.stack(list(columns.values()), axis=1)
    forest = RandomForestRegressor(trees, random_state=seed).fit(table, ranks)
    falls = permutation_importance(forest, table, ranks, n_repeats=10, random_state=seed)["importances_mean"]
    return dict(sorted(zip(columns, map(float, falls), strict=True), key=lambda pair: -pair[1]))


def _numbers(column: np.ndarray) -> np.ndarray:
    """Numbers as they are, all else by which of its values it is; what a trial lacks is apart from all."""
    if column.dtype != object:
        return column.astype(np.float64)
    if all(x is None or (isinstance(x, int | float) and not isinstance(x, bool)) for x in column):
        low = min((x for x in column if x is not None), default=0)
        return np.array([low - 1 if x is None else x for x in column], np.float64)
    return np.unique([repr(x) for x in column], return_inverse=True)[1].astype(np.float64)
