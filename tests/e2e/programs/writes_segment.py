"""writes_segment.py DIRECTORY [FLAG...]: writes a live segment, by docs/segment.md alone.

Its loop has a history that is made up, and ends in a wait. Then it does what lines on its stdin say, and answers each
with "ok": wait (returns from the wait and waits again), leave (returns, and does not wait), exit (a normal end).

Flags, for what an exporter must refuse: --no-lock, --magic=TEXT, --version=NUMBER. --away=SECONDS: it has returned from its
last wait so long ago, and not waited since. --name=TEXT.
"""

import argparse
import fcntl
import mmap
import os
import pathlib
import struct
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS))
from e2e.segment_page import SegmentPage  # noqa: E402

PAGE = SegmentPage((TESTS.parent / 'docs/segment.md').read_text())
CONSTANT = {name.removeprefix('LOOPTAP_'): value for name, value in PAGE.constants.items()}

# Where regions are is the writer's to choose. This one has two loops, no ring, and a stride of its own.
LOOPS, LOOPS_AT, STRIDE = 2, 1024, PAGE.structs['looptap_loop'].size + 64
SIZE = LOOPS_AT + LOOPS * STRIDE
THREAD = 1  # the number that this writer gives its only thread


def bound_ns(k):
    """floor(10^9 * 2^(k/32 - 20)), by integers: the greatest b with b^32 * 2^640 <= 10^288 * 2^k."""
    low, high = 0, 2 ** 43
    while low < high:
        middle = (low + high + 1) // 2
        if middle ** 32 << 640 <= 10 ** 288 << k:
            low = middle
        else:
            high = middle - 1
    return low


BOUNDS_NS = [bound_ns(k) for k in range(CONSTANT['BUCKETS'] + 1)]


def bucket(duration_ns):
    """The bucket's index, or None: the counter of zeros."""
    if duration_ns <= BOUNDS_NS[0]:
        return None
    return next((i for i in range(CONSTANT['BUCKETS']) if duration_ns <= BOUNDS_NS[i + 1]), CONSTANT['BUCKETS'] - 1)


class Words:
    """Fields of one struct in the mapping."""

    def __init__(self, memory, base, struct_name):
        self.memory, self.base, self.struct_name = memory, base, struct_name

    def _place(self, field, index):
        offset, size = PAGE.place(self.struct_name, field)
        return self.base + offset + 8 * index, size

    def set(self, field, value, index=0):
        at, size = self._place(field, index)
        if isinstance(value, bytes):
            self.memory[at:at + size] = value[:size - 1].ljust(size, b'\0')
        else:
            struct.pack_into('=I' if size == 4 else '=Q', self.memory, at, value)

    def get(self, field, index=0):
        return struct.unpack_from('=Q', self.memory, self._place(field, index)[0])[0]

    def add(self, field, value, index=0):
        self.set(field, self.get(field, index) + value, index)


class Loop(Words):
    """The loop of one thread: nobody else writes, so plain stores in the page's order will do."""

    def __init__(self, memory, header, now_ns):
        ordinal = header.get('loops_used')
        header.add('loops_used', 1)
        super().__init__(memory, LOOPS_AT + ordinal * STRIDE, 'looptap_loop')
        self.set('thread_name', b'writer')
        self.set('thread_id', os.getpid())
        self.set('born_ns', now_ns)
        self.set('instances', 1)
        self.set('state', CONSTANT['DORMANT'])
        self.set('owner', THREAD)

    def enter(self, now_ns, timeout_ns=None):
        self.entered_ns, self.timeout_ns = now_ns, timeout_ns
        before, since_ns = self.get('state'), self.get('away_since_ns')
        state = before & ~(CONSTANT['DORMANT'] | CONSTANT['SLEEPING'] | CONSTANT['NESTED'])
        if timeout_ns != 0:
            state |= CONSTANT['SLEEPING']
        self.set('state', state + 1 + CONSTANT['ONE_TRANSITION'])
        self.set('wait_since_ns', max(now_ns, since_ns))
        self.set('deadline_ns', CONSTANT['NO_DEADLINE'] if timeout_ns is None else now_ns + timeout_ns)
        if not before & CONSTANT['DORMANT']:
            self.count_iteration(now_ns - since_ns)
        self.add('settled', 1)

    def leave(self, now_ns, events):
        state, since_ns = self.get('state'), self.get('wait_since_ns')
        self.set('away_since_ns', max(now_ns, since_ns))
        self.set('last_leaver', THREAD)
        self.set('state', state - 1 + CONSTANT['ONE_TRANSITION'])
        self.add('wait_ns' if state & CONSTANT['SLEEPING'] else 'poll_ns', now_ns - since_ns)
        self.add('waits', 1)
        self.add('events', events)
        if events == 0 and self.timeout_ns:
            delay_ns = max(0, now_ns - self.entered_ns - self.timeout_ns)
            self.add('wakeup_delay_ns', delay_ns)
            self.count(delay_ns, 'wakeup_delays', 'zero_wakeup_delays')
        self.add('settled', 1)

    def count(self, duration_ns, buckets, zeros):
        index = bucket(duration_ns)
        if index is None:
            self.add(zeros, 1)
        else:
            self.add(buckets, 1, index)

    def count_iteration(self, duration_ns):
        index = bucket(duration_ns)
        first_summed = CONSTANT['FIRST_SUMMED']
        if index is None or index < first_summed:
            self.add('short_iterations_ns', duration_ns)
            self.count(duration_ns, 'iterations', 'zero_iterations')
            return
        self.add('long_begun', 1)
        self.add('iterations', 1, index)
        self.add('iteration_sums_ns', duration_ns, index - first_summed)
        self.add('long_settled', 1)


