"""A loop that is frozen is seen while it is."""

import subprocess

from e2e.harness import PROBE, PROGRAMS, PYTHON, LooptapTest, wait_until


class FrozenLoop(LooptapTest):

    def setUp(self):
        super().setUp()
        self.metrics = self.serve()
        self.program = self.start([PYTHON, PROGRAMS / 'asyncio_freezes.py'], [PROBE],
                                  stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in self.program.out, f'{self.program} is ready')

    def while_frozen(self, condition, what):
        """The first scrape for which the condition holds, taken before the program goes on."""
        def holds():
            scrape = self.metrics.scrape()
            self.assertNotIn('thawed', self.program.out, f'too late to see that {what}')
            return condition(scrape) and scrape
        return wait_until(holds, what)

    def test_is_shown_as_blocked_and_afterwards_not(self):
        self.program.say('3')
        self.while_frozen(lambda scrape: scrape.value('eventloop_blocked_seconds') > 0.5,
                          'it is blocked')
        wait_until(lambda: 'thawed' in self.program.out, 'it goes on')
        wait_until(lambda: self.metrics.scrape().value('eventloop_blocked_seconds') == 0,
                   'it is not blocked any more')

    def test_is_counted_as_a_stall_before_it_ends_and_once(self):
        self.program.say('2')
        self.while_frozen(lambda scrape: scrape.value('eventloop_stalls_total') == 1,
                          'the stall is counted')
        wait_until(lambda: 'thawed' in self.program.out, 'it goes on')
        wait_until(lambda: self.metrics.scrape().value('eventloop_blocked_seconds') == 0,
                   'it is not blocked any more')
        self.assertEqual(self.metrics.scrape().value('eventloop_stalls_total'), 1)

    def test_is_in_the_quantiles_before_it_ends(self):
        self.program.say('2')
        self.while_frozen(
            lambda scrape: scrape.value('eventloop_latency_quantile_seconds', quantile='0.99') > 0.3,
            'the p99 grows')

    def test_idle_loop_is_never_blocked(self):
        for _ in range(50):
            scrape = self.metrics.scrape()
            self.assertEqual(scrape.value('eventloop_blocked_seconds'), 0)
        self.assertEqual(scrape.value('eventloop_stalls_total'), 0)

    def test_loop_that_waits_long_is_not_blocked(self):
        before = self.metrics.scrape().value('eventloop_wait_seconds_total')
        scrape = wait_until(
            lambda: (scrape := self.metrics.scrape())
            and scrape.value('eventloop_wait_seconds_total') > before + 0.5 and scrape,
            'half a second of waiting is shown')
        self.assertEqual(scrape.value('eventloop_blocked_seconds'), 0)
