"""The optimizers as loops over NumPy arrays in float64, written from the papers' equations and not from the library.

Each takes the gradient as a function of point and step (from 0), a start and a number of steps, and returns the last point.
`tests/optimizers.py` says which settings they are compared at.
"""
