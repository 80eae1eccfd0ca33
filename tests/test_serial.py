"""The dictionary form, where the names of fields could be mistaken for marks of the format."""

import json
import re

import pytest

import gradtx


def halved(updates, params):
    return updates


@pytest.mark.parametrize(
    "tx",
    [
        gradtx.add_noise(0.1, 0.55, key=3),
        gradtx.stateless(halved),
        gradtx.masked(gradtx.sgd(0.1), re.compile("a")),
        gradtx.masked(gradtx.sgd(0.1), {"a": True, "n": False}),
        gradtx.join_schedules([gradtx.linear_schedule(0, 1, 4), gradtx.constant_schedule(0.5)], [4]),
        gradtx.piecewise_constant_schedule(1e-3, {10: 0.1}),
    ],
    ids=repr,
)
def test_round_trip(tx):
    data = json.loads(json.dumps(gradtx.to_dict(tx)))
    assert gradtx.from_dict(data, functions={"tests.test_serial.halved": halved}) == tx
