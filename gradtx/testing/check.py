"""All properties by name, and the check of all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.testing import as_values, control, hyper, refusals, structure, types
from gradtx.testing.subject import MIXED, START, Subject

Property = Callable[[Subject], None]

PROPERTIES: dict[str, Property] = {
    p.__name__: p
    for p in (
        as_values.is_a_value,
        as_values.compiles_once_for_two_learning_rates,
        types.state_and_updates_keep_their_types,
        types.state_is_kept_in_float32_or_wider,
        types.zero_gradients_give_no_nan,
        types.small_float16_gradients_count,
        types.complex_parameters,
        types.points_are_like_the_parameters,
        structure.empty_tree,
        structure.frozen_integers_beside_trained_floats,
        structure.shapes_alone_give_the_state,
        structure.map_params_finds_what_mirrors_the_parameters,
        structure.states_can_be_donated,
        control.eager_equals_compiled,
        control.carried_by_scan,
        control.carried_by_cond,
        control.extra_arguments_get_through,
        hyper.vmap_equals_one_at_a_time,
        hyper.hypergradients_agree_with_finite_differences,
        hyper.hypergradients_are_finite_at_zero_gradients,
        hyper.every_hyperparameter_takes_a_schedule,
        hyper.hyperparameters_in_the_state_change_nothing,
        refusals.refuses_the_state_of_another,
        refusals.bad_input_is_refused_with_its_path,
    )
}


def check_transformation(
    tx: Transform,
    *,
    params: Tree | None = None,
    extra: Callable[[Tree], dict[str, Any]] | None = None,
    exempt: Mapping[str, str] | None = None,
    drift: float = 0.0,
) -> None:
    """Runs every property that the library's own optimizers have on a transformation of yours.

    Args:
        tx: the transformation: an optimizer, a piece, a wrapper.
        params: parameters that suit it, any tree of arrays of numbers about one; several kinds of tree if None.
        extra: the extra arguments that its `update` needs, as a function of the parameters. If None it gets `value` and `value_fn`.
        exempt: for the name of each property that it can't have, the reason.
        drift: how far it moves a parameter of zero at a gradient of zero, if it does.

    Raises:
        ExceptionGroup: some properties fail; the message lists them all with what went wrong, and the exceptions are inside.
        TypeError, ValueError: `tx` is no transformation, or `exempt` has a name that no property has, or no reason.

    Example:
        >>> import gradtx
        >>> from gradtx.testing import check_transformation
        >>> tx = gradtx.chain(gradtx.sign(), gradtx.scale_by_learning_rate(0.1))
        >>> check_transformation(tx, exempt={"complex_parameters": "..."})
    """
    if not isinstance(tx, Transform):
        raise TypeError(f"check_transformation: {tx!r} is no transformation.")
    exempt = dict(exempt or {})
    for name, reason in exempt.items():
        if name not in PROPERTIES:
            raise ValueError(f"check_transformation: no property is named {name!r}; there are {list(PROPERTIES)}.")
        if not reason:
            raise ValueError(f"check_transformation: say why it is exempt from {name!r}.")
    subject = Subject(tx, START if params is None else params, MIXED if params is None else params, extra, drift)
    failures = []
    for name, holds in PROPERTIES.items():
        if name in exempt:
            continue
        try:
            holds(subject)
        except Exception as error:
            error.add_note(f"{name}: {holds.__doc__}")
            failures.append((name, error))
    if failures:
        lines = [f"  {name}: {_words(error)}" for name, error in failures]
        title = f"{len(failures)} of {len(PROPERTIES) - len(exempt)} properties fail for {tx!r}:"
        raise ExceptionGroup("\n".join([title, *lines]), [error for _, error in failures])


def _words(error: Exception) -> str:
    """What an error says, in one line; an unforeseen one with its kind."""
    words = " ".join(str(error).split())
    words = words if len(words) < 400 else words[:400] + " …"
    return words if isinstance(error, AssertionError) else f"{type(error).__name__}: {words}"
