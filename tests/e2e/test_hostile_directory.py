"""Segments as untrusted input: whatever another user writes into the directory, the exporter answers, good segments
are shown, others are rejected once, in one line, and memory stays bounded.

What is not a segment at all (FIFOs, devices, symlinks) is in test_rejected_files.py.
"""

import fcntl
import os
import pathlib
import re
import struct
import subprocess
import threading
import time

from e2e.harness import PLAIN_EPOLL, PROBE, LooptapTest, find_program

# Offsets, see preload/segment_layout.h.
PID, CREATED, LOOPS_USED, COMM, NAME, LOOPS_OFFSET = 28, 48, 64, 120, 136, 216
STATE, SETTLED, AWAY_SINCE, WAIT_SINCE, DEADLINE = 0, 8, 16, 24, 32
WAITS, EVENTS, SHORT_NS, WAIT_NS, POLL_NS, DELAY_NS, ZERO_ITERATIONS = 64, 72, 80, 88, 96, 104, 112
THREAD_NAME, ITERATIONS, SUMS = 144, 256, 256 + 8 * 1024
MOST = (1 << 64) - 1
FEW = 100_000
MOST_FILES = 65_536  # that the exporter looks at
MANY = int(os.environ.get('LOOPTAP_TEST_FILES', FEW))  # 1000000 takes some minutes

F_OFD_SETLK = 37


