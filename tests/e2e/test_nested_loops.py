"""A loop that runs inside an iteration of another one."""

from e2e.harness import wait_until
from e2e.own_records import VictimTest, own_records

OUTER, INNER = {'loop': '0'}, {'loop': '1'}


class NestedLoops(VictimTest):

    def test_inner_loop_is_part_of_the_outer_iterations(self):
        metrics = self.serve()
        outer = own_records(self.run_victim('nested_loops'))['outer']
        scrape = metrics.scrape()
        self.assert_figures(scrape, outer, **OUTER)
        self.assertEqual(self.iterations_longer_than(scrape, 0.05, **OUTER), 2)

    def test_inner_loop_is_measured_while_it_runs(self):
        metrics = self.serve()
        inner = own_records(self.run_victim('nested_loops'))['inner']
        self.assert_figures(metrics.scrape(), inner, **INNER)

    def blocked(self, scrape, labels):
        return scrape.value('eventloop_blocked_seconds', **labels)

    def test_inner_loop_is_never_blocked_once_the_outer_one_runs_again(self):
        metrics = self.serve()
        program = self.start_victim('nested_loops', 'slowly')
        self.wait_for(program, 'outer waits')
        wait_until(lambda: self.blocked(metrics.scrape(), OUTER) == 0, 'nothing is blocked')

        self.go_on(program, 'inner waits')
        wait_until(lambda: self.blocked(metrics.scrape(), OUTER) > 0.1,
                   'the outer loop is blocked while the inner one waits')
        self.assertEqual(self.blocked(metrics.scrape(), INNER), 0)

        self.go_on(program, 'inner works')
        scrape = wait_until(lambda: (scrape := metrics.scrape())
                            and self.blocked(scrape, INNER) > 0.1 and scrape,
                            'the inner loop is blocked while it works')
        self.assertGreater(self.blocked(scrape, OUTER), self.blocked(scrape, INNER))

        self.go_on(program, 'back')
        scrape = wait_until(lambda: (scrape := metrics.scrape())
                            and self.blocked(scrape, OUTER) == 0 and scrape, 'the outer loop waits')
        inner_time = self.times(scrape, **INNER)
        waited = scrape.value('eventloop_wait_seconds_total', **OUTER)
        later = self.assert_never_blocked(
            metrics,
            lambda scrape: scrape.value('eventloop_wait_seconds_total', **OUTER) > waited + 0.3)
        self.assertEqual(self.times(later, **INNER), inner_time)
        self.go_on(program)

    def test_loop_that_another_thread_turns_away_from_is_blocked(self):
        metrics = self.serve()
        program = self.start_victim('nested_loops', 'thread')
        self.wait_for(program, 'inner works')
        wait_until(lambda: self.blocked(metrics.scrape(), INNER) > 0.1, 'it is blocked')
        self.go_on(program)


class NestedLoopsOnMusl(NestedLoops):
    libc = 'musl'
