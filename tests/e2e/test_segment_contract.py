"""docs/segment.md is the layout, and is enough to write a segment that the exporter serves."""

import math
import os
import subprocess

from e2e.harness import PROGRAMS, PYTHON, ROOT, LooptapTest, find_program, wait_until
from e2e.segment_page import SegmentPage

PAGE = ROOT / 'docs/segment.md'


def claims(page):
    """What the page says, as assertions in C."""
    for struct in page.structs.values():
        yield f'sizeof(struct {struct.name}) == {struct.size}'
        for field, (offset, size) in struct.fields.items():
            yield f'__builtin_offsetof(struct {struct.name}, {field}) == {offset}'
            yield f'sizeof(((struct {struct.name}*)0)->{field}) == {size}'
    for name, value in page.constants.items():
        yield f'{name} == {value}u' if value < 2 ** 32 else f'{name} == {value}ull'


class Tables(LooptapTest):

    def complaints(self, page):
        """What the compiler says of the page's claims."""
        program = '#include "preload/segment_layout.h"\n' + ''.join(
            f'_Static_assert({claim}, "{claim}");\n' for claim in claims(page))
        run = subprocess.run([find_program('gcc'), '-I.', '-fsyntax-only', '-x', 'c', '-'], cwd=ROOT, input=program,
                             stderr=subprocess.PIPE, text=True)
        return run.stderr

    def test_are_the_layout(self):
        self.assertEqual(self.complaints(SegmentPage(PAGE.read_text())), '')

    def test_leave_out_no_byte(self):
        page = SegmentPage(PAGE.read_text())
        self.assertEqual(len(page.structs), 5)
        for struct in page.structs.values():
            end = 0
            for field, (offset, size) in struct.fields.items():
                self.assertEqual(offset, end, f'{struct.name}.{field}')
                end = offset + size
            self.assertEqual(end, struct.size, struct.name)

    def test_a_wrong_figure_is_found(self):
        # Null control of the first one: an offset, and a constant.
        for right, wrong in (('| 28 | 4 | `pid` |', '| 24 | 4 | `pid` |'), ('| 64 | entries of', '| 65 | entries of')):
            text = PAGE.read_text()
            self.assertIn(right, text)
            self.assertIn('static assertion failed', self.complaints(SegmentPage(text.replace(right, wrong))))

    def test_reasons_are_those_of_the_exporter(self):
        metrics = self.serve()
        reasons = {labels['reason'] for labels, _ in metrics.scrape().find('looptap_rejected_segments_total')}
        section = PAGE.read_text().split('## What a reader refuses')[1].split('\n## ')[0]
        self.assertEqual({line.split('`')[1] for line in section.splitlines() if line.startswith('| `')}, reasons)