class HostileDirectory(LooptapTest):

    def setUp(self):
        super().setUp()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        [good] = self.segments.iterdir()
        self.content = good.read_bytes()
        self.good = good
        self.slot = struct.unpack_from('=Q', self.content, LOOPS_OFFSET)[0]

    def put(self, name='crafted', header=(), slot=(), pid=1, alive=True):
        """A copy of the good segment in which something is written over: pairs of an offset and an
        integer or bytes. Its lock, that of a living process, is held until the test ends."""
        content = bytearray(self.content)
        struct.pack_into('=I', content, PID, pid)
        for base, changes in (0, header), (self.slot, slot):
            for offset, value in changes:
                value = struct.pack('=Q', value) if isinstance(value, int) else value
                content[base + offset:base + offset + len(value)] = value
        path = self.segments / name
        path.write_bytes(content)
        if alive:
            file = open(path, 'rb')
            self.addCleanup(file.close)
            fcntl.fcntl(file, F_OFD_SETLK, struct.pack('=hhqqi4x', fcntl.F_RDLCK, 0, 0, 0, 0))
        return path

    def rewrite(self, path, *changes):
        """Changes words of the slot in place."""
        with open(path, 'r+b') as file:
            for offset, value in changes:
                file.seek(self.slot + offset)
                file.write(struct.pack('=Q', value))

    def assert_harmless(self, metrics, scrapes=3):
        """Scrapes a few times; every sample is a number that Prometheus takes, the good segment is
        there, and nobody has said more than a line for each file."""
        for _ in range(scrapes):
            scrape = metrics.scrape()
        self.assertIsNone(metrics.program.process.poll(), metrics.program)
        for name, labels, value in scrape.samples:
            if not name.endswith('quantile_seconds'):
                self.assertGreaterEqual(value, 0, (name, labels))
        self.assertEqual(scrape.value('eventloop_waits_total', pid=str(self.good_pid())), 5)
        self.assertLessEqual(metrics.program.err.count('crafted'), 1, metrics.program.err)
        self.assertEqual(self.promtool(scrape.text), (0, '', ''))
        return scrape

    def good_pid(self):
        return struct.unpack_from('=I', self.content, PID)[0]

    def promtool(self, text):
        checked = subprocess.run([find_program('promtool'), 'check', 'metrics'], input=text, text=True,
                                 capture_output=True)
        return checked.returncode, checked.stdout, checked.stderr

    def refused(self, scrape):
        return {labels['reason']: value
                for labels, value in scrape.find('looptap_rejected_segments_total') if value}

    # ---- The null control: a copy with nothing wrong

    def test_unchanged_copy_is_shown(self):
        self.put()
        scrape = self.assert_harmless(self.serve())
        self.assertEqual(self.refused(scrape), {})
        self.assertEqual(scrape.value('eventloop_waits_total', pid='1'), 5)

    # ---- Names

    def test_names_are_escaped(self):
        hostile = b'"\\\n\xff\xed\xa0\x80{}=,\x01'
        self.put(header=[(NAME, hostile.ljust(64, b'\0'))], slot=[(THREAD_NAME, b'"\\\nx\xfe}\n\\\\"\n'.ljust(16, b'\0'))])
        scrape = self.assert_harmless(self.serve())
        [(labels, _)] = scrape.find('eventloop_waits_total', pid='1')
        self.assertEqual(labels['process'], '"\\\n\ufffd\ufffd\ufffd\ufffd{}=,\x01')
        self.assertEqual(labels['thread'], '"\\\nx\ufffd}\n\\\\"\n')

    def test_names_without_a_terminating_zero(self):
        self.put(header=[(NAME, b'\xff' * 64)], slot=[(THREAD_NAME, b'\xff' * 16)])
        scrape = self.assert_harmless(self.serve())
        [(labels, _)] = scrape.find('eventloop_waits_total', pid='1')
        self.assertEqual(labels['process'], '\ufffd' * 64)
        self.assertEqual(labels['thread'], '\ufffd' * 16)

    def test_file_names_with_newlines_and_quotes(self):
        self.put('1\n"quoted"\\\xff')
        scrape = self.assert_harmless(self.serve())
        self.assertEqual(self.refused(scrape), {})
        (self.segments / 'crafted\n"quoted"').write_text('')
        metrics = self.serve()
        self.assertEqual(self.refused(self.assert_harmless(metrics)), {'foreign': 1})
        self.assertEqual(len(metrics.program.err.splitlines()), 2, metrics.program.err)

    # ---- Figures that cannot be

    def test_counters_that_are_all_full(self):
        self.put(slot=[(WAITS, b'\xff' * 64), (ITERATIONS, b'\xff' * (2752 * 8))])
        metrics = self.serve()
        self.assert_harmless(metrics)

    def test_counts_that_sum_up_to_nothing(self):
        """Two times 2^63 are 0: somebody divides by it, unless he minds."""
        path = self.put()
        last = ITERATIONS + 8 * 1023
        metrics = self.serve('--latency.window=1s')
        for value in (1 << 63, 0) * 10:
            self.rewrite(path, (last, value))
            tick = time.monotonic() + 0.1  # the window has one each 83 ms
            while time.monotonic() < tick:
                metrics.scrape()
        self.assert_harmless(metrics)

    def test_counters_that_go_backwards(self):
        path = self.put(slot=[(WAITS, 1000), (WAIT_NS, 10 ** 9)])
        metrics = self.serve()
        before = self.assert_harmless(metrics)
        self.assertEqual(before.value('eventloop_waits_total', pid='1'), 1000)
        self.rewrite(path, (WAITS, 10), (WAIT_NS, 10))
        after = self.assert_harmless(metrics)
        # Refused, or it stays where it was: never less.
        for _, value in after.find('eventloop_wait_seconds_total', pid='1'):
            self.assertGreaterEqual(value, before.value('eventloop_wait_seconds_total', pid='1'))

    def test_instants_in_the_future(self):
        for name, state, since in (('away', 0, AWAY_SINCE), ('waiting', 1 | 1 << 16, WAIT_SINCE)):
            for instant in (1 << 62, MOST - 500_000, MOST):
                with self.subTest(name, instant=instant):
                    path = self.put(slot=[(STATE, state), (SETTLED, 0), (since, instant)])
                    scrape = self.assert_harmless(self.serve())
                    for metric in 'blocked_seconds', 'busy_seconds_total', 'wait_seconds_total':
                        for _, value in scrape.find(f'eventloop_{metric}', pid='1'):
                            self.assertLess(value, 10)
                    path.unlink()

    def test_process_made_in_the_future(self):
        for instant in (1 << 62, MOST):
            path = self.put(header=[(CREATED, instant)])
            self.assert_harmless(self.serve())
            path.unlink()

    def test_more_loops_than_slots(self):
        self.put(header=[(LOOPS_USED, MOST)])
        self.assert_harmless(self.serve())

    def test_loop_that_never_settles(self):
        self.put(slot=[(STATE, 1 << 24), (SETTLED, 0)])
        self.assert_harmless(self.serve())

    # ---- Files that change while they are read

    def test_file_that_shrinks_and_grows_while_it_is_read(self):
        path = self.put()
        metrics = self.serve()
        stop = threading.Event()

        def breathe():
            sizes = (0, 100, 5000, 20000, self.slot + 300, len(self.content))
            turn = 0
            with open(path, 'r+b') as file:
                while not stop.is_set():
                    turn += 1
                    os.ftruncate(file.fileno(), sizes[turn % len(sizes)])
                    os.pwrite(file.fileno(), self.content, 0)

        breather = threading.Thread(target=breathe)
        breather.start()
        try:
            for _ in range(30):
                metrics.scrape()
        finally:
            stop.set()
            breather.join()
        self.assert_harmless(metrics)

    def test_file_that_changes_while_it_is_read(self):
        path = self.put()
        metrics = self.serve()
        stop = threading.Event()

        def rave():
            with open(path, 'r+b') as file:
                while not stop.is_set():
                    os.pwrite(file.fileno(), os.urandom(22272), self.slot)

        raver = threading.Thread(target=rave)
        raver.start()
        try:
            for _ in range(30):
                metrics.scrape()
        finally:
            stop.set()
            raver.join()
        self.assert_harmless(metrics)


