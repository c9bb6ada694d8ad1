"""eventloop_event_queue_seconds, by eBPF with fentry: for how long the oldest event that a wait returned
had been ready. Held against what the programs know, which make their events themselves."""

import re
import types

from e2e.bpf_test import HookTest
from e2e.own_records import VictimTest

METRIC = 'eventloop_event_queue_seconds'
CASES = ('busy', 'waiting', 'taken', 'taken_then_armed', 'taken_then_added', 'unread', 'edge',
         'oneshot', 'oneshot_signal', 'unwanted', 'several', 'left_over', 'recreated', 'shared',
         'closed_by_another')
ROUNDING = 1e-6


def own_queue(victim):
    """What the victim says of its loop."""
    found = re.search(r'^queue observed=(\d+) least_ns=(\d+) most_ns=(\d+)$', victim.out, re.M)
    observed, least_ns, most_ns = map(int, found.groups())
    return types.SimpleNamespace(observed=observed, least=least_ns * 1e-9, most=most_ns * 1e-9)


class EventQueueTest(HookTest, VictimTest):

    libc = 'bpf_victims'

    def ready(self, case):
        victim = self.start_victim('event_queue', case, preload=())
        self.wait_for(victim, 'ready')
        return victim

    def scrape_when_done(self, metrics, victims):
        for victim in victims:
            victim.say('')
        for victim in victims:
            self.wait_for(victim, 'waited')
        scrape = metrics.scrape()
        for victim in victims:
            self.go_on(victim)
        return scrape

    def scrape_after(self, case, *flags):
        """What an exporter says of one such victim; the victim; the exporter."""
        victim = self.ready(case)
        metrics = self.measure(f'--bpf.target=pid:{victim.pid}', *flags)
        return self.scrape_when_done(metrics, [victim]), victim, metrics


class EventQueue(EventQueueTest):
    """Each case is held against what its program says. All run at once, for the first of these tests."""

    hook = 'fentry'
    told = None  # {case: what the program says, and what looptap}

    def tell(self):
        victims = [self.ready(case) for case in CASES]
        metrics = self.measure('--bpf.target=comm:event_queue', '--bpf.event-queue')
        scrape = self.scrape_when_done(metrics, victims)
        for victim, case in zip(victims, CASES):
            told = own_queue(victim)
            told.count, told.total = (scrape.value(f'{METRIC}_{what}', pid=str(victim.pid))
                                      for what in ('count', 'sum'))
            told.buckets = dict(scrape.buckets(METRIC, pid=str(victim.pid)))
            yield case, told

    def assert_true(self, case):
        """There is each observation that there has to be, and their sum is within what the program knows."""
        if not EventQueue.told:
            EventQueue.told = dict(self.tell())
        told = self.told[case]
        self.assertEqual(told.count, told.observed)
        self.assertLessEqual(told.least, told.total + ROUNDING)
        self.assertLessEqual(told.total, told.most + ROUNDING)
        return told

    def test_what_comes_while_the_loop_is_busy_waits_until_the_loop_does(self):
        busy = self.assert_true('busy')
        self.assertEqual((busy.buckets[0.1], busy.buckets[10]), (0, busy.count))
        # Null control: the same events, while the loop waits.
        waiting = self.assert_true('waiting')
        self.assertLess(waiting.total, busy.total / 2)

    def test_what_was_taken_without_a_wait_is_not_counted(self):
        self.assert_true('taken')

    def test_what_was_taken_is_not_counted_for_an_event_that_nobody_tells_of(self):
        self.assert_true('taken_then_armed')

    def test_what_was_found_not_to_be_ready_is_not_counted_later(self):
        self.assert_true('taken_then_added')

    def test_what_is_left_unread_is_no_new_event(self):
        self.assert_true('unread')

    def test_edge_triggered(self):
        self.assert_true('edge')

    def test_one_shot(self):
        self.assert_true('oneshot')

    def test_one_shot_of_what_does_not_say_for_what_it_is_ready(self):
        self.assert_true('oneshot_signal')

    def test_what_was_not_asked_for_is_no_event(self):
        self.assert_true('unwanted')

    def test_oldest_of_several_counts(self):
        self.assert_true('several')

    def test_what_a_wait_leaves_over(self):
        self.assert_true('left_over')

    def test_instances_that_come_and_go(self):
        self.assert_true('recreated')

    def test_instance_that_two_processes_wait_on(self):
        self.assert_true('shared')

    def test_instance_that_another_process_closes(self):
        self.assert_true('closed_by_another')


class EventQueueFlags(EventQueueTest):

    hook = 'fentry'

    def test_other_processes_are_not_measured(self):
        measured, other = self.ready('busy'), self.ready('busy')
        metrics = self.measure(f'--bpf.target=pid:{measured.pid}', '--bpf.event-queue')
        scrape = self.scrape_when_done(metrics, [measured, other])
        self.assertEqual([(labels['pid'], value) for labels, value in scrape.find(f'{METRIC}_count')],
                         [(str(measured.pid), own_queue(measured).observed)])

    def test_one_for_a_process_where_that_is_asked_for(self):
        scrape, victim, _ = self.scrape_after('busy', '--bpf.event-queue', '--metrics.aggregate=process')
        self.assertEqual([(set(labels), value) for labels, value in scrape.find(f'{METRIC}_count')],
                         [({'process', 'pid'}, own_queue(victim).observed)])

    def test_absent_where_it_is_not_asked_for(self):
        scrape, _, metrics = self.scrape_after('busy')
        self.assertGreater(scrape.total('eventloop_waits_total'), 0)
        self.assertNotIn(METRIC, scrape.text + metrics.program.err)


class EventQueueWithoutFentry(EventQueueTest):

    hook = 'tracepoint'

    def test_is_absent_and_says_why(self):
        scrape, _, metrics = self.scrape_after('busy', '--bpf.event-queue')
        self.assertGreater(scrape.total('eventloop_waits_total'), 0)
        self.assertNotIn(METRIC, scrape.text)
        self.assertIn(f'{METRIC} is left out: it takes --bpf.hook=fentry', metrics.program.err)
