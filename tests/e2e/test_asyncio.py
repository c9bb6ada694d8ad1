"""An unmodified asyncio program: its series, and its waits one for one."""

import re
import subprocess

from e2e.harness import (COUNT_WAITS, PROBE, PROGRAMS, PYTHON, LooptapTest, find_program,
                         wait_until)

TICKS = [PYTHON, PROGRAMS / 'asyncio_ticks.py']


class Asyncio(LooptapTest):

    def rest(self, preload):
        program = self.start([*TICKS, '200', 'rest'], preload, stdin=subprocess.PIPE)
        wait_until(lambda: 'resting' in program.out, f'{program} rests')
        return program

    def test_has_one_series_with_its_name_pid_and_thread(self):
        metrics = self.serve()
        program = self.rest([PROBE])
        loops = metrics.scrape().find('eventloop_waits_total')
        self.assertEqual([labels for labels, _ in loops],
                         [{'process': 'python3', 'pid': str(program.pid), 'loop': '0',
                           'thread': 'python3'}])

    def test_without_the_probe_has_no_series(self):
        metrics = self.serve()
        program = self.rest([COUNT_WAITS])
        self.assertGreaterEqual(self.returned_waits(program.pid), 200)
        self.assert_no_loops(metrics)

    def test_waits_and_iterations_of_a_living_program_equal_its_calls(self):
        metrics = self.serve()
        self.rest([PROBE, COUNT_WAITS])
        scrape, returned = self.at_rest(metrics)
        self.assertGreaterEqual(returned, 200)
        self.assertEqual(scrape.value('eventloop_waits_total'), returned)
        self.assertEqual(scrape.value('eventloop_iteration_seconds_count'), returned)

    def test_waits_equal_the_calls_behind_another_preload(self):
        metrics = self.serve()
        self.rest([COUNT_WAITS, PROBE])
        scrape, returned = self.at_rest(metrics)
        self.assertGreaterEqual(returned, 200)
        self.assertEqual(scrape.value('eventloop_waits_total'), returned)

    def test_iterations_grow_with_the_calls_one_for_one(self):
        metrics = self.serve()
        program = self.start([PYTHON, PROGRAMS / 'asyncio_freezes.py'], [PROBE, COUNT_WAITS],
                             stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in program.out, f'{program} is ready')
        scrape, returned = self.at_rest(metrics)
        for _ in range(5):
            program.say('0')
            wait_until(lambda: self.returned_waits() > returned, 'it has waited again')
            later, more_returned = self.at_rest(metrics)
            self.assertEqual(later.value('eventloop_iteration_seconds_count')
                             - scrape.value('eventloop_iteration_seconds_count'),
                             more_returned - returned)
            scrape, returned = later, more_returned

    def test_final_figures_of_an_ended_program_equal_its_calls(self):
        metrics = self.serve()
        program = self.run_program([*TICKS, '200'], preload=[PROBE, COUNT_WAITS])
        self.assertEqual(program.wait(), 0, program)
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total'), self.returned_waits(program.pid))
        self.assertEqual(scrape.value('looptap_processes', state='ended'), 1)
        self.assertEqual(scrape.value('eventloop_blocked_seconds'), 0)

    def test_waits_equal_the_system_calls_that_strace_counts(self):
        strace = find_program('strace')
        report = self.folder / 'strace'
        metrics = self.serve()
        # -E: the probe belongs into the program, not into strace.
        program = self.run_program(
            [strace, '-f', '-c', '-U', 'calls,name', '-e', 'trace=epoll_wait,epoll_pwait',
             '-o', report, '-E', f'LD_PRELOAD={PROBE}', *TICKS, '200'])
        if 'ptrace' in program.err:
            self.skipTest(f'strace may not trace here: {program.err.strip()}')
        self.assertEqual(program.wait(), 0, program)
        calls = sum(int(number) for number in
                    re.findall(r'^\s*(\d+)\s+epoll_p?wait$', report.read_text(), re.M))
        self.assertGreaterEqual(calls, 200)
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), calls)
