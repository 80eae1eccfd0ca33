"""The conformance kit: what the library demands of its own transformations, for yours.

`check_transformation(tx)` runs all of it. `PROPERTIES` has the properties one by one, for a parametrised test:

    @pytest.mark.parametrize("name", PROPERTIES)
    def test_mine(name):
        PROPERTIES[name](Subject(mine(0.1)))
"""

from gradtx.testing.check import PROPERTIES, check_transformation
from gradtx.testing.problem import RIPPLES, Problem, run
from gradtx.testing.subject import Subject

__all__ = ["PROPERTIES", "RIPPLES", "Problem", "Subject", "check_transformation", "run"]
