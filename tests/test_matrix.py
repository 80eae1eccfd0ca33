"""What matrix-valued and factored methods do beyond their updates on one small matrix, which the table tests."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax.contrib import _muon as theirs_of_muon

import gradtx
from gradtx.core.mirrors import mirrors
from gradtx.transforms.orthogonal import PRESETS
from gradtx.transforms.soap import eigenvectors
from tests.references.matrix import STANDARD, orth
from tests.running import gradient, run, types

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state


def random(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def updates(tx, grads, params=None, steps=1):
    """Of the last of some steps on the same gradients."""
    params = grads if params is None else params

    @jax.jit
    def all_steps(grads, params):
        state = tx.init(params)
        for _ in range(steps):
            out, state = tx.update(grads, state, params)
        return out

    return all_steps(grads, params)


# Newton–Schulz.


def test_five_steps_bring_singular_values_near_one():
    def of_one(a):
        """The first singular value of a matrix of norm one."""
        return gradtx.orthogonalize_via_newton_schulz(jnp.diag(jnp.stack([a, jnp.sqrt(1 - a**2)])), eps=0.0)[0, 0]

    with jax.enable_x64(True):
        out = np.asarray(jax.vmap(of_one)(jnp.asarray(np.geomspace(0.01, 1, 20000))))
    np.testing.assert_allclose((out.min(), out.max()), (0.68183, 1.13436), atol=2e-5)


@pytest.mark.parametrize("preconditioning", ["frobenius", "spectral", "aol", "schatten"])
@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5)])
@pytest.mark.parametrize("quintics", ["standard", "dion"])
def test_orthogonalizes_as_on_the_singular_values(preconditioning, shape, quintics):
    with jax.enable_x64(True):
        x = RNG.normal(size=shape)
        got = gradtx.orthogonalize_via_newton_schulz(jnp.asarray(x), quintics, preconditioning=preconditioning)
        theirs = PRESETS["dion"] if quintics == "dion" else STANDARD
        np.testing.assert_allclose(got, orth(x, theirs, preconditioning), atol=1e-9)
    s = np.linalg.svd(got, compute_uv=False)
    assert s.min() > 0.6
    assert s.max() < 1.3


@pytest.mark.lenient
@pytest.mark.parametrize("preconditioning", ["frobenius", "spectral", "aol", "schatten"])
def test_orthogonalizes_as_optax(preconditioning):
    x = random(6, 4)
    theirs = theirs_of_muon.orthogonalize_via_newton_schulz(
        x, jnp.asarray(PRESETS["standard"]), preconditioning=preconditioning
    )
    np.testing.assert_allclose(gradtx.orthogonalize_via_newton_schulz(x, preconditioning=preconditioning), theirs, atol=2e-5)


def test_orthogonalizes_complex_matrices():
    with jax.enable_x64(True):
        x = RNG.normal(size=(4, 6)) + 1j * RNG.normal(size=(4, 6))
        for preconditioning in ("frobenius", "spectral", "aol", "schatten"):
            got = gradtx.orthogonalize_via_newton_schulz(jnp.asarray(x), preconditioning=preconditioning)
            s = np.linalg.svd(got, compute_uv=False)
            assert 0.6 < s.min() <= s.max() < 1.3
        u, _, vh = np.linalg.svd(x, full_matrices=False)
        got = gradtx.orthogonalize_via_newton_schulz(jnp.asarray(x))
        np.testing.assert_allclose(np.diag(u.conj().T @ got @ vh.conj().T).imag, 0, atol=1e-12)


def test_spectral_descent_keeps_the_size_of_the_gradient():
    g = random(3, 5)
    plain, adaptive = (updates(gradtx.orthogonalize(adaptive=a), g) for a in (False, True))
    np.testing.assert_allclose(adaptive, jnp.sum(g * plain) * plain, rtol=1e-5)
    np.testing.assert_allclose(updates(gradtx.orthogonalize(adaptive=True), 8 * g), 8 * adaptive, rtol=1e-5)


@pytest.mark.parametrize(("shape", "factor"), [((4, 16), 2.0), ((16, 4), 1.0), ((4, 4), 1.0)])
def test_scale_by_shape(shape, factor):
    g = random(*shape)
    np.testing.assert_allclose(updates(gradtx.scale_by_shape(), g), factor * g, rtol=1e-6)
    np.testing.assert_allclose(updates(gradtx.scale_by_shape(consistent_rms=0.2), g), 0.2 * max(shape) ** 0.5 * g, rtol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (8, 64), (64, 8)])
def test_moonlight_makes_updates_of_one_size(shape):
    u = updates(gradtx.muon(1.0, consistent_rms=0.2), random(*shape))
    assert 0.13 < float(jnp.sqrt(jnp.mean(u**2))) < 0.25
    for tx in (gradtx.adamuon(1.0), gradtx.normuon(1.0)):
        u = updates(tx, random(*shape))
        np.testing.assert_allclose(jnp.sqrt(jnp.mean(u**2)), 0.2, rtol=1e-5)


def test_normuon_gives_every_neuron_the_same_size():
    u = updates(gradtx.normuon(1.0), random(16, 8))
    np.testing.assert_allclose(jnp.sqrt(jnp.mean(u**2, 0)), 0.2, rtol=1e-4)


# Which arrays are matrices, and how.

MATRIX_METHODS = {
    "muon": lambda d: gradtx.muon(0.1, muon_weight_dimension_numbers=d),
    "adamuon": lambda d: gradtx.adamuon(0.1, weight_dimension_numbers=d),
    "normuon": lambda d: gradtx.normuon(0.1, weight_dimension_numbers=d),
    "dion": lambda d: gradtx.dion(0.1, weight_dimension_numbers=d),  # of full rank, where the first basis matters less
    "shampoo": lambda d: gradtx.shampoo(0.1, weight_dimension_numbers=d),
    "soap": lambda d: gradtx.soap(0.1, update_every=1, weight_dimension_numbers=d),
    "galore": lambda d: gradtx.galore(0.1, rank=2, weight_dimension_numbers=d),
    "kron": lambda d: gradtx.kron(0.1, weight_dimension_numbers=d),
}
OWN_NOISE = (MATRIX_METHODS["dion"], MATRIX_METHODS["kron"])  # each matrix draws its own, by its path
methods = pytest.mark.parametrize("make", MATRIX_METHODS.values(), ids=MATRIX_METHODS)


@methods
def test_leading_axes_are_a_batch(make):
    g = random(2, 3, 4)
    together = updates(make(gradtx.DimensionNumbers()), g, steps=3)
    if make in OWN_NOISE:
        # What the second matrix is doesn't matter to the first.
        other = updates(make(gradtx.DimensionNumbers()), g.at[1].set(random(3, 4)), steps=3)
        if make is MATRIX_METHODS["dion"]:
            np.testing.assert_allclose(together[0], other[0], rtol=2e-4, atol=1e-5)
        assert np.linalg.matrix_rank(together).tolist() == [3, 3]
        return
    alone = jnp.stack([updates(make(None), x, steps=3) for x in g])
    np.testing.assert_allclose(together, alone, rtol=2e-4, atol=1e-5)


@methods
def test_axes_are_read_as_told(make):
    g = random(3, 2, 2)  # [inputs, heads, size of a head]
    heads = gradtx.DimensionNumbers(0, (1, 2))
    told = updates(make(heads), g, steps=2)
    flat = updates(make(None), g.reshape(3, 4), steps=2)
    np.testing.assert_allclose(told, flat.reshape(g.shape), rtol=2e-4, atol=1e-5)
    turned = updates(make(gradtx.DimensionNumbers((-1, 1), 0)), g.mT.transpose(1, 2, 0) * 1.0, steps=2)
    assert turned.shape == (2, 2, 3)


@methods
def test_a_tree_or_a_function_says_which(make):
    g = {"w": random(3, 4), "embedding": random(5, 4), "b": random(4)}
    by_tree = make({"w": gradtx.DimensionNumbers(), "embedding": None, "b": None})
    by_function = make(lambda p: {"w": gradtx.DimensionNumbers(), "embedding": None, "b": None})
    a, b = updates(by_tree, g, steps=2), updates(by_function, g, steps=2)
    chex.assert_trees_all_close(a, b)
    alone = {k: updates(make(None), g[k], steps=2) for k in ("w", "b")}
    if make not in OWN_NOISE:
        chex.assert_trees_all_close({k: a[k] for k in alone}, alone, rtol=1e-5)
    flat = updates(make(None), {"embedding": g["embedding"].reshape(-1)}, steps=2)["embedding"]
    np.testing.assert_allclose(a["embedding"].reshape(-1), flat, rtol=1e-5)
    assert hash(by_tree) == hash(make({"w": gradtx.DimensionNumbers(), "embedding": None, "b": None}))
    assert gradtx.from_dict(gradtx.to_dict(by_tree)) == by_tree


def test_refuses_axes_that_make_no_matrix():
    for numbers in (gradtx.DimensionNumbers(0, 0), gradtx.DimensionNumbers(0, 5)):
        with pytest.raises(ValueError, match="make no matrix"):
            gradtx.muon(0.1, muon_weight_dimension_numbers=numbers).init(random(2, 3))


@methods
@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.full), "bfloat16"])
def test_keeps_types_under_scan_vmap_and_cond(make, dtype):
    params = {
        "w": jnp.ones((2, 3, 4), dtype),
        "m": jnp.ones((4, 3), dtype),
        "v": jnp.ones(3, dtype),
        "e": jnp.ones((0, 2), dtype),
    }
    tx = make(gradtx.DimensionNumbers())
    state = tx.init(params)
    grads = jax.tree.map(lambda p: jnp.asarray(RNG.normal(size=p.shape), p.dtype), params)
    out, after = jax.jit(tx.update)(grads, state, params)
    assert types(after) == types(state)
    assert types(out) == types(params)
    assert all(np.isfinite(u.astype("float32")).all() for u in jax.tree.leaves(out))
    assert {x.dtype for x in jax.tree.leaves(state)} <= {jnp.dtype("float32"), jnp.dtype("int32")}
    chex.assert_trees_all_equal_shapes_and_dtypes(jax.eval_shape(tx.init, params), state)
    maybe = jax.jit(lambda go, s: jax.lax.cond(go, lambda s: tx.update(grads, s, params)[1], lambda s: s, s))
    assert int(maybe(True, state).step) == 1
    stacked = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), grads)
    both, _ = jax.jit(jax.vmap(lambda g: tx.update(g, state, params)))(stacked)
    chex.assert_trees_all_close(
        jax.tree.map(lambda x: x[0].astype("float32"), both),
        jax.tree.map(lambda x: x.astype("float32"), out),
        rtol=2e-2,
        atol=1e-3,
    )


@methods
def test_zero_gradients_move_nothing_and_have_derivatives(make):
    params, zero = jnp.ones((3, 4)), jnp.zeros((3, 4))
    tx = make(None)
    np.testing.assert_array_equal(updates(tx, zero, params, steps=3), 0)
    loss = jax.jit(lambda t: jnp.sum(run(t, params, 4, lambda x, t: jnp.zeros_like(x))))
    grad = jax.grad(loss)(jax.tree.map(jnp.asarray, tx))
    assert all(np.isfinite(g) for g in jax.tree.leaves(grad)), grad


@methods
def test_complex_matrices_turn_with_their_phase(make):
    x, push, tx = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3)), make(None)
    phases = np.arange(9.0).reshape(3, 3)

    def end(z, dtype):
        def force(x, t):
            return x + jnp.asarray(push * z, dtype) * jnp.cos(phases + t.astype(float)).astype(dtype)

        return run(tx, jnp.asarray(x * z, dtype), 10, force)

    with jax.enable_x64(True):  # matrices of signs are often singular, and rounding then counts
        real = np.asarray(end(1.0, "float64"))
        assert end(1.0, "complex128").dtype == "complex128"
        np.testing.assert_allclose(end(1.0, "complex128"), real, atol=1e-6)
        np.testing.assert_allclose(end(np.exp(0.7j), "complex128"), real * np.exp(0.7j), atol=1e-6)


def test_muon_has_other_rates_for_other_parameters():
    g = {"w": random(3, 4), "b": random(4)}
    a, b = updates(gradtx.muon(0.1), g), updates(gradtx.muon(0.1, adam_learning_rate=0.3), g)
    np.testing.assert_array_equal(a["w"], b["w"])
    np.testing.assert_allclose(3 * a["b"], b["b"], rtol=1e-6)


@pytest.mark.lenient
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_muon_with_dimension_numbers_is_optax_with_them(dtype):
    with jax.enable_x64(dtype == "float64"):
        g = {"w": jnp.asarray(RNG.normal(size=(3, 2, 4)), dtype), "b": jnp.asarray(RNG.normal(size=4), dtype)}
        ours = gradtx.muon(0.1, muon_weight_dimension_numbers={"w": gradtx.DimensionNumbers((0,), (1, 2)), "b": None})
        theirs = optax.contrib.muon(
            0.1, muon_weight_dimension_numbers={"w": optax.contrib.MuonDimensionNumbers((0,), (1, 2)), "b": None}
        )
        state = theirs.init(g)
        for _ in range(3):
            wanted, state = theirs.update(g, state, g)
        chex.assert_trees_all_close(updates(ours, g, steps=3), wanted, rtol=1e-9 if dtype == "float64" else 1e-4)


# Factored second moments.


@pytest.mark.lenient
@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (6,)])
@pytest.mark.parametrize(
    "settings", [{}, dict(momentum=0.9, weight_decay_rate=0.01), dict(clipping_threshold=None, factored=False)]
)
def test_adafactor_is_optax_to_its_precision(shape, settings):
    with jax.enable_x64(True):
        start = jnp.asarray(RNG.normal(size=shape))
        theirs = optax.adafactor(0.05, 2, **settings)
        x, state = start, theirs.init(start)
        for t in range(30):
            u, state = theirs.update(gradient(x, jnp.asarray(t)), state, x)
            x = x + u
        got = run(gradtx.adafactor(0.05, 2, **settings), start, 30)
        np.testing.assert_allclose(got, x, rtol=1e-5, atol=1e-6)


def test_a_decay_offset_on_a_fresh_state_is_no_nan():
    x = random(4, 4)
    late = gradtx.adafactor(0.1, 2, decay_offset=1000)
    np.testing.assert_allclose(updates(late, x, steps=3), updates(gradtx.adafactor(0.1, 2), x), rtol=1e-5)
    # On a restored state it counts from the offset.
    tx = gradtx.factored_rms(0.8, 100, 2)
    state = tx.init(x)
    state = state._replace(inner=state.inner._replace(count=jnp.asarray(100)))
    after = tx.update(x**2, state)[1]
    chex.assert_trees_all_close(after.inner.v_row, jnp.mean(x**2, 1, keepdims=True), rtol=1e-6)


def test_factored_memories_are_small_and_exact_for_rank_one():
    a, b = jnp.abs(random(5, 1)), jnp.abs(random(1, 4))
    tx = gradtx.factored_rms(min_dim_size_to_factor=4)
    np.testing.assert_allclose(updates(tx, a * b), jnp.sqrt(a * b), rtol=1e-5)
    sizes = [x.size for x in jax.tree.leaves(gradtx.adafactor(0.1).init(jnp.zeros((512, 256)))) if x.ndim]
    assert sum(sizes) == 512 + 256 + 1


def test_factors_the_two_largest_axes():
    tx = gradtx.factored_rms(min_dim_size_to_factor=3)
    state = tx.init(jnp.zeros((3, 2, 4))).inner
    assert (state.v_row.shape, state.v_col.shape, state.v.shape) == ((3, 2, 1), (1, 2, 4), (1, 1, 1))
    x = jnp.abs(random(3, 2, 4))
    out = updates(tx, x)
    alone = jnp.stack([updates(tx, x[:, i]) for i in range(2)], 1)
    np.testing.assert_allclose(out, alone, rtol=1e-5)


def test_sm3_bounds_the_sum_of_squares_from_above():
    tx = gradtx.cover_sum()
    state, total = tx.init(jnp.zeros((3, 4, 2))), 0.0
    for _ in range(5):
        x = random(3, 4, 2) ** 2
        total = total + x
        nu, state = tx.update(x, state)
        assert (nu >= total * (1 - 1e-6)).all()
    assert [m.shape for m in state.inner.mu] == [(3, 1, 1), (1, 4, 1), (1, 1, 2)]


def test_sm3_of_scalars_is_adagrad():
    x = jnp.asarray(1.5)

    def force(x, t):
        return x + jnp.cos(t.astype(x.dtype))

    np.testing.assert_allclose(
        run(gradtx.sm3(0.3, 0.0), x, 20, force), run(gradtx.adagrad(0.3, 0.0, eps=1e-8), x, 20, force), rtol=1e-6
    )


@pytest.mark.parametrize(
    "tx",
    [
        gradtx.adafactor(0.1, 2, momentum=0.9),
        gradtx.adafactor(0.1),
        gradtx.came(0.1),
        gradtx.sm3(0.1),
        gradtx.normuon(0.1),
    ],
)
def test_a_parameters_sharding_fits_its_factors(tx):
    """Every leaf under a parameter has its axes, each of the parameter's length or of length 1."""
    params = {"a": {"w": jnp.ones((2, 3))}, "b": jnp.ones(4), "s": jnp.ones(())}
    state = tx.init(params)
    found = []
    gradtx.map_params(tx, lambda leaf, p: found.append((leaf.shape, p.shape)), state, params, params)
    assert len(found) >= 3
    for ours, theirs in found:
        assert len(ours) == len(theirs)
        assert all(a in (1, b) for a, b in zip(ours, theirs, strict=True))


