#!/usr/bin/env python3
"""Writes corpus/segment: one program of edits (segment_fuzzer.cc) for each interesting shape of a segment."""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / 'corpus/segment'

# Offsets in the header and words of a slot, see preload/segment_layout.h.
MAGIC, VERSION, HEADER_SIZE, FILE_SIZE, CLOCK, PID, CREATED, EXITED = 0, 8, 12, 16, 24, 28, 48, 56
LOOPS_USED, LOOPS_DROPPED, BOOT_ID, COMM, NAME, REGION_COUNT, REGIONS = 64, 72, 80, 120, 136, 200, 208
STATE, SETTLED, AWAY_SINCE, WAIT_SINCE, DEADLINE, OWNER = 0, 1, 2, 3, 4, 6
WAITS, SHORT_NS, WAIT_NS, POLL_NS, DELAY_NS, ZERO, ZERO_DELAYS = 8, 10, 11, 12, 13, 14, 15
THREAD_NAME, LONG_BEGUN, LONG_SETTLED = 18, 20, 21
ITERATIONS, SUMS, DELAYS = 32, 32 + 1024, 32 + 1024 + 704
MOST = (1 << 64) - 1
HALF = 1 << 63
WAITING, DORMANT, NESTED, AWAY = 1 | 1 << 16, 1 << 17, 1 << 19, 0
TRANSITION = 1 << 24

look = b'\7'
die = b'\10'


def header(offset, layout, *values):
    content = struct.pack('=' + layout, *values)
    return struct.pack('=BHB', 0, offset, len(content)) + content


def word(number, value, slot=0):
    return struct.pack('=BBHQ', 1, slot, number, value)


def fill(number, count, value, slot=0):
    return struct.pack('=BBHHQ', 2, slot, number, count, value)


def after_reads(count):
    return struct.pack('=BB', 3, count)


def resize(size):
    return struct.pack('=BI', 4, size)


def later(seconds):
    return struct.pack('=BB', 6, seconds)


PROGRAMS = {
    'good': look,
    'busy': (fill(ITERATIONS, 320, 7) + fill(ITERATIONS + 320, 300, 3) + fill(SUMS, 300, 30_000_000)
             + word(SHORT_NS, 400_000) + word(WAIT_NS, 10 ** 12) + word(ZERO, 9) + look + later(5)
             + word(WAIT_NS, 10 ** 12 + 10 ** 9) + look),
    'away': word(STATE, AWAY) + word(AWAY_SINCE, 10 ** 9) + look + later(5) + look,
    'dead': word(STATE, AWAY) + look + die + look,
    'dead-unsettled': word(STATE, TRANSITION) + die + look,
    'exited': header(EXITED, 'Q', 5 * 10 ** 9) + die + look,
    'dormant': word(STATE, DORMANT) + look,
    'nested': word(STATE, NESTED) + look,
    'late-wait': word(DEADLINE, 10 ** 9) + look,
    'unsettled': look + word(STATE, WAITING | TRANSITION) + look + later(1) + look,
    'spinning': (after_reads(5)
                 + b''.join(word(STATE, TRANSITION * n) + word(SETTLED, n) + after_reads(2)
                            for n in range(1, 30)) + look),
    'shrinks-between-reads': look + after_reads(9) + resize(5000) + look + look,
    'shrinks-to-nothing': look + resize(0) + look,
    'grows-again': look + resize(0) + look + resize(44944) + look,
    'all-counters-full': fill(WAITS, 8, MOST) + fill(ITERATIONS, 2752, MOST) + look + look,
    'counts-halfway': fill(ITERATIONS, 2752, HALF) + look + look,
    'counts-wrap-in-a-window': (b''.join(word(ITERATIONS + 1023, HALF) + look
                                         + word(ITERATIONS + 1023, 0) + look for _ in range(3))),
    'sums-without-counts': fill(SUMS, 704, MOST) + look,
    'counts-without-sums': fill(ITERATIONS, 1024, 1 << 40) + look,
    'one-huge-count': word(ITERATIONS + 1023, 1 << 62) + word(SUMS + 703, 1) + look,
    'one-huge-sum': word(ITERATIONS + 1023, 1) + word(SUMS + 703, MOST) + look,
    'times-full': word(WAIT_NS, MOST) + word(POLL_NS, MOST) + word(SHORT_NS, MOST) + look,
    'times-halfway': word(WAIT_NS, HALF) + word(SHORT_NS, HALF) + look,
    'delays-full': fill(DELAYS, 1024, MOST) + word(DELAY_NS, MOST) + word(ZERO_DELAYS, MOST) + look,
    'backwards': fill(ITERATIONS, 1024, 1000) + look + fill(ITERATIONS, 1024, 10) + look,
    'since-the-future': word(STATE, AWAY) + word(AWAY_SINCE, MOST) + look,
    'since-almost-the-end': word(STATE, AWAY) + word(AWAY_SINCE, MOST - 500_000) + look,
    'wait-since-the-future': word(WAIT_SINCE, MOST - 500_000) + look,
    'made-in-the-future': header(CREATED, 'Q', MOST) + look,
    'name': header(NAME, '64s', b'"\\\n\xff\xc3\x28\xed\xa0\x80{}=,' * 4) + look,
    'comm': header(COMM, '16s', b'\xff' * 16) + look,
    'thread-name': word(THREAD_NAME, 0xff5c0a22ff5c0a22) + word(THREAD_NAME + 1, MOST) + look,
    'loops-used-too-many': header(LOOPS_USED, 'Q', MOST) + look,
    'dropped': header(LOOPS_DROPPED, 'Q', MOST) + look,
    'unowned': word(OWNER, 0) + look + word(OWNER, MOST) + look,
    'version': header(VERSION, 'I', 2),
    'header-size': header(HEADER_SIZE, 'I', MOST & 0xffffffff),
    'file-size': header(FILE_SIZE, 'Q', MOST),
    'clock': header(CLOCK, 'I', 9),
    'boot': header(BOOT_ID, '8s', b'00000000'),
    'regions-many': header(REGION_COUNT, 'I', 9),
    'regions-two': header(REGION_COUNT, 'I', 2) + header(REGIONS + 24, 'IIQQ', 1, 2, 512, 22272),
    'region-unknown': header(REGION_COUNT, 'I', 2) + header(REGIONS + 24, 'IIQQ', 77, MOST & 0xffffffff, MOST, MOST),
    'region-offset': header(REGIONS + 8, 'Q', MOST - 7),
    'region-stride': header(REGIONS + 16, 'Q', 1 << 20) + header(REGIONS + 4, 'I', 1024),
    'region-count': header(REGIONS + 4, 'I', MOST & 0xffffffff),
    'whole-file-foreign': b'\5' + b'not a segment\n' * 5,
    'whole-file-empty': b'\5',
}


def main():
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, program in PROGRAMS.items():
        (CORPUS / name).write_bytes(program)


if __name__ == '__main__':
    main()