def make_segment(arguments, created_ns):
    """Under a dot-name, with its lock, filled in, then renamed. Returns the mapping, the header and the descriptor."""
    namespace = os.stat('/proc/self/ns/pid').st_ino
    name = f'{os.getpid()}-{namespace}-{created_ns}'
    directory = pathlib.Path(arguments.directory)
    fd = os.open(directory / f'.{name}', os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if not arguments.no_lock:
        # struct flock: type, whence, start, length, pid.
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack('=hh4xqqi4x', fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
    os.posix_fallocate(fd, 0, SIZE)
    memory = mmap.mmap(fd, SIZE, mmap.MAP_SHARED)
    memory.madvise(mmap.MADV_DONTFORK)

    header = Words(memory, 0, 'looptap_header')
    at, size = PAGE.place('looptap_header', 'magic')
    memory[at:at + size] = arguments.magic.encode()
    header.set('version', arguments.version)
    header.set('header_size', PAGE.structs['looptap_header'].size)
    header.set('file_size', SIZE)
    header.set('clock', CONSTANT['CLOCK_MONOTONIC'])
    header.set('pid', os.getpid())
    header.set('pid_namespace', namespace)
    header.set('start_ticks', int(pathlib.Path('/proc/self/stat').read_text().rpartition(')')[2].split()[19]))
    header.set('created_ns', created_ns)
    header.set('boot_id', pathlib.Path('/proc/sys/kernel/random/boot_id').read_bytes().strip())
    header.set('comm', pathlib.Path('/proc/self/comm').read_bytes().strip())
    header.set('name', arguments.name.encode())
    header.set('region_count', 1)
    region = Words(memory, PAGE.place('looptap_header', 'regions')[0], 'looptap_region')
    region.set('kind', CONSTANT['REGION_LOOPS'])
    region.set('count', LOOPS)
    region.set('offset', LOOPS_AT)
    region.set('stride', STRIDE)

    os.fchmod(fd, 0o644)
    os.rename(directory / f'.{name}', directory / name)
    return memory, header, fd


# What the loop has done: (iteration before the wait, the wait, its timeout, the events it returned), in ms.
HISTORY = [(None, 100, None, 1), (300, 50, None, 2), (20, 57, 50, 0), (20, 30, None, 1), (0.1, 1, 0, 0), (0.1, 10, None, 3)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('directory')
    parser.add_argument('--no-lock', action='store_true')
    parser.add_argument('--magic', default='looptap\n')
    parser.add_argument('--version', type=int, default=CONSTANT['LAYOUT_VERSION'])
    parser.add_argument('--name', default='by-the-page')
    parser.add_argument('--away', type=float)
    arguments = parser.parse_args()

    ns = lambda ms: round(ms * 1_000_000)
    ago_ns = ns(1000 * (arguments.away or 0)) + sum(ns(away or 0) + ns(wait) for away, wait, *_ in HISTORY)
    now_ns = time.monotonic_ns() - ago_ns
    memory, header, fd = make_segment(arguments, now_ns)
    loop = Loop(memory, header, now_ns)
    for away, wait, timeout, events in HISTORY:
        now_ns += ns(away or 0)
        loop.enter(now_ns, None if timeout is None else ns(timeout))
        now_ns += ns(wait)
        loop.leave(now_ns, events)
    if arguments.away is None:
        loop.enter(now_ns + ns(0.1))
    print('ready', flush=True)

    for line in sys.stdin:
        match line.strip():
            case 'wait':
                if loop.get('state') & CONSTANT['SLEEPING']:
                    loop.leave(time.monotonic_ns(), 1)
                loop.enter(time.monotonic_ns())
            case 'leave':
                loop.leave(time.monotonic_ns(), 1)
            case 'exit':
                header.set('exited_ns', time.monotonic_ns())
                break
        print('ok', flush=True)


if __name__ == '__main__':
    main()
