"""Reads a segment (preload/segment_layout.h) for what /metrics does not show."""

import struct

HEADER = struct.Struct('=8sIIQIIQQQQQQ40s16s64sII')
HEADER_FIELDS = ('magic', 'version', 'header_size', 'file_size', 'clock', 'pid', 'pid_namespace',
                 'start_ticks', 'created_ns', 'exited_ns', 'loops_used', 'loops_dropped', 'boot_id',
                 'comm', 'name', 'region_count', 'wrong_settings')
REGION = struct.Struct('=IIQQ')
LOOP = struct.Struct('=17QII16s')
LOOP_FIELDS = ('state', 'settled', 'away_since_ns', 'wait_since_ns', 'deadline_ns', 'last_leaver',
               'owner', 'born_ns', 'waits', 'events', 'short_iterations_ns', 'wait_ns', 'poll_ns',
               'wakeup_delay_ns', 'zero_iterations', 'zero_wakeup_delays', 'instances', 'thread_id',
               'reserved0', 'thread_name')

LOOPS_REGION = 1
OWNER_GONE = 2**64 - 1


class Loop:
    """One slot, as far as its histograms."""

    def __init__(self, data):
        self.__dict__.update(zip(LOOP_FIELDS, LOOP.unpack(data)))
        self.thread_name = self.thread_name.split(b'\0')[0].decode()
        self.waiters = self.state & 0xffff
        self.dormant = bool(self.state & 1 << 17)
        self.ended = bool(self.state & 1 << 18)
        self.nested = bool(self.state & 1 << 19)


class Segment:
    """A copy of one file; nothing in it changes any more."""

    def __init__(self, path):
        self.path = path
        with open(path, 'rb') as file:
            head = file.read(HEADER.size + 8 * REGION.size)
            self.__dict__.update(zip(HEADER_FIELDS, HEADER.unpack_from(head)))
            self.loops = []  # those that are used or were
            for number in range(self.region_count):
                kind, count, offset, stride = REGION.unpack_from(
                    head, HEADER.size + number * REGION.size)
                if kind == LOOPS_REGION:
                    for ordinal in range(min(count, self.loops_used)):
                        file.seek(offset + ordinal * stride)
                        self.loops.append(Loop(file.read(LOOP.size)))


def read_segments(folder):
    """The segments in a folder, the oldest first."""
    return sorted((Segment(path) for path in folder.iterdir() if not path.name.startswith('.')),
                  key=lambda segment: segment.created_ns)
