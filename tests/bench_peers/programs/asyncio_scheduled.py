"""asyncio_scheduled.py SCHEDULE RECORD [PERIOD...]: an asyncio program that stalls by a schedule
(a JSON file), with a watchdog coroutine for each period (in seconds).

It starts with a line on stdin, says "end" when the schedule is over, and writes RECORD with the
next line: how long it was observed, the duration of each iteration and each lateness of the
watchdogs, all in seconds, as JSON. Where the schedule has messages, they come on descriptor 3.

The iterations are its own record: its selector looks at the clock before and after each select.
"""

import array
import asyncio
import json
import os
import selectors
import sys
import time


class RecordingSelector(selectors.EpollSelector):
    """Notes how long the loop was away from it."""

    def __init__(self):
        super().__init__()
        self.durations_ns = array.array('Q')
        self._left_ns = time.monotonic_ns()

    def select(self, timeout=None):
        self.durations_ns.append(time.monotonic_ns() - self._left_ns)
        ready = super().select(timeout)
        self._left_ns = time.monotonic_ns()
        return ready


def use_cpu(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def watch(period, lateness):
    """The watchdog of the field: asks to be woken and looks how late it is."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + period
        await asyncio.sleep(period)
        lateness.append(max(0.0, loop.time() - due))


async def stall(schedule, start):
    loop = asyncio.get_running_loop()
    work = time.sleep if schedule['work'] == 'sleep' else use_cpu
    for at, duration in schedule['stalls']:
        await asyncio.sleep(max(0, start + at - loop.time()))
        work(duration)
    await asyncio.sleep(max(0, start + schedule['seconds'] - loop.time()))


async def main(schedule, selector, lateness):
    """Returns how long it was observed, and the iterations of that time."""
    loop = asyncio.get_running_loop()
    if schedule['messages']:
        loop.add_reader(3, os.read, 3, 65536)
        os.write(4, b'\n')
    watchdogs = [asyncio.create_task(watch(period, late)) for period, late in lateness.items()]
    start = loop.time()
    await stall(schedule, start)
    observed, iterations = loop.time() - start, len(selector.durations_ns)
    for watchdog in watchdogs:
        watchdog.cancel()
    told = asyncio.Event()
    loop.add_reader(0, told.set)
    print('end', flush=True)
    await told.wait()
    return observed, selector.durations_ns[:iterations]


def run():
    with open(sys.argv[1]) as file:
        schedule = json.load(file)
    lateness = {float(period): array.array('d') for period in sys.argv[3:]}
    print('ready', flush=True)
    sys.stdin.readline()
    selector = RecordingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    observed, iterations_ns = loop.run_until_complete(main(schedule, selector, lateness))
    with open(sys.argv[2], 'w') as record:
        json.dump({'observed': observed, 'durations': [each / 1e9 for each in iterations_ns],
                   'lateness': {str(period): list(late) for period, late in lateness.items()}},
                  record)


run()
