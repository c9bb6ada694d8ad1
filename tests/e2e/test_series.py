"""Which series there are: a bounded number, none twice, and not for ever."""

from e2e.harness import PLAIN_EPOLL, PROBE, LooptapTest, wait_until


class Series(LooptapTest):

    def test_are_at_most_70_for_a_process_with_one_loop(self):
        metrics = self.serve()
        before = len(metrics.scrape().samples)
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        added = len(metrics.scrape().samples) - before
        self.assertGreater(added, 30)
        self.assertLessEqual(added, 70)

    def test_are_none_twice(self):
        metrics = self.serve()
        for _ in range(2):
            self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        samples = metrics.scrape().samples
        self.assertEqual(len({(name, tuple(sorted(labels.items()))) for name, labels, _ in samples}),
                         len(samples))

    def test_of_the_dead_vanish_after_the_linger(self):
        metrics = self.serve('--segments.linger=300ms')
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        self.assertEqual(metrics.scrape().value('looptap_processes', state='ended'), 1)
        wait_until(lambda: metrics.scrape().total('looptap_processes') == 0, 'it is forgotten')
        self.assert_no_loops(metrics)
