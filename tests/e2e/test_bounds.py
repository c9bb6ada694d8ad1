"""What others decide is bounded: the loops of one user and of all, names of one file, descriptors, lines of the log."""

import fcntl
import mmap
import os
import pathlib
import re
import resource
import struct
import time

from e2e.bpf_test import BpfTest
from e2e.harness import LOOPTAP, NOBODY, PLAIN_EPOLL, PROBE, LooptapTest, require_root, wait_until

# Offsets in the header and of a region, see preload/segment_layout.h.
FILE_SIZE, PID, CREATED, LOOPS_USED, LOOPS_COUNT, LOOPS_OFFSET = 16, 28, 48, 64, 212, 216
HEADER, STRIDE = 8192, 24576
HEAD = 4096  # what is copied of a slot: the rest is a hole
F_OFD_SETLK = 37
MOST_LOOPS = 1024  # of a segment

FEW_DESCRIPTORS = 64
NONE_LEFT = 3  # the standard ones are there
MANY_PROCESSES = 1000


def limit(metrics, descriptors):
    """How many the exporter may have from now on; what it has it keeps."""
    pid = metrics.program.pid
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


class Bounds(LooptapTest):

    def setUp(self):
        super().setUp()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        [good] = self.segments.iterdir()
        content = good.read_bytes()
        good.unlink()
        [offset] = struct.unpack_from('=Q', content, LOOPS_OFFSET)
        self.header, self.slot = content[:4096], content[offset:offset + HEAD]
        self.made = 0

    def make_segment(self, loops, user=None):
        """The segment of a living process: it holds its lock until the test ends, and no descriptor."""
        self.made += 1
        header = bytearray(self.header)
        for offset, form, value in ((FILE_SIZE, 'Q', HEADER + loops * STRIDE), (PID, 'I', self.made),
                                    (CREATED, 'Q', time.monotonic_ns()), (LOOPS_USED, 'Q', loops),
                                    (LOOPS_COUNT, 'I', loops), (LOOPS_OFFSET, 'QQ', (HEADER, STRIDE))):
            struct.pack_into('=' + form, header, offset, *(value if isinstance(value, tuple) else [value]))
        path = self.segments / f'.new-{self.made}'
        with open(path, 'w+b') as file:
            file.truncate(HEADER + loops * STRIDE)
            os.pwrite(file.fileno(), header, 0)
            for loop in range(loops):
                os.pwrite(file.fileno(), self.slot, HEADER + loop * STRIDE)
            os.fchmod(file.fileno(), 0o644)
            if user is not None:
                os.fchown(file.fileno(), user, user)
            fcntl.fcntl(file, F_OFD_SETLK, struct.pack('=hhqqi4x', fcntl.F_RDLCK, 0, 0, 0, 0))
            mapping = mmap.mmap(file.fileno(), 4096)
        self.addCleanup(mapping.close)
        name = self.segments / f'{self.made}-1-1'
        path.rename(name)
        return name

    def loops_by_process(self, scrape):
        """{pid: how many loops are shown}"""
        counts = {}
        for labels, _ in scrape.find('eventloop_waits_total'):
            counts[labels['pid']] = counts.get(labels['pid'], 0) + 1
        return counts

    def refused(self, scrape):
        return {labels['reason']: value
                for labels, value in scrape.find('looptap_rejected_segments_total') if value}

    def resident_mib(self, metrics):
        status = pathlib.Path(f'/proc/{metrics.program.pid}/status').read_text()
        return int(re.search(r'VmHWM:\s+(\d+) kB', status)[1]) / 1024

    # ---- Names

    def test_a_file_with_many_names_counts_once(self):
        first = self.make_segment(MOST_LOOPS)
        for number in range(99):
            os.link(first, self.segments / f'link-{number}')
        metrics = self.serve()
        for _ in range(2):
            scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), MOST_LOOPS)
        self.assertEqual(self.refused(scrape), {'link': 99})
        self.assertLess(self.resident_mib(metrics), 256)

    def test_a_link_counts_when_the_first_name_is_gone(self):
        first = self.make_segment(1)
        os.link(first, self.segments / 'link')
        metrics = self.serve('--segments.linger=0s')
        self.assertEqual(self.refused(metrics.scrape()), {'link': 1})
        first.unlink()
        self.assertEqual(len(metrics.scrape().find('eventloop_waits_total')), 1)

    def test_two_files_count_twice(self):
        """The null control."""
        self.make_segment(3), self.make_segment(3)
        scrape = self.serve().scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 6)
        self.assertEqual(self.refused(scrape), {})

    # ---- Loops

    def test_the_user_of_more_than_a_fair_share_loses(self):
        require_root('to give files to another user')
        for _ in range(5):
            self.make_segment(200)
        modest = str(self.made + 1)
        self.make_segment(3, NOBODY)
        metrics = self.serve('--segments.max-loops=100')
        for _ in range(3):
            scrape = metrics.scrape()
        shown = self.loops_by_process(scrape)
        self.assertEqual(shown, {'1': 97, modest: 3})
        self.assertEqual(scrape.value('looptap_dropped_loops_total', reason='max_loops'), 1003 - 100)
        self.assertEqual(metrics.program.err.count('more loops than --segments.max-loops'), 1, metrics.program)
        self.assertIn('100 of 1003', metrics.program.err)

    def test_who_comes_later_gets_a_fair_share(self):
        require_root('to give files to another user')
        self.make_segment(200)
        metrics = self.serve('--segments.max-loops=100')
        self.assertEqual(self.loops_by_process(metrics.scrape()), {'1': 100})
        self.make_segment(60, NOBODY)
        self.assertEqual(self.loops_by_process(metrics.scrape()), {'1': 50, '2': 50})

    def test_those_that_were_shown_stay(self):
        for _ in range(4):
            self.make_segment(30)
        metrics = self.serve('--segments.max-loops=100')
        before = self.loops_by_process(metrics.scrape())
        self.make_segment(1)
        self.assertEqual(self.loops_by_process(metrics.scrape()), before)
        self.assertEqual(sum(before.values()), 100)

    def test_all_are_shown_that_are_no_more_than_the_limit(self):
        """The null control."""
        for _ in range(4):
            self.make_segment(25)
        metrics = self.serve('--segments.max-loops=100')
        scrape = metrics.scrape()
        self.assertEqual(sum(self.loops_by_process(scrape).values()), 100)
        self.assertEqual(scrape.total('looptap_dropped_loops_total'), 0)
        self.assertEqual(metrics.program.err.count('\n'), 1, metrics.program)

    # ---- Descriptors

    def descriptors(self, metrics):
        return len(os.listdir(f'/proc/{metrics.program.pid}/fd'))

    def serve_with(self, descriptors):
        return self.serve(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                                (descriptors, descriptors)))

    def test_few_descriptors_serve_many_processes(self):
        for _ in range(MANY_PROCESSES):
            self.make_segment(1)
        metrics = self.serve_with(FEW_DESCRIPTORS)
        for _ in range(3):
            began = time.monotonic()
            scrape = metrics.scrape()
            self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(len(scrape.find('eventloop_waits_total')), MANY_PROCESSES)
        self.assertEqual(scrape.value('looptap_processes', state='live', source='segments'), MANY_PROCESSES)
        self.assertEqual(self.refused(scrape), {})
        self.assertEqual(scrape.total('looptap_shortages_total'), 0)
        self.assertLess(self.descriptors(metrics), FEW_DESCRIPTORS)

        cpu = self.cpu_seconds(metrics)
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + 2, 'two seconds of idleness')
        self.assertLess(self.cpu_seconds(metrics) - cpu, 1, 'it spins')

    def cpu_seconds(self, metrics):
        return sum(int((task / 'schedstat').read_text().split()[0]) / 1e9
                   for task in pathlib.Path(f'/proc/{metrics.program.pid}/task').iterdir())

    def test_enough_descriptors_are_kept(self):
        """The null control: what is read at each scrape stays open where it may."""
        for _ in range(100):
            self.make_segment(1)
        metrics = self.serve_with(1024)
        metrics.scrape()
        self.assertGreater(self.descriptors(metrics), 100)

    def test_what_could_not_be_opened_is_shown_when_it_can(self):
        metrics = self.serve()
        metrics.scrape()
        limit(metrics, NONE_LEFT)
        names = [self.make_segment(1) for _ in range(40)]
        wait_until(lambda: 'Too many open files' in metrics.program.err, 'it tells what is short')
        limit(metrics, 1024)
        wait_until(lambda: len(metrics.scrape().find('eventloop_waits_total')) == len(names), 'all are shown')
        scrape = metrics.scrape()
        self.assertEqual(self.refused(scrape), {})
        self.assertGreater(scrape.value('looptap_shortages_total', of='descriptors'), 0)
        self.assertEqual(scrape.value('looptap_shortages_total', of='memory'), 0)

    # ---- Lines

    def test_lines_about_files_are_limited(self):
        for number in range(100):
            (self.segments / f'junk-{number}').write_text('junk')
        metrics = self.serve()
        for _ in range(3):
            scrape = metrics.scrape()
        self.assertEqual(self.refused(scrape), {'foreign': 100})
        self.assertEqual(metrics.program.err.count('not a segment'), 10, metrics.program)
        self.assertEqual(scrape.value('looptap_suppressed_log_lines_total'), 90)

    def test_few_lines_are_all_written(self):
        """The null control."""
        for number in range(5):
            (self.segments / f'junk-{number}').write_text('junk')
        metrics = self.serve()
        scrape = metrics.scrape()
        self.assertEqual(metrics.program.err.count('not a segment'), 5)
        self.assertEqual(scrape.value('looptap_suppressed_log_lines_total'), 0)

    def test_a_long_line_is_cut(self):
        folder = self.segments
        for _ in range(20):
            folder /= 'n' * 255
        program = self.run_program([LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0', f'--segments.dir={folder}'])
        [line] = program.err.splitlines()
        self.assertLess(len(line), 4096)
        self.assertTrue(line.endswith('...'), line[-100:])


class BpfBounds(BpfTest):
    """The BPF source, short of descriptors, costs only what it cannot look at now."""

    def test_what_cannot_be_looked_at_is_looked_at_again(self):
        metrics = self.measure()
        program = self.start([PLAIN_EPOLL, '1000000'])
        wait_until(lambda: metrics.scrape().find('eventloop_waits_total', pid=str(program.pid)), 'it is measured')
        limit(metrics, NONE_LEFT)
        wait_until(lambda: 'cannot look at the processes that run' in metrics.program.err, 'it tells what it cannot')
        limit(metrics, 1024)
        scrape = metrics.scrape()
        self.assertGreater(scrape.value('looptap_errors_total', where='bpf_iterator'), 0)
        self.assertEqual(scrape.value('looptap_errors_total', where='bpf'), 0)
        self.assertEqual(len(scrape.find('eventloop_waits_total', pid=str(program.pid))), 1)
        self.assertEqual(scrape.value('looptap_processes', state='live', source='bpf'), 1)
