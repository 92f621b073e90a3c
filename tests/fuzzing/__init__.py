"""Mutated inputs for whatever the package reads or is given: `make fuzz`; a few of them in the tests.

Every input either is taken, or ends in one error of the kinds that its target declares, which names the
file or the argument: no other exception, no warning, no more memory than its size allows.
"""
