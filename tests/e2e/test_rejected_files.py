"""What is not a segment: counted once by its reason, told in one line, and the good ones are served."""

import os
import shutil
import struct
import time

from e2e.harness import PLAIN_EPOLL, PROBE, LooptapTest, request, require_root

# Offsets in the header, see preload/segment_layout.h,
VERSION, HEADER_SIZE, FILE_SIZE, PID, CREATED = 8, 12, 16, 28, 48
BOOT_ID, REGION_COUNT, REGIONS = 80, 200, 208
LOOPS_COUNT, LOOPS_OFFSET, LOOPS_STRIDE = REGIONS + 4, REGIONS + 8, REGIONS + 16
# and in a slot.
STATE, SETTLED, AWAY_SINCE, WAITS, WAIT_NS, ITERATIONS = 0, 8, 16, 64, 88, 256
A_DAY_NS = 86_400 * 10 ** 9


class RejectedFiles(LooptapTest):

    def setUp(self):
        super().setUp()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        [self.good] = self.segments.iterdir()
        self.bad = self.segments / 'bad'

    def copy_with(self, offset, layout, *values):
        """A copy of the good segment, of another process, in which something is written over."""
        content = bytearray(self.good.read_bytes())
        struct.pack_into('=I', content, PID, 1)
        struct.pack_into('=' + layout, content, offset, *values)
        self.bad.write_bytes(content)

    def change_loop(self, **words):
        """Writes over words of its loop, in place, as the process would."""
        content = bytearray(self.bad.read_bytes())
        [slot] = struct.unpack_from('=Q', content, LOOPS_OFFSET)
        for name, value in words.items():
            struct.pack_into('=Q', content, slot + globals()[name], value)
        with open(self.bad, 'r+b') as file:
            file.write(content)

    def assert_counted_once(self, reason, metrics=None):
        metrics = metrics or self.serve()
        for _ in range(3):
            scrape = metrics.scrape()
        counts = {labels['reason']: value
                  for labels, value in scrape.find('looptap_rejected_segments_total') if value}
        self.assertEqual(counts, {reason: 1})
        self.assertEqual(metrics.program.err.count(str(self.bad)), 1, metrics.program.err)
        self.assertEqual(scrape.value('eventloop_waits_total'), 5)
        self.assertEqual(scrape.total('looptap_processes'), 1)

    def assert_all_good(self, metrics=None, waits=10):
        metrics = metrics or self.serve()
        for _ in range(3):
            scrape = metrics.scrape()
        self.assertEqual(scrape.total('looptap_rejected_segments_total'), 0)
        self.assertEqual(scrape.total('eventloop_waits_total'), waits)

    def test_good_segment_is_not_rejected(self):
        metrics = self.serve()
        for _ in range(3):
            scrape = metrics.scrape()
        self.assertEqual(scrape.total('looptap_rejected_segments_total'), 0)
        self.assertEqual(metrics.program.err.count('\n'), 1, 'the URL is all that it says')

    def test_copy_of_a_segment_is_not_rejected(self):
        # Null control of the ones below, which are changed copies.
        self.copy_with(VERSION, 'I', 1)
        self.assert_all_good()

    def test_empty_file(self):
        self.bad.write_bytes(b'')
        self.assert_counted_once('foreign')

    def test_foreign_file(self):
        self.bad.write_text('not a segment\n' * 100)
        self.assert_counted_once('foreign')

    def test_foreign_file_without_end(self):
        with open(self.bad, 'wb') as file:
            file.truncate(1 << 40)
        self.assert_counted_once('foreign')

    def test_other_version(self):
        self.copy_with(VERSION, 'I', 2)
        self.assert_counted_once('version')

    def test_segment_cut_in_its_loops(self):
        self.bad.write_bytes(self.good.read_bytes()[:20000])
        self.assert_counted_once('truncated')

    def test_segment_cut_in_its_header(self):
        self.bad.write_bytes(self.good.read_bytes()[:100])
        self.assert_counted_once('truncated')

    def test_file_size_that_is_not_the_files(self):
        self.copy_with(FILE_SIZE, 'Q', 1 << 60)
        self.assert_counted_once('truncated')

    def test_too_many_regions(self):
        self.copy_with(REGION_COUNT, 'I', 9)
        self.assert_counted_once('malformed')

    def test_no_regions(self):
        self.copy_with(REGION_COUNT, 'I', 0)
        self.assert_counted_once('malformed')

    def test_loops_beyond_the_end(self):
        self.copy_with(LOOPS_COUNT, 'I', 1000)
        self.assert_counted_once('malformed')

    def test_loops_at_an_offset_that_overflows(self):
        self.copy_with(LOOPS_OFFSET, 'Q', (1 << 64) - 4096)
        self.assert_counted_once('malformed')

    def test_loops_of_no_size(self):
        self.copy_with(LOOPS_STRIDE, 'Q', 0)
        self.assert_counted_once('malformed')

    def test_header_of_no_size(self):
        self.copy_with(HEADER_SIZE, 'I', 0)
        self.assert_counted_once('malformed')

    def test_segment_of_another_boot(self):
        self.copy_with(BOOT_ID, '36s', b'00000000-0000-4000-8000-000000000000')
        self.assert_counted_once('other_boot')

    def test_segment_made_in_the_future(self):
        self.copy_with(CREATED, 'Q', time.monotonic_ns() + A_DAY_NS)
        self.assert_counted_once('future')

    def test_loop_that_moves_in_the_future(self):
        self.copy_with(VERSION, 'I', 1)
        self.change_loop(STATE=0, SETTLED=0, AWAY_SINCE=time.monotonic_ns() + A_DAY_NS)
        self.assert_counted_once('future')

    def test_loop_that_moved_in_the_past_is_not_rejected(self):
        # Null control of the one before.
        self.copy_with(VERSION, 'I', 1)
        self.change_loop(STATE=0, SETTLED=0, AWAY_SINCE=time.monotonic_ns() - 10 ** 9)
        self.assert_all_good()

    def test_more_time_than_there_has_been(self):
        self.copy_with(VERSION, 'I', 1)
        self.change_loop(WAIT_NS=time.monotonic_ns() + A_DAY_NS)
        self.assert_counted_once('implausible')

    def test_more_iterations_than_there_have_been_nanoseconds(self):
        self.copy_with(VERSION, 'I', 1)
        self.change_loop(ITERATIONS=1 << 62)
        self.assert_counted_once('implausible')

    def test_as_much_time_as_there_has_been_is_not_rejected(self):
        # Null control of the ones before.
        self.copy_with(VERSION, 'I', 1)
        self.change_loop(WAIT_NS=time.monotonic_ns() // 2, ITERATIONS=1000)
        self.assert_all_good()

    def serve_both(self, **words):
        """An exporter that shows the good one and a copy, in which the loop has these words."""
        self.copy_with(VERSION, 'I', 1)
        self.change_loop(**words)
        metrics = self.serve()
        self.assertEqual(metrics.scrape().total('eventloop_waits_total'), 10)
        return metrics

    def test_counter_that_goes_back(self):
        metrics = self.serve_both()
        self.change_loop(WAITS=4)
        self.assert_counted_once('regressed', metrics)

    def test_bucket_that_goes_back(self):
        metrics = self.serve_both(ITERATIONS=1000)
        self.change_loop(ITERATIONS=999, WAITS=6)
        self.assert_counted_once('regressed', metrics)

    def test_counters_that_go_on_are_not_rejected(self):
        # Null control of the ones before.
        metrics = self.serve_both(ITERATIONS=1000)
        self.change_loop(ITERATIONS=1001, WAITS=6)
        self.assert_all_good(metrics, waits=11)

    def test_directory(self):
        self.bad.mkdir()
        self.assert_counted_once('not_a_file')

    def test_fifo(self):
        os.mkfifo(self.bad)
        self.assert_counted_once('not_a_file')

    def test_symlink_to_a_good_segment(self):
        target = self.folder / 'target'
        shutil.copy(self.good, target)
        self.bad.symlink_to(target)
        self.assert_counted_once('not_a_file')

    def test_dangling_symlink(self):
        self.bad.symlink_to('nowhere')
        self.assert_counted_once('not_a_file')

    def test_device(self):
        require_root('makes a device')
        try:
            os.mknod(self.bad, 0o020666, os.makedev(1, 5))  # /dev/zero
        except PermissionError as error:
            self.skipTest(f'devices cannot be made here: {error}')
        self.assert_counted_once('not_a_file')

    def test_segment_that_may_not_be_read(self):
        shutil.copy(self.good, self.bad)
        self.bad.chmod(0o000)
        metrics = self.serve(**self.unprivileged())
        self.assert_counted_once('unreadable', metrics)

    def test_name_with_a_newline_is_told_in_one_line(self):
        (self.segments / 'two\nlines').write_text('')
        metrics = self.serve()
        metrics.scrape()
        self.assertEqual(metrics.program.err.count('\n'), 2, metrics.program.err)

    def test_file_that_replaces_a_bad_one_is_looked_at_anew(self):
        self.copy_with(VERSION, 'I', 2)
        metrics = self.serve()
        self.assertEqual(metrics.scrape().total('looptap_processes'), 1)
        self.bad, replaced = self.segments / '.new', self.bad
        self.copy_with(VERSION, 'I', 1)
        self.bad.rename(replaced)
        self.assertEqual(metrics.scrape().total('looptap_processes'), 2)

    def test_segment_that_shrinks_while_it_is_shown_stops_nothing(self):
        self.copy_with(VERSION, 'I', 1)
        metrics = self.serve()
        self.assertEqual(metrics.scrape().total('looptap_processes'), 2)
        os.truncate(self.bad, 0)
        self.assertEqual(request(metrics.port, '/metrics').status, 200)
        self.assertIsNone(metrics.program.process.poll(), metrics.program)
