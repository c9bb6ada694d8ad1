"""Segments (preload/segment_layout.h) as JSON: every word that is not 0, under its field's name.

Whole segments are mostly zeros. And a segment holds only on the boot that made it: its instants are
CLOCK_MONOTONIC. So write_all() makes the files anew, with this boot's id and every instant of a
process moved by one delta. No start_ticks and a PID namespace that is none: no living process is taken for it.
"""

import fcntl
import json
import pathlib
import re
import struct
import time

FIXTURE = pathlib.Path(__file__).resolve().parent / 'segments.json'

SECOND_NS = 10 ** 9
NO_INSTANT = (0, 2 ** 64 - 1)  # and LOOPTAP_NO_DEADLINE
BUCKETS, FIRST_SUMMED = 1024, 320

HEADER = struct.Struct('=8sIIQIIQQQQQQ40s16s64sII')
HEADER_FIELDS = ('magic version header_size file_size clock pid pid_namespace start_ticks created_ns exited_ns '
                 'loops_used loops_dropped boot_id comm name region_count reserved').split()
REGION = struct.Struct('=IIQQ')
LOOPS, LONG_ITERATIONS = 1, 2  # kinds of region
LOOP = struct.Struct('=17QII16sQQ')
LOOP_FIELDS = ('state settled away_since_ns wait_since_ns deadline_ns last_leaver owner born_ns waits events '
               'short_iterations_ns wait_ns poll_ns wakeup_delay_ns zero_iterations zero_wakeup_delays instances '
               'thread_id reserved thread_name long_begun long_settled').split()
ARRAYS = {'iterations': (256, BUCKETS), 'iteration_sums_ns': (256 + 8 * BUCKETS, BUCKETS - FIRST_SUMMED),
          'wakeup_delays': (256 + 8 * (2 * BUCKETS - FIRST_SUMMED), BUCKETS)}  # offset in the slot, words
RING = struct.Struct('=Q24x')
ENTRY = struct.Struct('=QQQII')
ENTRY_FIELDS = 'serial start_ns duration_ns loop thread_id'.split()
ENTRIES = 64

SLEEPING = 1 << 16  # in a loop's state

HEADER_INSTANTS = ('created_ns', 'exited_ns')
LOOP_INSTANTS = ('away_since_ns', 'wait_since_ns', 'deadline_ns', 'born_ns')


def _read(layout, fields, data, offset):
    """The fields that are not 0. A text is bytes that may be anything: latin-1 keeps each as one character."""
    values = {}
    for field, value in zip(fields, layout.unpack_from(data, offset)):
        value = value.rstrip(b'\0').decode('latin-1') if isinstance(value, bytes) else value
        if value:
            values[field] = value
    return values


def _write(layout, fields, values, data, offset):
    empty = dict(zip(fields, layout.unpack(bytes(layout.size))))
    layout.pack_into(data, offset, *(
        values[field].encode('latin-1') if isinstance(values.get(field), str) else values.get(field, empty[field])
        for field in fields))


def _read_loop(data, offset):
    loop = _read(LOOP, LOOP_FIELDS, data, offset)
    for name, (place, count) in ARRAYS.items():
        words = struct.unpack_from(f'={count}Q', data, offset + place)
        loop[name] = {str(index): word for index, word in enumerate(words) if word}
    return loop


def read(path):
    """A segment whose process has ended."""
    data = path.read_bytes()
    segment = {'header': _read(HEADER, HEADER_FIELDS, data, 0), 'regions': [], 'loops': [], 'ring': {}}
    header = segment['header']
    del header['boot_id']
    for number in range(header['region_count']):
        region = REGION.unpack_from(data, HEADER.size + number * REGION.size)
        segment['regions'].append(region)
        kind, count, offset, stride = region
        if kind == LOOPS:
            segment['loops'] = [_read_loop(data, offset + ordinal * stride)
                                for ordinal in range(min(count, header.get('loops_used', 0)))]
        if kind == LONG_ITERATIONS:
            entries = (_read(ENTRY, ENTRY_FIELDS, data, offset + RING.size + number * ENTRY.size)
                       for number in range(ENTRIES))
            segment['ring'] = {'written': RING.unpack_from(data, offset)[0],
                               'entries': [entry for entry in entries if entry]}
    return segment


def to_bytes(segment):
    header = segment['header']
    data = bytearray(header['file_size'])
    _write(HEADER, HEADER_FIELDS, header, data, 0)
    for number, region in enumerate(segment['regions']):
        REGION.pack_into(data, HEADER.size + number * REGION.size, *region)
        kind, _, offset, stride = region
        if kind == LOOPS:
            for ordinal, loop in enumerate(segment['loops']):
                place = offset + ordinal * stride
                _write(LOOP, LOOP_FIELDS, loop, data, place)
                for name, (start, _) in ARRAYS.items():
                    for index, word in loop[name].items():
                        struct.pack_into('=Q', data, place + start + 8 * int(index), word)
        if kind == LONG_ITERATIONS:
            RING.pack_into(data, offset, segment['ring']['written'])
            for place, entry in enumerate(segment['ring']['entries']):
                _write(ENTRY, ENTRY_FIELDS, entry, data, offset + RING.size + place * ENTRY.size)
    return bytes(data)


def _instants(segment):
    """Where they are: (a dictionary, a field of it)."""
    places = [(segment['header'], HEADER_INSTANTS), *((loop, LOOP_INSTANTS) for loop in segment['loops']),
              *((entry, ('start_ns',)) for entry in segment['ring']['entries'])]
    return [(values, field) for values, fields in places for field in fields
            if values.get(field, 0) not in NO_INSTANT]


def shift_instants(segment, newest_ns):
    """Moves them all by one delta, so that the newest (a deadline may lie in the future) is this one."""
    instants = _instants(segment)
    delta = newest_ns - max(values[field] for values, field in instants if field != 'deadline_ns')
    for values, field in instants:
        values[field] += delta


def load():
    """[{file, age, alive, header, regions, loops, ring}]"""
    return json.loads(FIXTURE.read_text())


def save(segments):
    """One line for each loop, so that a change can be read."""
    text = json.dumps(segments, ensure_ascii=True)
    text = re.sub(r'(\{"file"|"header"|"loops"|"ring"|\{"state")', r'\n\1', text)
    FIXTURE.write_text(text + '\n')


def write_all(folder, segments):
    """Makes the files of segments, of which some live: their locks are held until the list that is returned goes.

    The newest instant of each becomes 6 s ago. By its `age`, a process was made then ("": all of it lies within the
    window, and before the history's first column of 5 s), right now ("young": all of it belongs to that column, too)
    or at the boot ("old": it lies within neither, and only the counters tell of it).
    """
    boot_id = pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    now_ns = time.monotonic_ns()
    locks = []
    for segment in json.loads(json.dumps(segments)):
        shift_instants(segment, now_ns - 6 * SECOND_NS)
        segment['header']['boot_id'] = boot_id
        if segment['age']:
            segment['header']['created_ns'] = now_ns if segment['age'] == 'young' else 1
        path = folder / segment['file']
        path.write_bytes(to_bytes(segment))
        if segment['alive']:
            locks.append(open(path, 'r+b'))
            fcntl.lockf(locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    return locks
