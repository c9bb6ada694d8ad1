"""How much a benchmark measures, as BENCH_ROUNDS says."""

import os
import sys


def rounds_asked_for(otherwise):
    """Ends the program where it is not a positive number."""
    try:
        rounds = int(os.environ.get('BENCH_ROUNDS') or otherwise)
    except ValueError:
        rounds = 0
    if rounds < 1:
        sys.exit('BENCH_ROUNDS: not a positive number')
    return rounds