class ManyFiles(LooptapTest):

    def resident_mib(self, metrics):
        status = pathlib.Path(f'/proc/{metrics.program.pid}/status').read_text()
        return int(re.search(r'VmHWM:\s+(\d+) kB', status)[1]) / 1024

    def fill(self, count):
        # Links to one file: as many names, and no space.
        first = self.segments / 'not-a-segment'
        first.write_bytes(b'')
        folder = os.open(self.segments, os.O_RDONLY)
        try:
            for number in range(count - 1):
                os.link(first.name, f'not-a-segment-{number}', src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def test_many_files_are_refused_in_bounded_memory_and_time(self):
        self.fill(MANY)
        metrics = self.serve()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total'), 5)
        lines = metrics.program.err.count('\n')
        start = time.monotonic()
        again = metrics.scrape()
        seconds = time.monotonic() - start
        self.assertEqual(metrics.program.err.count('\n'), lines, 'it says the same once more')
        self.assertEqual(again.find('looptap_rejected_segments_total'),
                         scrape.find('looptap_rejected_segments_total'))
        # Of more than it looks at, the rest counts as one.
        refused = {labels['reason']: value
                   for labels, value in again.find('looptap_rejected_segments_total') if value}
        self.assertEqual(refused, {'foreign': MOST_FILES, 'too_many': 1})
        self.assertLessEqual(lines, MANY + 2)
        self.assertLess(self.resident_mib(metrics), 128 if MANY <= FEW else 512)
        self.assertLess(seconds, 1 if MANY <= FEW else 10)

    def test_few_files_are_refused_each(self):
        self.fill(10)
        metrics = self.serve()
        self.assertEqual(metrics.scrape().value('looptap_rejected_segments_total', reason='foreign'), 10)
        self.assertEqual(metrics.scrape().value('looptap_rejected_segments_total', reason='too_many'), 0)
        self.assertLess(self.resident_mib(metrics), 64)
