"""The native histograms of a protobuf scrape, as much of that format as the tests need.

Fields: https://github.com/prometheus/client_model, io/prometheus/client/metrics.proto.
"""

import bisect
import math
import struct

ACCEPT = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited'

NAME, METRIC = 1, 4                          # of a MetricFamily
LABEL, HISTOGRAM = 1, 7                      # of a Metric
COUNT, SUM, SCHEMA, ZERO_THRESHOLD, ZERO_COUNT, SPAN, DELTAS = 1, 2, 5, 6, 7, 12, 13


def read_varint(data, place):
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return number, place


def signed(zigzag):
    return zigzag >> 1 ^ -(zigzag & 1)


def fields(data):
    """A message's fields: [(number, value)]; bytes where the value has a length."""
    place = 0
    while place < len(data):
        key, place = read_varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = read_varint(data, place)
        elif kind == 1:
            value, place = struct.unpack_from('<d', data, place)[0], place + 8
        elif kind == 2:
            size, place = read_varint(data, place)
            value, place = data[place:place + size], place + size
        else:
            raise ValueError(f'a field of kind {kind}')
        yield number, value


class NativeHistogram:
    """Its buckets as cumulative counts."""

    def __init__(self, message):
        known = dict(fields(message))
        self.count, self.sum = known.get(COUNT, 0), known.get(SUM, 0.0)
        self.schema = signed(known[SCHEMA])
        self.zero_threshold = known[ZERO_THRESHOLD]
        self.bounds, self.counts = [self.zero_threshold], [known.get(ZERO_COUNT, 0)]
        index, held, place, deltas = 0, 0, 0, known.get(DELTAS, b'')
        for number, span in fields(message):
            if number != SPAN:
                continue
            offset, length = (dict(fields(span)).get(field, 0) for field in (1, 2))
            index += signed(offset)
            for _ in range(length):
                delta, place = read_varint(deltas, place)
                held += signed(delta)
                self.bounds.append(2 ** (index / 2 ** self.schema))
                self.counts.append(self.counts[-1] + held)
                index += 1

    def at_most(self, seconds):
        """How many observations lie in the buckets that end there or before."""
        place = bisect.bisect_right(self.bounds, seconds * (1 + 1e-9))
        return self.counts[place - 1] if place else 0

    def at_most_or_a_bucket_more(self, seconds):
        """The same, with all of the bucket in which that duration lies."""
        scale = 2 ** self.schema
        bound = 2 ** (math.ceil(math.log2(seconds) * scale - 1e-6) / scale)
        return self.at_most(max(bound, self.zero_threshold))


def native_histograms(metrics, name):
    """The native histograms of a family: {labels, as a tuple of pairs: NativeHistogram}."""
    body = metrics.request(metrics.path, headers={'Accept': ACCEPT}).body
    found, place = {}, 0
    while place < len(body):
        size, place = read_varint(body, place)
        family = body[place:place + size]
        place += size
        if dict(fields(family))[NAME] != name.encode():
            continue
        for number, metric in fields(family):
            if number == METRIC:
                labels = tuple(sorted(tuple(text.decode() for _, text in fields(label))
                                      for field, label in fields(metric) if field == LABEL))
                found[labels] = NativeHistogram(dict(fields(metric))[HISTOGRAM])
    return found
