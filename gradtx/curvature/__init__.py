"""Methods that use the function and not only its gradient: line searches, quasi-Newton, conjugate gradients, Newton."""