@methods
def test_every_memory_is_found_under_its_parameter(make):
    params = {"a": {"w": jnp.ones((2, 3))}, "b": jnp.ones(4)}
    tx = make(None)
    state = tx.init(params)
    owners = mirrors(tx, params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        assert (owners[path] is not None) == (leaf.ndim > 0), (path, leaf.shape)


# Preconditioners.


def test_inverse_roots():
    with jax.enable_x64(True):
        x = RNG.normal(size=(2, 4, 6))
        a = x @ x.transpose(0, 2, 1)
        for p in (1, 2, 4, 3):
            root = gradtx.matrix_inverse_pth_root(jnp.asarray(a), p, 0.1)
            np.testing.assert_allclose(
                np.linalg.matrix_power(root, p) @ (a + 0.1 * np.eye(4)), np.broadcast_to(np.eye(4), a.shape), atol=1e-9
            )


@pytest.mark.parametrize("spectrum", [(1.0, 2.0, 3.0), (1.0, 1.0, 2.0), (0.5, 0.5, 0.5), (0.0, 0.0, 1.0)])
def test_derivatives_of_inverse_roots_where_eigenvalues_coincide(spectrum):
    with jax.enable_x64(True):
        q, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
        a = jnp.asarray(q * np.asarray(spectrum) @ q.T)
        d = RNG.normal(size=(3, 3))
        d = jnp.asarray(d @ d.T)  # stays positive semidefinite
        _, tangent = jax.jvp(lambda a: gradtx.matrix_inverse_pth_root(a, 4, 0.1), (a,), (d,))
        h = 1e-6
        up, here = (gradtx.matrix_inverse_pth_root(a + s * d, 4, 0.1) for s in (2 * h, h))
        down = gradtx.matrix_inverse_pth_root(a, 4, 0.1)
        np.testing.assert_allclose(tangent, (4 * here - 3 * down - up) / (2 * h), rtol=1e-5, atol=1e-6)


def test_eigenvectors_have_finite_derivatives():
    with jax.enable_x64(True):
        assert np.isfinite(jax.jacobian(eigenvectors)(jnp.eye(3))).all()
        a = jnp.asarray(np.diag([3.0, 1.0, 2.0]))
        d = RNG.normal(size=(3, 3))
        d = jnp.asarray(d + d.T)
        v, tangent = jax.jvp(eigenvectors, (a,), (d,))
        h = 1e-6
        up, down = (eigenvectors(a + s * d) for s in (h, -h))
        up, down = (x * jnp.sign(jnp.sum(x * v, 0, keepdims=True)) for x in (up, down))
        np.testing.assert_allclose(tangent, (up - down) / (2 * h), atol=1e-7)


def test_shampoo_of_one_number_is_adagrad():
    x = jnp.asarray([[1.5]])

    def force(x, t):
        return x + jnp.cos(t.astype(x.dtype))

    np.testing.assert_allclose(
        run(gradtx.shampoo(0.3), x, 50, force), run(gradtx.adagrad(0.3, 0.0, eps=1e-6), x, 50, force), rtol=1e-5
    )


def test_shampoo_without_preconditioner_is_what_is_grafted():
    x = random(3, 2)
    np.testing.assert_allclose(
        run(gradtx.shampoo(0.05, max_size=1, graft=gradtx.scale_by_adam()), x, 30), run(gradtx.adam(0.05), x, 30), rtol=1e-5
    )


def test_grafting_takes_length_and_direction():
    g = {"w": random(3, 4), "v": random(5), "zero": jnp.zeros(2)}
    tx = gradtx.graft(gradtx.scale_by_adam(), gradtx.orthogonalize())
    out, length, direction = (updates(t, g) for t in (tx, gradtx.scale_by_adam(), gradtx.orthogonalize()))
    for k in ("w", "v"):
        np.testing.assert_allclose(jnp.linalg.norm(out[k]), jnp.linalg.norm(length[k]), rtol=1e-5)
        np.testing.assert_allclose(out[k] / jnp.linalg.norm(out[k]), direction[k] / jnp.linalg.norm(direction[k]), rtol=1e-5)
    np.testing.assert_array_equal(out["zero"], 0)
    same = updates(gradtx.graft(gradtx.scale_by_adam(), gradtx.scale_by_adam()), g, steps=3)
    chex.assert_trees_all_close(same, updates(gradtx.scale_by_adam(), g, steps=3), rtol=1e-5)
    assert not tx.elementwise


def test_soap_in_the_standard_basis_is_adam():
    x = random(3, 2)
    np.testing.assert_allclose(run(gradtx.soap(0.05, max_size=1), x, 30), run(gradtx.adam(0.05, 0.95, 0.95), x, 30), rtol=1e-5)
    # Diagonal gradients have their eigenvectors along the axes: Adam, but for the first step, which makes the basis.
    grads = [jnp.diag(random(3) + jnp.array([4.0, 2.0, 1.0])) for _ in range(6)]
    soap, adam = gradtx.scale_by_soap(0.9, 0.99, update_every=1), gradtx.scale_by_adam(0.9, 0.99)
    s, a = soap.init(grads[0]), adam.init(grads[0])
    first, s = soap.update(grads[0], s)
    np.testing.assert_array_equal(first, 0)
    for g in grads[1:]:
        ours, s = soap.update(g, s)
        theirs, a = adam.update(g, a)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_soap_does_not_mind_a_rotation():
    with jax.enable_x64(True):
        q, _ = np.linalg.qr(RNG.normal(size=(4, 4)))
        grads = [jnp.asarray(RNG.normal(size=(4, 3))) for _ in range(5)]
        tx = gradtx.scale_by_soap(update_every=1)
        plain, turned = tx.init(grads[0]), tx.init(grads[0])
        for g in grads:
            a, plain = tx.update(g, plain)
            b, turned = tx.update(jnp.asarray(q) @ g, turned)
            np.testing.assert_allclose(q @ a, b, atol=1e-8)


@pytest.mark.parametrize(
    "tx", [gradtx.shampoo(0.1, update_every=4), gradtx.soap(0.1, update_every=4), gradtx.galore(0.1, 1, 4)]
)
def test_what_is_costly_is_renewed_every_so_many_steps(tx):
    name = {gradtx.shampoo: "roots", gradtx.soap: "bases", gradtx.galore: "projector"}[type(tx)]
    x = random(3, 4)
    state, seen = tx.init(x), []
    step = jax.jit(tx.update)
    for _ in range(9):
        _, state = step(random(3, 4), state, x)
        seen.append(jax.tree.leaves(gradtx.state_get(state, name))[0])
    changed = [i for i in range(1, 9) if not np.array_equal(seen[i], seen[i - 1])]
    assert changed == [4, 8]


@pytest.mark.full
def test_larger_matrices_descend():
    target = random(40, 25)

    def toward(x, t):
        return x - target

    for tx in (
        gradtx.muon(0.05),
        gradtx.dion(0.2, rank=8),
        gradtx.shampoo(0.5, b2=0.9, eps=1e-3),
        gradtx.soap(0.05),
        gradtx.kron(0.05),
        gradtx.galore(0.05, rank=8, update_proj_gap=10),
        gradtx.adafactor(0.05, 2, multiply_by_parameter_scale=False),
        gradtx.came(0.05),
        gradtx.sm3(0.5),
    ):
        end = run(tx, jnp.zeros((40, 25)), 60, toward)
        assert float(jnp.mean((end - target) ** 2)) < 0.6 * float(jnp.mean(target**2)), tx


def test_kron_whitens():
    left, right = np.array([[3.0, 1.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 0.3]]), np.array([[2.0, 0.5], [0.0, 0.5]])
    tx = gradtx.scale_by_kron(0.02)

    def step(state, key):
        g = jnp.asarray(left, jnp.float32) @ jax.random.normal(key, (3, 2)) @ jnp.asarray(right, jnp.float32)
        return tx.update(g, state)[1], None

    state, _ = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(jax.random.key(0), 4000)))(tx.init(jnp.zeros((3, 2))))
    q_left, q_right = (np.asarray(q, np.float64) for q in state.inner.factors)
    np.testing.assert_array_equal(np.tril(q_left, -1), 0)
    p = np.kron(q_left.T @ q_left, q_right.T @ q_right)
    white = p @ np.kron(left @ left.T, right.T @ right) @ p
    assert np.linalg.cond(np.kron(left @ left.T, right.T @ right)) > 100
    assert 0.4 < np.linalg.eigvalsh(white).min() <= np.linalg.eigvalsh(white).max() < 2.5


