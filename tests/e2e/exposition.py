"""The text exposition format, as much of it as the tests need."""

import math
import re

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
ESCAPED = re.compile(r'\\(.)')


def parse_labels(text):
    return {name: ESCAPED.sub(lambda match: '\n' if match[1] == 'n' else match[1], value)
            for name, value in LABEL.findall(text or '')}


class Exposition:
    """What one scrape said."""

    def __init__(self, text):
        self.text = text
        self.samples = []  # (name, labels, value)
        for line in text.splitlines():
            if not line or line.startswith('#'):
                continue
            match = SAMPLE.match(line)
            if not match:
                raise ValueError(f'not a sample: {line!r}')
            self.samples.append((match[1], parse_labels(match[2]), float(match[3])))

    def find(self, name, **labels):
        """The samples of that name that have at least these labels: [(labels, value)]."""
        return [(own, value) for sample, own, value in self.samples
                if sample == name and labels.items() <= own.items()]

    def total(self, name, **labels):
        return math.fsum(value for _, value in self.find(name, **labels))

    def value(self, name, **labels):
        """The value of the only such sample."""
        found = self.find(name, **labels)
        if len(found) != 1:
            raise LookupError(f'{len(found)} samples {name}{labels}, not one')
        return found[0][1]

    def label_values(self, label, **labels):
        """The values that a label has among all loops with these labels."""
        return {own[label] for own, _ in self.find('eventloop_waits_total', **labels)}

    def buckets(self, name, **labels):
        """A histogram's cumulative counts: [(le, count)], ascending."""
        return sorted((float(own['le']), value)
                      for own, value in self.find(name + '_bucket', **labels))
