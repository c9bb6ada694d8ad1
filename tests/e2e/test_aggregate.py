"""--metrics.aggregate=process: one set of series for all loops of a process."""

from e2e.harness import PROBE, PYTHON, LooptapTest, wait_until

TWO_LOOPS = """
import select, threading, time
def run():
    poll = select.epoll()
    for _ in range(50):
        poll.poll(0.005)
        time.sleep(0.01)
threads = [threading.Thread(target=run) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


class Aggregate(LooptapTest):

    def setUp(self):
        super().setUp()
        self.run_program([PYTHON, '-c', TWO_LOOPS], preload=[PROBE])

    def test_loops_of_a_process_are_one(self):
        scrape = self.serve('--metrics.aggregate=process').scrape()
        labels, waits = scrape.find('eventloop_waits_total')[0]
        self.assertEqual(set(labels), {'process', 'pid'})
        self.assertEqual(waits, 100)

    def test_loops_are_shown_one_by_one_unasked(self):
        scrape = self.serve().scrape()
        self.assertEqual([value for _, value in scrape.find('eventloop_waits_total')], [50, 50])

    def test_both_say_the_same_of_the_whole(self):
        """But for what is rounded down, bucket by bucket."""
        whole = self.serve('--metrics.aggregate=process').scrape()
        parts = self.serve().scrape()
        for name in ('eventloop_busy_seconds_total', 'eventloop_wait_seconds_total',
                     'eventloop_iteration_seconds_count', 'eventloop_iteration_seconds_sum'):
            with self.subTest(name):
                self.assertAlmostEqual(whole.value(name), parts.total(name), places=6)
        count = 'eventloop_latency_seconds_count'
        self.assertAlmostEqual(whole.value(count), parts.total(count), delta=200)