# Low rank.


def test_dion_keeps_what_it_leaves_out():
    g = random(5, 4)
    tx = gradtx.scale_by_dion(rank=2, beta=0.9)
    out, state = tx.update(g, tx.init(g))
    s = np.linalg.svd(out / (4 / 5) ** 0.5, compute_uv=False)
    assert np.linalg.matrix_rank(out) == 2
    # P is orthonormal, Q has columns of length one.
    np.testing.assert_allclose(np.sum(s**2), 2, rtol=1e-4)
    # The momentum loses a tenth of its projection onto P (outputs), and nothing else.
    p, _ = np.linalg.qr(np.asarray(out).T @ RNG.normal(size=(5, 2)))
    kept = np.asarray(state.inner.mu).T
    np.testing.assert_allclose(kept, g.T - 0.1 * p @ p.T @ g.T, atol=1e-5)


def test_dion_of_full_rank_tends_to_the_orthogonal_factor():
    g = random(6, 4)
    tx = gradtx.scale_by_dion(beta=0.0)
    state = tx.init(g)
    for _ in range(200):
        out, state = tx.update(g, state)
    u, _, vt = np.linalg.svd(g, full_matrices=False)
    np.testing.assert_allclose(out, u @ vt * (4 / 6) ** 0.5, atol=1e-3)


