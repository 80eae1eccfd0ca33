"""Every test runs under strict dtype promotion, without rank promotion, and with warnings as errors."""

import os

import jax
import pytest

FULL = os.environ.get("GRADTX_FULL") == "1"

# What runs over a mesh has eight devices to run on; all else stays on the first.
jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(autouse=True)
def exempt(request):
    """Skips, with its reason, a property from which a row of the table is exempt."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    name = parameters.get("name", getattr(request.node, "originalname", "").removeprefix("test_"))
    reason = getattr(parameters.get("row"), "exempt", {}).get(name)
    if reason:
        pytest.skip(reason)


@pytest.fixture(autouse=True)
def strict(request):
    if request.node.get_closest_marker("lenient"):  # another library's code runs inside
        yield
        return
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def pytest_collection_modifyitems(items):
    if not FULL:
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="full size: make test-all"))
