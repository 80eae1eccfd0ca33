"""Running an optimizer on a function."""

from gradtx.solve.trajectory import Step, Trajectory, trajectories, trajectory

__all__ = ["Step", "Trajectory", "trajectories", "trajectory"]