@pytest.mark.full
@pytest.mark.lenient
def test_galore_on_the_long_side_is_optax_to_its_precision():
    with jax.enable_x64(True):
        for shape in ((3, 4), (5, 4)):
            start = jnp.asarray(RNG.normal(size=shape))
            # One subspace: from one to the next Optax turns its memories by whatever sign the decomposition has.
            theirs = optax.contrib.galore(0.05, 2, 20, 0.5, weight_decay=0.1)
            x, state = start, theirs.init(start)
            for t in range(20):
                u, state = theirs.update(0.3 * x + jnp.sin(3 * x + t), state, x)
                x = x + u
            tx = gradtx.galore(0.05, 2, 20, 0.5, weight_decay=0.1, side="long")
            got = run(tx, start, 20, lambda x, t: 0.3 * x + jnp.sin(3 * x + t.astype(x.dtype)))
            np.testing.assert_allclose(got, x, rtol=1e-4, atol=1e-5)


def test_projection_of_full_rank_and_sgd_is_sgd():
    x = random(3, 5)
    tx = gradtx.chain(gradtx.low_rank(gradtx.sgd(0.1, momentum=0.9), rank=3, update_every=100), gradtx.identity())

    def bowl(x, t):
        return 2 * x

    np.testing.assert_allclose(run(tx, x, 20, bowl), run(gradtx.sgd(0.1, momentum=0.9), x, 20, bowl), atol=1e-5)


