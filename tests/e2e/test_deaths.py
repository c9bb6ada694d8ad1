"""Deaths: what is left of a process, and for how long."""

import signal
import subprocess

from e2e.harness import PLAIN_EPOLL, PROBE, PROGRAMS, PYTHON, LooptapTest, wait_until


class Deaths(LooptapTest):

    def frozen_program(self):
        program = self.start([PYTHON, PROGRAMS / 'asyncio_freezes.py'], [PROBE], stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in program.out, f'{program} is ready')
        return program

    def test_process_killed_in_a_stall_is_counted_and_logged(self):
        metrics = self.serve()
        program = self.frozen_program()
        program.say('60')
        wait_until(lambda: metrics.scrape().value('eventloop_blocked_seconds') > 1.5, 'it is blocked')
        program.process.kill()
        program.wait()
        wait_until(lambda: metrics.scrape().value('looptap_deaths_in_stall_total') == 1, 'its death is counted')
        self.assertRegex(metrics.program.err, r'died without exiting while loop 0 .* had been away for at least')
        self.assertEqual(metrics.scrape().value('eventloop_blocked_seconds'), 0)

    def test_process_killed_while_it_waits_is_not_counted(self):
        metrics = self.serve()
        program = self.frozen_program()
        wait_until(lambda: metrics.scrape().value('eventloop_wait_seconds_total') > 0.3, 'it waits')
        program.process.kill()
        program.wait()
        wait_until(lambda: metrics.scrape().value('looptap_processes', state='ended') == 1, 'its death is seen')
        self.assertEqual(metrics.scrape().value('looptap_deaths_in_stall_total'), 0)

    def test_exit_at_the_end_of_a_stall_is_not_counted(self):
        metrics = self.serve()
        program = self.start([PYTHON, '-c', """
import select, sys, time
poll = select.epoll()
poll.poll(0.01)
print("away", flush=True)
time.sleep(1.5)
sys.exit(3)
"""], [PROBE])
        wait_until(lambda: 'away' in program.out, 'it is away')
        wait_until(lambda: metrics.scrape().value('eventloop_blocked_seconds') > 0.5, 'it is blocked')
        self.assertEqual(program.wait(), 3)
        wait_until(lambda: metrics.scrape().value('looptap_processes', state='ended') == 1, 'its end is seen')
        self.assertEqual(metrics.scrape().value('looptap_deaths_in_stall_total'), 0)
        self.assertEqual(metrics.scrape().value('eventloop_stalls_total'), 1)

    def test_final_figures_stay_for_the_linger_time_and_then_vanish(self):
        metrics = self.serve('--segments.linger=2s')
        self.run_program([PLAIN_EPOLL, '7'], preload=[PROBE])
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 7)
        wait_until(lambda: not metrics.scrape().find('eventloop_waits_total'), 'its series vanish')

    def test_restarted_exporter_shows_no_counter_lower(self):
        program = self.start([PLAIN_EPOLL, '100000'], [PROBE])
        first = self.serve()
        wait_until(lambda: first.scrape().total('eventloop_waits_total') > 20, 'it is measured')
        before = first.scrape()
        self.assertEqual(first.program.stop(signal.SIGTERM), 0)
        after = self.serve().scrape()
        counters = [name for name in {sample[0] for sample in before.samples}
                    if name.startswith('eventloop_') and name.endswith(('_total', '_count', '_sum', '_bucket'))]
        self.assertGreater(len(counters), 10)
        for name in counters:
            for labels, value in before.find(name):
                with self.subTest(name, **labels):
                    self.assertGreaterEqual(after.value(name, **labels), value)

    def test_two_exporters_serve_the_same(self):
        first, second = self.serve(), self.serve()
        self.run_program([PLAIN_EPOLL, '9'], preload=[PROBE])
        loops = [{(name, tuple(sorted(labels.items()))): value for name, labels, value in metrics.scrape().samples
                  if name.startswith('eventloop_')} for metrics in (first, second)]
        self.assertEqual(loops[0], loops[1])
        self.assertTrue(loops[0])


class Window(LooptapTest):
    """The summary's quantiles do not depend on who looks, and how often."""

    def test_a_busy_scraper_changes_nothing_for_another(self):
        calm, busy = self.serve('--latency.window=2s'), self.serve('--latency.window=2s')
        self.start([PYTHON, PROGRAMS / 'asyncio_period.py', '0.2', '0.5'], [PROBE])

        def p99(metrics):
            return [value for _, value in
                    metrics.scrape().find('eventloop_latency_quantile_seconds', quantile='0.99')]

        wait_until(lambda: p99(busy) and 0.15 < p99(busy)[0] < 0.3, 'the busy one knows the p99')
        for _ in range(100):
            p99(busy)
        self.assertAlmostEqual(p99(calm)[0], p99(busy)[0], delta=0.03)

    def test_what_is_over_leaves_the_window(self):
        metrics = self.serve('--latency.window=1s')
        program = self.start([PYTHON, PROGRAMS / 'asyncio_freezes.py'], [PROBE], stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in program.out, 'it is ready')

        def p99():
            return metrics.scrape().value('eventloop_latency_quantile_seconds', quantile='0.99')

        program.say('0.5')
        wait_until(lambda: p99() > 0.2, 'the block is in the window')
        wait_until(lambda: p99() < 0.05, 'the block has left the window')
