"""A blocking call inside an iteration is part of it, whatever it waits for."""

from e2e.own_records import VictimTest, own_records

ROUNDS = 3


class BlockingCallsFor(VictimTest):

    variables = {}

    def assert_part_of_the_iteration(self, call, series=1):
        metrics = self.serve()
        program = self.run_victim('blocking_calls', call, variables=self.variables)
        scrape = metrics.scrape()
        self.assert_figures(scrape, own_records(program)['main'], loop='0')
        self.assertEqual(self.iterations_longer_than(scrape, 0.1, loop='0'), ROUNDS)
        self.assertEqual(scrape.value('eventloop_stalls_total', loop='0'), ROUNDS)
        self.assertEqual(len(scrape.find('eventloop_waits_total')), series)
        return scrape


class PollsAndSelects:
    """Those four, for a test of BlockingCallsFor."""

    def test_poll(self):
        self.assert_part_of_the_iteration('poll')

    def test_ppoll(self):
        self.assert_part_of_the_iteration('ppoll')

    def test_select(self):
        self.assert_part_of_the_iteration('select')

    def test_pselect(self):
        self.assert_part_of_the_iteration('pselect')


class BlockingCalls(PollsAndSelects, BlockingCallsFor):

    def test_without_one_no_iteration_is_long(self):
        metrics = self.serve()
        program = self.run_victim('blocking_calls', 'nothing')
        scrape = metrics.scrape()
        self.assert_figures(scrape, own_records(program)['main'])
        self.assertEqual(self.iterations_longer_than(scrape, 0.1), 0)
        self.assertEqual(scrape.value('eventloop_stalls_total'), 0)

    def test_sleep(self):
        self.assert_part_of_the_iteration('sleep')

    def test_wait_on_an_instance_made_for_it(self):
        scrape = self.assert_part_of_the_iteration('epoll', series=2)
        # The three instances are one series, of one wait each and no iteration.
        self.assertEqual(scrape.value('eventloop_waits_total', loop='1'), ROUNDS)
        self.assertEqual(scrape.value('eventloop_iteration_seconds_count', loop='1'), 0)
        self.assertEqual(scrape.value('eventloop_stalls_total', loop='1'), 0)


class BlockingCallsOnMusl(BlockingCalls):
    libc = 'musl'
