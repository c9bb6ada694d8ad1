"""A loop that is open and not run, which cannot be told from one that is blocked; LOOPTAP_EXCLUDE."""

import subprocess

from e2e.harness import COUNT_WAITS, PROBE, PROGRAMS, PYTHON, wait_until
from e2e.own_records import VictimTest, own_records

MAIN, OTHER = {'thread': 'idle_loop'}, {'thread': 'now and then'}


class IdleLoop(VictimTest):

    def start_idle(self, **variables):
        metrics = self.serve()
        program = self.start_victim('idle_loop', variables=variables)
        self.wait_for(program, 'works')
        return metrics, program

    def assert_shown_as_blocked(self, **variables):
        metrics, program = self.start_idle(**variables)
        scrape = wait_until(
            lambda: (scrape := metrics.scrape())
            and scrape.value('eventloop_blocked_seconds', **OTHER) > 0.12 and scrape,
            'the loop that is not run is shown as blocked')
        self.assertEqual(scrape.value('eventloop_blocked_seconds', **MAIN), 0)
        self.go_on(program)
        records, scrape = own_records(program), metrics.scrape()
        self.assert_figures(scrape, records['main'], **MAIN)
        self.assert_figures(scrape, records['other'], **OTHER)
        self.assertEqual(scrape.value('eventloop_stalls_total', **OTHER), 1)

    def test_is_shown_as_blocked(self):
        self.assert_shown_as_blocked()

    def test_is_shown_where_others_are_excluded(self):
        self.assert_shown_as_blocked(LOOPTAP_EXCLUDE='now,and then,NOW*')

    def assert_left_out(self, patterns):
        metrics, program = self.start_idle(LOOPTAP_EXCLUDE=patterns)
        self.assertEqual(metrics.scrape().label_values('thread'), {MAIN['thread']})
        self.go_on(program)
        scrape = metrics.scrape()
        self.assertEqual(scrape.label_values('thread'), {MAIN['thread']})
        self.assert_figures(scrape, own_records(program)['main'], **MAIN)
        self.assertEqual(scrape.value('looptap_dropped_loops_total', reason='no_slot'), 0)

    def test_is_left_out_by_its_name(self):
        self.assert_left_out('now and then')

    def test_is_left_out_by_a_pattern(self):
        self.assert_left_out('somebody,now*')


class IdleLoopOnMusl(IdleLoop):
    libc = 'musl'


class RunUntilComplete(VictimTest):

    def test_loop_is_shown_as_blocked_in_between(self):
        metrics = self.serve()
        program = self.start([PYTHON, PROGRAMS / 'run_now_and_then.py'], [PROBE, COUNT_WAITS],
                             stdin=subprocess.PIPE)
        for number in range(3):
            self.wait_for(program, f'works {number}')
            wait_until(lambda: metrics.scrape().value('eventloop_blocked_seconds') > 0.12,
                       'it is shown as blocked')
            program.say('')
        self.assertEqual(program.wait(), 0, program)
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_stalls_total'), 3)
        self.assertEqual(scrape.value('eventloop_waits_total'), self.returned_waits())

    def test_loop_of_an_excluded_thread_is_not_shown(self):
        metrics = self.serve()
        program = self.start([PYTHON, PROGRAMS / 'run_now_and_then.py'], stdin=subprocess.PIPE,
                             environment=self.environment([PROBE], LOOPTAP_EXCLUDE='python*'))
        self.wait_for(program, 'works 0')
        self.assertEqual(metrics.scrape().find('eventloop_waits_total'), [])
