"""When the programs of the benchmark stall, and for how long: seeded, so each run has the same."""

import random

SECONDS = 18
SEED = 7


def _rare(chance):
    """A stall of 250 ms to 1.2 s in each third of the time."""
    return [(third * SECONDS / 3 + chance.uniform(0.5, 4), chance.uniform(0.25, 1.2))
            for third in range(3)]


def _frequent(chance):
    """2 to 20 ms each, a quarter of the time in all."""
    stalls, at = [], 0.1
    while at < SECONDS - 0.2:
        duration = chance.uniform(0.002, 0.02)
        stalls.append((at, duration))
        at += duration + chance.uniform(1, 5) * duration
    return stalls


def _starved(chance):
    """10 to 70 ms of CPU time each; the neighbour makes them last about twice as long."""
    stalls, at = [], 0.1
    while at < SECONDS - 0.5:
        duration = chance.uniform(0.01, 0.07)
        stalls.append((at, duration))
        at += chance.uniform(0.2, 0.4)
    return stalls


class Schedule:
    """stalls: [(start, duration)], in seconds from the schedule's start. work: what a stall is,
    'sleep' (a blocking call) or 'cpu'. messages: how many the program is sent each second.
    neighbour: whether a busy program is pinned to the same CPU. A schedule that is alone does not
    share the machine with the other programs of the benchmark."""

    def __init__(self, title, stalls, work='sleep', messages=0, neighbour=False):
        self.title, self.stalls, self.work = title, stalls, work
        self.messages, self.neighbour = messages, neighbour
        self.alone = bool(messages or neighbour)

    def as_json(self):
        return {'seconds': SECONDS, 'stalls': self.stalls, 'work': self.work,
                'messages': self.messages}


SCHEDULES = {
    'none': Schedule('no stalls', []),
    'rare': Schedule('three stalls of 0.25 to 1.2 s', _rare(random.Random(SEED))),
    'frequent': Schedule('stalls of 2 to 20 ms, a quarter of the time',
                         _frequent(random.Random(SEED))),
    'periodic': Schedule('30 ms every 100 ms',
                         [(tenth / 10, 0.03) for tenth in range(1, SECONDS * 10)]),
    'heavy': Schedule('20,000 messages a second, and 500 ms every 10 s', [(2, 0.5), (12, 0.5)],
                      messages=20000),
    'starved': Schedule('a busy neighbour on the same CPU', _starved(random.Random(SEED)),
                        work='cpu', neighbour=True),
}
