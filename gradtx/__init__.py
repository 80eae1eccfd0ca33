"""Composable gradient transformations on JAX, in which an optimizer is a value."""

from gradtx import typing
from gradtx.combinators.chain import chain, named
from gradtx.combinators.diagnostics import diagnostics
from gradtx.combinators.memory import feedback, lagged
from gradtx.combinators.pair import add, blend, ratio, surprise
from gradtx.combinators.route import masked, partition
from gradtx.combinators.state_dtype import state_dtype
from gradtx.combinators.weights import kahan, master_weights, stochastic_rounding
from gradtx.core.edit import adjust
from gradtx.core.functions import from_functions, stateless
from gradtx.core.injection import hyperparams, inject_hyperparams
from gradtx.core.lookup import learning_rate, state_get, steps
from gradtx.core.mirrors import map_params
from gradtx.core.points import evaluation_params, gradient_params
from gradtx.core.recipe import Recipe, optimizer, schedule
from gradtx.core.schedule import Schedule
from gradtx.core.select import by_path
from gradtx.core.serial import from_dict, to_dict
from gradtx.core.state_serial import state_from_dict, state_to_dict
from gradtx.core.transform import Accumulator, OptState, Pointwise, Transform
from gradtx.core.updates import apply_updates
from gradtx.optimizers.adabelief import adabelief, scale_by_belief
from gradtx.optimizers.adadelta import adadelta, scale_by_adadelta
from gradtx.optimizers.adagrad import adagrad, scale_by_rss
from gradtx.optimizers.adam import adam, adamw, nadam, scale_by_adam, scale_by_nadam
from gradtx.optimizers.adamax import adamax, scale_by_adamax
from gradtx.optimizers.amsgrad import amsgrad, scale_by_amsgrad
from gradtx.optimizers.laprop import laprop, scale_by_laprop
from gradtx.optimizers.lion import lion, scale_by_lion
from gradtx.optimizers.rmsprop import rmsprop, scale_by_rms, scale_by_stddev
from gradtx.optimizers.sgd import nesterov, sgd
from gradtx.optimizers.yogi import scale_by_yogi, yogi
from gradtx.schedules.basic import (
    constant_schedule,
    cosine_decay_schedule,
    exponential_decay,
    linear_schedule,
    polynomial_schedule,
)
from gradtx.schedules.joined import join_schedules, piecewise_constant_schedule, warmup_cosine_decay_schedule
from gradtx.transforms.accumulators import accumulate, amsgrad_max, ema, running_max, sign_ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.clipping import clip_by_global_norm, global_norm
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.geometry import centralize
from gradtx.transforms.guards import set_to_zero, zero_nans
from gradtx.transforms.momentum import scale_by_momentum, velocity
from gradtx.transforms.noise import add_noise
from gradtx.transforms.pointwise import (
    absolute,
    clip,
    identity,
    offset,
    power,
    scale,
    scale_by_learning_rate,
    scale_by_schedule,
    sign,
    sqrt,
    square,
)

__version__ = "0.1.0"
