"""Running an optimizer on a function."""

from gradtx.solve.minimize import MinimizeResult, Progress, minimize
from gradtx.solve.trajectory import Step, Trajectory, trajectories, trajectory

__all__ = ["MinimizeResult", "Progress", "Step", "Trajectory", "minimize", "trajectories", "trajectory"]
