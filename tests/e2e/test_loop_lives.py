"""Births and ends of loops and processes: what is one series, what is its own, what counts."""

import subprocess

from e2e.harness import COUNT_WAITS, PROBE, PROGRAMS, PYTHON, LooptapTest, wait_until


class LoopLives(LooptapTest):

    def run_script(self, name, *arguments):
        program = self.run_program([PYTHON, PROGRAMS / name, *arguments],
                                   preload=[PROBE, COUNT_WAITS])
        self.assertEqual(program.wait(), 0, program)
        return program

    def test_a_hundred_loops_one_after_the_other_are_one_series(self):
        metrics = self.serve()
        program = self.run_script('asyncio_runs.py', '100')
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total'), self.returned_waits(program.pid))
        self.assertEqual(scrape.value('looptap_dropped_loops_total', reason='no_slot'), 0)

    def test_time_between_two_loops_is_not_blocked(self):
        metrics = self.serve()
        self.run_script('asyncio_runs.py', '3', '0.3')
        self.assertLess(metrics.scrape().value('eventloop_busy_seconds_total'), 0.3)

    def test_forked_child_has_a_series_of_its_own(self):
        metrics = self.serve()
        program = self.run_script('forks.py')
        child = program.out.strip()
        scrape = metrics.scrape()
        for pid in str(program.pid), child:
            self.assertGreater(self.returned_waits(pid), 0)
            self.assertEqual(scrape.value('eventloop_waits_total', pid=pid),
                             self.returned_waits(pid))

    def test_subprocess_in_an_iteration_is_part_of_it(self):
        metrics = self.serve()
        program = self.run_script('asyncio_subprocess.py', '0.3')
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total', pid=str(program.pid)),
                         self.returned_waits(program.pid))
        self.assertEqual(scrape.value('eventloop_stalls_total', pid=str(program.pid)), 1)

    def test_nested_loop_is_part_of_the_outer_ones_iteration(self):
        metrics = self.serve()
        program = self.start([PYTHON, PROGRAMS / 'asyncio_nested.py', '0.5'], [PROBE],
                             stdin=subprocess.PIPE)
        wait_until(lambda: 'resting' in program.out, f'{program} rests')
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_stalls_total', loop='0'), 1)
        self.assertGreater(scrape.value('eventloop_busy_seconds_total', loop='0'), 0.5)
        # The inner one is still there, and nobody runs it.
        self.assertEqual(scrape.value('eventloop_waits_total', loop='1'), 1)
        self.assertEqual(scrape.value('eventloop_blocked_seconds', loop='1'), 0)
        self.assertEqual(scrape.value('eventloop_stalls_total', loop='1'), 0)
