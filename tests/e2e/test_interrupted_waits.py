"""Waits that end in no ordinary way: by a signal, siglongjmp, cancellation, or with their thread."""

import time

from e2e.own_records import VictimTest, own_records

OUTER, INNER = {'loop': '0'}, {'loop': '1'}


class HandlerWaits(VictimTest):

    def run_handler(self, where):
        metrics = self.serve()
        records = own_records(self.run_victim('handler_waits', where))
        scrape = metrics.scrape()
        self.assert_figures(scrape, records['outer'], **OUTER)
        self.assertEqual(scrape.value('eventloop_stalls_total', **OUTER), 1)
        return scrape, records

    def test_interrupted_wait_counts_as_one(self):
        scrape, records = self.run_handler('nowhere')
        self.assertEqual(records['outer'].waits, 7)
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)

    def test_handler_that_waits_on_the_same_instance(self):
        scrape, records = self.run_handler('same')
        self.assertEqual(records['outer'].waits, 10)
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)

    def test_handler_that_waits_on_another_instance(self):
        scrape, records = self.run_handler('other')
        self.assertEqual(records['inner'].waits, 3)
        self.assert_figures(scrape, records['inner'], **INNER)

    def test_handler_that_forks_and_waits_in_the_child(self):
        metrics = self.serve()
        records = own_records(self.run_victim('forks_in_handler'))
        scrape = metrics.scrape()
        for record in records.values():
            self.assert_figures(scrape, record, pid=str(record.pid))


class HandlerWaitsOnMusl(HandlerWaits):
    libc = 'musl'


class JumpsOut(VictimTest):

    def test_waits_left_by_siglongjmp_heal(self):
        metrics = self.serve()
        program = self.start_victim('jumps_out')
        self.wait_for(program, 'works')
        start = time.monotonic()
        while time.monotonic() < start + 0.15:
            scrape = metrics.scrape()
        # It is known to be away, so no wait is left over.
        self.assertGreater(scrape.value('eventloop_blocked_seconds'), 0.1)
        self.go_on(program)
        record = own_records(program)['main']
        self.assertEqual(record.waits, 22)
        self.assert_figures(metrics.scrape(), record)


class JumpsOutOnMusl(JumpsOut):
    libc = 'musl'


class Cancelled(VictimTest):

    def run_until_gone(self, how):
        metrics = self.serve()
        program = self.start_victim('cancelled', how)
        if how == 'wait':
            self.wait_for(program, 'waits')
            self.go_on(program, 'destroyed')
        self.wait_for(program, 'gone')
        self.assertIn('destroyed', program.out)
        start, before = time.monotonic(), self.times(metrics.scrape())
        scrape = self.assert_never_blocked(metrics, lambda _: time.monotonic() > start + 0.15)
        self.assertEqual(self.times(scrape), before)
        self.go_on(program)
        self.assert_figures(metrics.scrape(), own_records(program)['main'])

    def test_thread_cancelled_in_its_wait_runs_its_destructors_and_waits_no_more(self):
        self.run_until_gone('wait')

    def test_loop_of_an_ended_thread_is_not_blocked_and_counts_the_waits_of_the_next(self):
        self.run_until_gone('end')

    def test_cancelled_program_prints_the_same_without_the_probe(self):
        program = self.start_victim('cancelled', 'wait', preload=())
        self.wait_for(program, 'waits')
        self.go_on(program, 'gone')
        self.assertIn('destroyed', program.out)
        self.go_on(program)


class TakenKeys(VictimTest):

    def test_end_of_a_thread_is_seen_though_the_program_has_many_keys(self):
        metrics = self.serve()
        program = self.start_victim('taken_keys')
        self.wait_for(program, 'gone')
        start = time.monotonic()
        self.assert_never_blocked(metrics, lambda _: time.monotonic() > start + 0.15)
        self.go_on(program)
        self.assert_figures(metrics.scrape(), own_records(program)['main'])


class TakenKeysOnMusl(TakenKeys):
    libc = 'musl'
