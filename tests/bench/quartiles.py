"""Medians and quartiles, as every part of the benchmark reports them."""

import math
import statistics


class Quartiles:
    """The median of some values, and how far they are spread."""

    def __init__(self, values):
        values = sorted(values)
        self.low, self.median, self.high = (
            statistics.quantiles(values, n=4, method='inclusive') if len(values) > 1 else values * 3)

    def format(self, pattern):
        return (f'{pattern.format(self.median)} '
                f'[{pattern.format(self.low)}, {pattern.format(self.high)}]')

    def as_json(self):
        if math.isnan(self.median):
            return None
        return {'median': self.median, 'quartiles': [self.low, self.high]}


def quieter_half(rounds):
    """Of rounds ([{name: duration}]), the half that took the least time in all: other programs of
    the machine have disturbed them least. A whole round is taken or left, so no contestant is
    favoured."""
    return sorted(rounds, key=lambda times: sum(times.values()))[:(len(rounds) + 1) // 2]
