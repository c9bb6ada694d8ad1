"""What the loop latency was, by a program's own record of its iterations or blocking calls.

With iterations of durations d_i in an observed time T, an arrival at a random instant waits longer
than x with the probability sum(max(0, d_i - x)) / T.
"""

import bisect
import itertools

QUANTILES = {'p50': 0.5, 'p95': 0.95, 'p99': 0.99}
# Stalls that come so close to the threshold are neither missed nor invented by anybody.
TOLERANCE = 0.003


class Truth:
    """Of durations and an observed time, both in seconds."""

    def __init__(self, durations, observed):
        self.durations = sorted(durations)
        self.observed = observed
        self._sums = [0, *itertools.accumulate(self.durations)]

    def share_over(self, latency):
        """The share of all instants at which an arrival waits longer than that."""
        first = bisect.bisect_right(self.durations, latency)
        longer = self._sums[-1] - self._sums[first]
        return (longer - latency * (len(self.durations) - first)) / self.observed

    def quantile(self, q):
        low, high = 0, self.longest()
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.share_over(middle) > 1 - q else (low, middle)
        return low

    def longest(self):
        return self.durations[-1] if self.durations else 0

    def stalls(self, threshold):
        """How many there were certainly, and at most."""
        return (sum(each > threshold + TOLERANCE for each in self.durations),
                sum(each > threshold - TOLERANCE for each in self.durations))

    def figures(self):
        return {name: self.quantile(q) for name, q in QUANTILES.items()} | {'max': self.longest()}

    def curve(self):
        """Points of the distribution for a plot: [(quantile, latency in seconds)]."""
        shares = [0.5 * 10 ** (-step / 10) for step in range(0, 31)]
        return [(1 - share, self.quantile(1 - share)) for share in shares]