def test_projection_hands_on_parameters_points_and_functions():
    x = random(3, 5)
    tx = gradtx.low_rank(gradtx.nesterov(0.1, 0.9), rank=3, update_every=100)
    np.testing.assert_allclose(
        run(tx, x, 20, lambda x, t: 2 * x), run(gradtx.nesterov(0.1, 0.9), x, 20, lambda x, t: 2 * x), atol=1e-5
    )
    seen = {}

    class probe(gradtx.Transform):
        def apply(self, updates, state, params=None, **extra):
            seen.update(extra, params=params, at=extra["value_fn"](params))
            return updates, ()

    tx = gradtx.low_rank(probe(), rank=2)
    extra = dict(value=jnp.asarray(1.0), grad=x, value_fn=lambda q: jnp.sum(q**2))
    tx.update(x, tx.init(x), x, **extra)
    assert seen["params"].shape == seen["grad"].shape == (2, 5)
    np.testing.assert_allclose(seen["at"], jnp.sum(x**2), rtol=1e-6)
    assert seen["value"] == 1.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gradtx.muon(0.1, "fast"), "the presets are"),
        (lambda: gradtx.muon(0.1, (1.0, 2.0)), "three numbers"),
        (lambda: gradtx.muon(0.1, "dion", 6), "ns_steps = 6"),
        (lambda: gradtx.muon(0.1, preconditioning="none"), "it must be one of"),
        (lambda: gradtx.dion(0.1, rank=0), "rank = 0; it must be a whole number"),
        (lambda: gradtx.shampoo(0.1, update_every=0), "update_every = 0"),
        (lambda: gradtx.low_rank(gradtx.sgd(0.1), side="left"), "side = 'left'"),
        (lambda: gradtx.adafactor(0.1).update(jnp.ones(2), gradtx.adafactor(0.1).init(jnp.ones(2))), "needs the parameters"),
    ],
)
def test_says_what_is_wrong(make, words):
    with pytest.raises(ValueError, match=words):
        make()
