"""LOOPTAP_WAITS: poll() and select() as a loop's waits, for those who ask for it."""

from e2e.harness import PROBE, PROGRAMS, PYTHON
from e2e.own_records import VictimTest, own_records
from e2e.test_blocking_calls import BlockingCallsFor, PollsAndSelects

ALL = {'LOOPTAP_WAITS': 'epoll,poll,select'}


class PollWaits(VictimTest):

    name = 'poll_waits'

    def assert_measured(self, call, waits):
        metrics = self.serve()
        program = self.run_victim(self.name, call, variables={'LOOPTAP_WAITS': waits})
        scrape = metrics.scrape()
        record = own_records(program)['main']
        self.assertEqual(record.waits, 10)
        # busy also holds what goes by at the end, until the process is gone.
        self.assert_figures(scrape, record)
        # glibc's select() leaves the time that is left in its timeout: how late a wait was is not known.
        known = 0 if call == 'select' and self.libc != 'musl' else 10
        self.assertEqual(scrape.value('eventloop_wakeup_delay_seconds_count'), known)
        # The call on no descriptor is a sleep in the loop.
        self.assertEqual(scrape.value('eventloop_stalls_total'), 1)

    def assert_not_measured(self, call, waits):
        metrics = self.serve()
        program = self.run_victim(self.name, call, variables={'LOOPTAP_WAITS': waits})
        self.assertEqual(own_records(program)['main'].waits, 10)
        self.assertEqual(metrics.scrape().find('eventloop_waits_total'), [])

    def test_poll_if_asked_for(self):
        self.assert_measured('poll', 'epoll,poll')

    def test_ppoll_if_asked_for(self):
        self.assert_measured('ppoll', 'poll')

    def test_select_if_asked_for(self):
        self.assert_measured('select', 'poll,select')

    def test_pselect_if_asked_for(self):
        self.assert_measured('pselect', 'select')

    def test_poll_otherwise_not(self):
        self.assert_not_measured('poll', '')

    def test_ppoll_otherwise_not(self):
        self.assert_not_measured('ppoll', 'epoll,select')

    def test_select_otherwise_not(self):
        self.assert_not_measured('select', 'epoll,poll')

    def test_pselect_otherwise_not(self):
        self.assert_not_measured('pselect', 'epoll')

    def test_thread_that_turns_to_epoll_is_one_loop_and_its_polls_block(self):
        metrics = self.serve()
        program = self.run_victim(self.name, 'poll', 'then_epoll', variables=ALL)
        scrape = metrics.scrape()
        self.assert_figures(scrape, own_records(program)['main'])
        self.assertEqual(scrape.value('eventloop_waits_total'), 20)
        self.assertEqual(scrape.value('eventloop_stalls_total'), 2)

    def test_thread_that_turns_to_epoll_is_measured_from_there_where_polls_were_not_asked_for(self):
        metrics = self.serve()
        self.run_victim(self.name, 'poll', 'then_epoll')
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total'), 10)
        self.assertEqual(scrape.value('eventloop_stalls_total'), 1)


class PollWaitsOnMusl(PollWaits):
    libc = 'musl'


class FortifiedPollWaits(PollWaits):

    name = 'poll_waits_fortified'

    def test_victim_calls_the_fortified_names(self):
        program = self.victim(self.name).read_bytes()
        self.assertIn(b'\0__poll_chk\0', program)
        self.assertIn(b'\0__ppoll_chk\0', program)
        self.assertNotIn(b'\0__poll_chk\0', self.victim('poll_waits').read_bytes())


class BlockingCallsThoughPollsAreAskedFor(PollsAndSelects, BlockingCallsFor):
    """A blocking poll() inside an epoll loop is never idle time."""

    variables = ALL


class Selectors(VictimTest):

    def run_selector(self, kind, **variables):
        metrics = self.serve()
        program = self.run_program([PYTHON, PROGRAMS / 'poll_selector.py', kind, 100],
                                   environment=self.environment([PROBE], **variables))
        self.assertEqual(program.wait(), 0, program)
        return metrics.scrape(), int(program.out)

    def test_asyncio_on_poll(self):
        scrape, waits = self.run_selector('poll', **ALL)
        self.assertEqual(scrape.value('eventloop_waits_total'), waits)

    def test_asyncio_on_select(self):
        scrape, waits = self.run_selector('select', **ALL)
        self.assertEqual(scrape.value('eventloop_waits_total'), waits)

    def test_asyncio_on_epoll(self):
        scrape, waits = self.run_selector('epoll', **ALL)
        self.assertEqual(scrape.value('eventloop_waits_total'), waits)

    def test_asyncio_on_poll_where_it_is_not_asked_for(self):
        scrape, _ = self.run_selector('poll')
        self.assertEqual(scrape.find('eventloop_waits_total'), [])
