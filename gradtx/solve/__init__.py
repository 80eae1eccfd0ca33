"""Running an optimizer on a function."""

from gradtx.solve.trajectory import Trajectory, trajectory

__all__ = ["Trajectory", "trajectory"]
