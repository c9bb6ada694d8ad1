"""A tiny C program that waits a known number of times, against glibc, musl, and static."""

from e2e.harness import (COUNT_WAITS, MUSL_PLAIN_EPOLL, PLAIN_EPOLL, PROBE, STATIC_PLAIN_EPOLL,
                         LooptapTest)

WAITS = 300


class PlainC(LooptapTest):

    def run_victim(self, victim, preload):
        if not victim.exists():
            self.fail(f'{victim} has not been built')
        program = self.run_program([victim, WAITS], preload=preload)
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(program.out, f'{WAITS}\n')
        self.assertEqual(program.err, '')
        return program

    def assert_measured(self, victim):
        metrics = self.serve()
        program = self.run_victim(victim, [PROBE])
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total', process='plain_epoll',
                                      pid=str(program.pid)), WAITS)
        # The last iteration is still open when the program ends.
        self.assertEqual(scrape.value('eventloop_iteration_seconds_count'), WAITS - 1)

    def test_glibc_program_is_measured(self):
        self.assert_measured(PLAIN_EPOLL)

    def test_musl_program_is_measured(self):
        self.assert_measured(MUSL_PLAIN_EPOLL)

    def test_glibc_program_without_the_probe_is_not(self):
        metrics = self.serve()
        program = self.run_victim(PLAIN_EPOLL, [COUNT_WAITS])
        self.assertEqual(self.returned_waits(program.pid), WAITS)
        self.assert_no_loops(metrics)

    def test_musl_program_without_the_probe_is_not(self):
        metrics = self.serve()
        self.run_victim(MUSL_PLAIN_EPOLL, [])
        self.assert_no_loops(metrics)

    def test_static_program_runs_unmeasured(self):
        metrics = self.serve()
        self.run_victim(STATIC_PLAIN_EPOLL, [PROBE])
        self.assert_no_loops(metrics)

    def test_every_timed_out_wait_has_a_wakeup_delay(self):
        metrics = self.serve()
        self.run_victim(PLAIN_EPOLL, [PROBE])
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_wakeup_delay_seconds_count'), WAITS)
        self.assertEqual(scrape.value('eventloop_events_total'), 0)
