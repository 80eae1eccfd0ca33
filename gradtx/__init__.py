"""Composable gradient transformations on JAX, in which an optimizer is a value."""

from gradtx import typing
from gradtx.combinators.average import ema_params, lawa_params, swa_params
from gradtx.combinators.chain import chain, named, named_chain
from gradtx.combinators.complex import split_real_and_imaginary
from gradtx.combinators.conditional import (
    conditionally_mask,
    conditionally_transform,
)
from gradtx.combinators.diagnostics import diagnostics
from gradtx.combinators.finite import apply_if_finite
from gradtx.combinators.graft import graft
from gradtx.combinators.lookahead import lookahead
from gradtx.combinators.loss_scaling import dynamic_loss_scaling
from gradtx.combinators.lowrank import low_rank
from gradtx.combinators.mechanize import mechanize
from gradtx.combinators.memory import feedback, lagged
from gradtx.combinators.multi_steps import MultiSteps, apply_every
from gradtx.combinators.pair import add, blend, ratio, surprise
from gradtx.combinators.product import cautious, multiply
from gradtx.combinators.route import masked, partition
from gradtx.combinators.sam import sam
from gradtx.combinators.schedule_free import schedule_free
from gradtx.combinators.share import let, recall
from gradtx.combinators.skip import skip_large_updates, skip_not_finite
from gradtx.combinators.state_dtype import state_dtype
from gradtx.combinators.tap import measured, monitor, snapshot, tap
from gradtx.combinators.timing import primed, refreshed
from gradtx.combinators.weights import kahan, master_weights, stochastic_rounding
from gradtx.core.edit import adjust
from gradtx.core.functions import from_functions, stateless
from gradtx.core.injection import hyperparams, inject_hyperparams
from gradtx.core.lookup import learning_rate, state_get, steps
from gradtx.core.matrices import DimensionNumbers, label_matrices
from gradtx.core.mirrors import map_params
from gradtx.core.points import evaluation_params, gradient_params
from gradtx.core.prox import Prox
from gradtx.core.recipe import Recipe, optimizer, schedule
from gradtx.core.schedule import Schedule
from gradtx.core.select import all_but, by_path
from gradtx.core.serial import from_dict, to_dict
from gradtx.core.state_serial import state_from_dict, state_to_dict
from gradtx.core.transform import Accumulator, OptState, Pointwise, Transform
from gradtx.core.transform import saturating_increment as safe_increment
from gradtx.core.updates import apply_updates
from gradtx.curvature.backtracking import scale_by_backtracking_linesearch
from gradtx.curvature.bfgs import scale_by_bfgs
from gradtx.curvature.conjugate import scale_by_nonlinear_cg
from gradtx.curvature.exact import scale_by_exact_linesearch
from gradtx.curvature.gauss_newton import levenberg_marquardt_step, scale_by_gauss_newton
from gradtx.curvature.gauss_newton_cg import scale_by_gauss_newton_cg
from gradtx.curvature.hager_zhang import scale_by_hager_zhang_linesearch
from gradtx.curvature.lbfgs import scale_by_lbfgs
from gradtx.curvature.lbfgsb import lbfgsb_step
from gradtx.curvature.named import (
    bfgs,
    cg_descent,
    conjugate_gradient,
    gauss_newton,
    gauss_newton_cg,
    lbfgs,
    lbfgsb,
    levenberg_marquardt,
    newton,
    nonlinear_cg,
    saddle_free_newton,
    truncated_newton,
)
from gradtx.curvature.newton import scale_by_newton, scale_by_saddle_free_newton
from gradtx.curvature.residuals import SumOfSquares
from gradtx.curvature.truncated import truncated_newton_step
from gradtx.curvature.zoom import scale_by_zoom_linesearch
from gradtx.optimizers.adabelief import adabelief, scale_by_belief
from gradtx.optimizers.adadelta import adadelta, scale_by_adadelta
from gradtx.optimizers.adafactor import adafactor, came, scale_by_factored_rms
from gradtx.optimizers.adagrad import adagrad, scale_by_rss
from gradtx.optimizers.adam import adam, adamw, nadam, nadamw, scale_by_adam, scale_by_nadam
from gradtx.optimizers.adamax import adamax, adamaxw, scale_by_adamax
from gradtx.optimizers.adan import adan, scale_by_adan
from gradtx.optimizers.ademamix import ademamix, scale_by_ademamix, scale_by_simplified_ademamix, simplified_ademamix
from gradtx.optimizers.adopt import acprop, adopt, scale_by_adopt
from gradtx.optimizers.amsgrad import amsgrad, scale_by_amsgrad
from gradtx.optimizers.freezing import freeze, selective_transform
from gradtx.optimizers.galore import galore
from gradtx.optimizers.kron import kron
from gradtx.optimizers.laprop import laprop, scale_by_laprop
from gradtx.optimizers.layerwise import fromage, lamb, lars, novograd, scale_by_novograd
from gradtx.optimizers.lion import lion, scale_by_lion
from gradtx.optimizers.madgrad import madgrad
from gradtx.optimizers.measuring import measure_with_ema
from gradtx.optimizers.muon import adamuon, dion, muon, normuon, scale_by_muon
from gradtx.optimizers.noisy import noisy_sgd
from gradtx.optimizers.optimistic import (
    optimistic_adam,
    optimistic_adam_v2,
    optimistic_gradient_descent,
    scale_by_optimistic_gradient,
)
from gradtx.optimizers.polyak import momo, momo_adam, polyak_sgd
from gradtx.optimizers.privacy import dpsgd
from gradtx.optimizers.proximal import fista, proximal_gradient
from gradtx.optimizers.radam import radam, scale_by_radam
from gradtx.optimizers.ratefree import cocob, dadapt_adamw, dog, dowg, prodigy
from gradtx.optimizers.refined import (
    adam_mini,
    cautious_adamw,
    decoupled_weight_decay,
    grams,
    grokfast,
    mars,
    reduce_variance,
    sign_from_gradient,
    stable_adamw,
)
from gradtx.optimizers.rmsprop import rmsprop, scale_by_rms, scale_by_stddev
from gradtx.optimizers.schedule_free import schedule_free_adamw, schedule_free_sgd
from gradtx.optimizers.sgd import nesterov, sgd
from gradtx.optimizers.shampoo import shampoo, soap
from gradtx.optimizers.signs import rprop, scale_by_sign, sign_sgd, signum
from gradtx.optimizers.sm3 import scale_by_sm3, sm3
from gradtx.optimizers.sophia import scale_by_sophia, sophia
from gradtx.optimizers.yogi import scale_by_yogi, yogi
from gradtx.schedules.basic import (
    constant_schedule,
    cosine_decay_schedule,
    exponential_decay,
    linear_schedule,
    polynomial_schedule,
    rex_schedule,
)
from gradtx.schedules.cycles import chebyshev_schedule, sgdr_schedule
from gradtx.schedules.joined import join_schedules, piecewise_constant_schedule, warmup_cosine_decay_schedule
from gradtx.schedules.onecycle import cosine_onecycle_schedule, linear_onecycle_schedule, piecewise_interpolate_schedule
from gradtx.schedules.warmup import (
    inverse_sqrt_schedule,
    warmup_constant_schedule,
    warmup_exponential_decay_schedule,
    warmup_stable_decay_schedule,
)
from gradtx.solve.minimize import MinimizeResult, minimize
from gradtx.transforms.accumulators import accumulate, amsgrad_max, ema, running_max, sign_ema
from gradtx.transforms.betting import scale_by_cocob
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.blocks import (
    block_mean,
    block_sum,
    clip_by_block_rms,
    scale_by_param_block_norm,
    scale_by_param_block_rms,
    scale_by_trust_ratio,
)
from gradtx.transforms.clipping import clip_by_global_norm, global_norm
from gradtx.transforms.constraints import keep_params_nonnegative
from gradtx.transforms.cover import cover_sum
from gradtx.transforms.dadapt import scale_by_dadapt_adam, scale_by_prodigy
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.difference import difference
from gradtx.transforms.dion import scale_by_dion
from gradtx.transforms.distance import scale_by_dog, scale_by_dowg
from gradtx.transforms.factored import constant_decay, factored_rms
from gradtx.transforms.functions import stateless_with_tree_map, with_extra_args_support
from gradtx.transforms.geometry import centralize
from gradtx.transforms.guards import set_to_zero, zero_nans
from gradtx.transforms.hessian import gauss_newton_bartlett_diag_hessian, hutchinson_estimator_diag_hessian
from gradtx.transforms.kron import scale_by_kron
from gradtx.transforms.limits import at_least, clip_modulus, tanh
from gradtx.transforms.madgrad import scale_by_madgrad
from gradtx.transforms.momentum import scale_by_momentum, velocity
from gradtx.transforms.nesterov import dozat_moment
from gradtx.transforms.neurons import neuron_ema
from gradtx.transforms.noise import add_noise
from gradtx.transforms.normalize import normalize, normalize_by_update_norm
from gradtx.transforms.orthogonal import normalize_rms, orthogonalize, orthogonalize_via_newton_schulz, scale_by_shape
from gradtx.transforms.orthograd import orthogonalize_to_params
from gradtx.transforms.past import divide_by_past_root, scale_by_acprop
from gradtx.transforms.plateau import reduce_on_plateau
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
from gradtx.transforms.polyak import scale_by_momo, scale_by_momo_adam, scale_by_polyak
from gradtx.transforms.privacy import (
    differentially_private_aggregate,
    per_example_global_norm_clip,
    per_example_layer_norm_clip,
)
from gradtx.transforms.projections import projection_box, projection_l2_ball, projection_simplex
from gradtx.transforms.proximal import fista_step, prox_elastic_net, prox_group_l1, prox_l1, proximal
from gradtx.transforms.rates import layerwise_decay, scale_by_path
from gradtx.transforms.rectify import rectify
from gradtx.transforms.rprop import scale_by_rprop
from gradtx.transforms.safe import safe_norm, safe_root_mean_squares, scale_gradient
from gradtx.transforms.shampoo import matrix_inverse_pth_root, scale_by_shampoo
from gradtx.transforms.soap import scale_by_soap
from gradtx.transforms.targets import incremental_update, periodic_update
from gradtx.transforms.unitwise import adaptive_grad_clip, unitwise_clip, unitwise_norm

__version__ = "0.1.0"