class Writer(LooptapTest):
    """tests/e2e/programs/writes_segment.py, and what the exporter makes of it."""

    def write(self, *flags):
        program = self.start([PYTHON, '-B', PROGRAMS / 'writes_segment.py', self.segments, *flags],
                             stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in program.out or program.process.poll() is not None, f'{program} has written')
        self.assertIsNone(program.process.poll(), program)
        return program

    def tell(self, program, line):
        answers = program.out.count('ok')
        program.say(line)
        wait_until(lambda: program.out.count('ok') > answers, f'{program} has done it')

    def test_figures_are_served(self):
        program = self.write()
        scrape = self.serve().scrape()
        loop = {'process': 'by-the-page', 'pid': str(program.pid), 'loop': '0', 'thread': 'writer'}
        self.assertEqual(scrape.value('looptap_processes', state='live'), 1)
        self.assertEqual(scrape.value('eventloop_waits_total', **loop), 6)
        self.assertEqual(scrape.value('eventloop_events_total', **loop), 7)
        self.assertEqual(scrape.value('eventloop_stalls_total', **loop), 1)
        self.assertEqual(scrape.value('eventloop_blocked_seconds', **loop), 0)

        # HISTORY, in ms: iterations of 300, 20, 20 and three of 0.1; waits of 100, 50, 57, 30, 10 and the open one; one
        # poll of 1; one that came 7 late.
        iterations = dict(scrape.buckets('eventloop_iteration_seconds', **loop))
        closed = scrape.value('eventloop_iteration_seconds_count', **loop)
        self.assertEqual(closed, 6)
        self.assertEqual([closed - iterations[bound] for bound in (0.01, 0.025, 0.25, 0.5)], [3, 1, 1, 0])
        self.assertAlmostEqual(scrape.value('eventloop_iteration_seconds_sum', **loop), 0.3403, 9)
        self.assertAlmostEqual(scrape.value('eventloop_busy_seconds_total', **loop), 0.3413, 9)
        self.assertGreaterEqual(scrape.value('eventloop_wait_seconds_total', **loop), 0.247)
        self.assertEqual([count for _, count in scrape.buckets('eventloop_wakeup_delay_seconds', **loop)],
                         [0, 0, 0, 0, 1, 1, 1, 1, 1])
        self.assertAlmostEqual(scrape.value('eventloop_wakeup_delay_seconds_sum', **loop), 0.007, 6)

        # sum(max(0, d - x)) of 300, 20 and 20, one observation a millisecond; each of the buckets from x to 300 ms, 32 in
        # an octave, is rounded down.
        latency = dict(scrape.buckets('eventloop_latency_seconds', **loop))
        for bound, right in ((0.01, 310), (0.1, 200), (0.25, 50)):
            found = latency[float('inf')] - latency[bound]
            self.assertLessEqual(found, right, bound)
            self.assertGreaterEqual(found, right - 32 * math.log2(0.3 / bound) - 1, bound)

    def test_process_is_found_in_proc(self):
        program = self.write()
        self.assertEqual(len(self.serve().scrape().find('eventloop_process_cpu_seconds_total', pid=str(program.pid))), 1)

    def test_it_is_followed(self):
        program = self.write()
        metrics = self.serve()
        before = metrics.scrape()
        self.tell(program, 'wait')
        after = metrics.scrape()
        for name, more in (('eventloop_waits_total', 1), ('eventloop_iteration_seconds_count', 1),
                           ('looptap_inconsistent_reads_total', 0)):
            self.assertEqual(after.value(name) - before.value(name), more, name)

    def test_open_iteration_blocks(self):
        program = self.write()
        metrics = self.serve()
        self.tell(program, 'leave')
        wait_until(lambda: metrics.scrape().value('eventloop_blocked_seconds') > 0.15, 'it is blocked')
        wait_until(lambda: metrics.scrape().value('eventloop_stalls_total') == 2, 'that is a stall')
        program.process.kill()
        program.wait()
        wait_until(lambda: metrics.scrape().value('looptap_processes', state='ended') == 1, 'its death is seen')
        self.assertEqual(metrics.scrape().value('looptap_deaths_in_stall_total'), 1)

    def test_normal_exit_is_told_from_a_death(self):
        program = self.write()
        metrics = self.serve()
        self.tell(program, 'leave')
        wait_until(lambda: metrics.scrape().value('eventloop_stalls_total') == 2, 'it is in a stall')
        program.say('exit')
        self.assertEqual(program.wait(), 0, program)
        wait_until(lambda: metrics.scrape().value('looptap_processes', state='ended') == 1, 'its end is seen')
        self.assertEqual(metrics.scrape().value('looptap_deaths_in_stall_total'), 0)

    def test_file_has_the_name_and_mode_of_the_page(self):
        program = self.write()
        [segment] = self.segments.iterdir()
        self.assertRegex(segment.name, rf'^{program.pid}-{os.stat("/proc/self/ns/pid").st_ino}-\d+$')
        self.assertEqual(segment.stat().st_mode & 0o777, 0o644)

    def test_without_its_lock_it_counts_as_dead(self):
        self.write('--no-lock')
        scrape = self.serve().scrape()
        self.assertEqual(scrape.value('looptap_processes', state='live'), 0)
        self.assertEqual(scrape.value('looptap_processes', state='ended'), 1)
        self.assertEqual(scrape.value('eventloop_waits_total'), 6)

    def test_wrong_magic_or_version_is_refused_with_the_reason(self):
        self.write('--magic=looptop\n')
        self.write('--version=2')
        metrics = self.serve()
        counts = {labels['reason']: value
                  for labels, value in metrics.scrape().find('looptap_rejected_segments_total') if value}
        self.assertEqual(counts, {'foreign': 1, 'version': 1})
        self.assert_no_loops(metrics)
