"""eventloop_event_queue_seconds, by eBPF with fentry: for how long the oldest event that a wait returned
had been ready. Held against what the program knows, which makes its events itself."""

import re
import types

from e2e.bpf_test import HookTest
from e2e.own_records import VictimTest

METRIC = 'eventloop_event_queue_seconds'
ROUNDING = 1e-6


class EventQueueTest(HookTest, VictimTest):

    libc = 'bpf_victims'

    def ready(self, case):
        victim = self.start_victim('event_queue', case, preload=())
        self.wait_for(victim, 'ready')
        return victim

    def scrape_after(self, case, *flags, target='pid:{}'):
        """What an exporter says when such a victim has done what it does, and what the victim says."""
        victim = self.ready(case)
        metrics = self.measure(f'--bpf.target={target.format(victim.pid)}', *flags)
        self.go_on(victim, 'waited')
        scrape = metrics.scrape()
        self.go_on(victim)
        found = re.search(r'^queue observed=(\d+) least_ns=(\d+) most_ns=(\d+)$', victim.out, re.M)
        observed, least_ns, most_ns = map(int, found.groups())
        own = types.SimpleNamespace(pid=victim.pid, observed=observed, least=least_ns * 1e-9,
                                    most=most_ns * 1e-9)
        return scrape, own, metrics

    def assert_absent(self, scrape):
        self.assertGreater(scrape.total('eventloop_waits_total'), 0)
        self.assertNotIn(METRIC, scrape.text)


class EventQueue(EventQueueTest):

    hook = 'fentry'

    def assert_true(self, case, **options):
        """Every observation that there has to be, and their sum within what the victim knows."""
        scrape, own, _ = self.scrape_after(case, '--bpf.event-queue=on', **options)
        self.assertEqual(scrape.value(f'{METRIC}_count', pid=str(own.pid)), own.observed)
        total = scrape.value(f'{METRIC}_sum', pid=str(own.pid))
        self.assertLessEqual(own.least, total + ROUNDING)
        self.assertLessEqual(total, own.most + ROUNDING)
        return scrape, total

    def test_what_comes_while_the_loop_is_busy_waits_until_it_waits(self):
        scrape, busy = self.assert_true('busy')
        buckets = dict(scrape.buckets(METRIC))
        self.assertEqual((buckets[0.1], buckets[10]), (0, 5))
        # Null control: the same events, while the loop waits.
        _, waiting = self.assert_true('waiting')
        self.assertLess(waiting, busy / 2)

    def test_what_was_taken_without_a_wait_is_not_counted(self):
        self.assert_true('taken')

    def test_what_was_taken_is_not_counted_for_an_event_that_nobody_tells_of(self):
        self.assert_true('taken_then_armed')

    def test_what_is_left_unread_is_no_new_event(self):
        self.assert_true('unread')

    def test_edge_triggered(self):
        self.assert_true('edge')

    def test_one_shot(self):
        self.assert_true('oneshot')

    def test_what_was_not_asked_for_is_no_event(self):
        self.assert_true('unwanted')

    def test_oldest_of_several_counts(self):
        self.assert_true('several')

    def test_what_a_wait_leaves_over(self):
        self.assert_true('left_over')

    def test_instances_that_come_and_go(self):
        self.assert_true('recreated')

    def test_instance_that_two_processes_wait_on(self):
        self.assert_true('shared', target='comm:event_queue')

    def test_of_other_processes_is_not_measured(self):
        other = self.ready('busy')
        scrape, own, metrics = self.scrape_after('busy', '--bpf.event-queue=on')
        self.go_on(other, 'waited')
        scrape = metrics.scrape()
        self.assertEqual({labels['pid'] for labels, _ in scrape.find(f'{METRIC}_count')}, {str(own.pid)})
        self.assertEqual(scrape.value(f'{METRIC}_count'), own.observed)

    def test_is_one_for_a_process_where_that_is_asked_for(self):
        scrape, own, _ = self.scrape_after('busy', '--bpf.event-queue=on', '--metrics.aggregate=process')
        self.assertEqual([(set(labels), value) for labels, value in scrape.find(f'{METRIC}_count')],
                         [({'process', 'pid'}, own.observed)])

    def test_is_absent_where_it_is_not_asked_for(self):
        scrape, _, _ = self.scrape_after('busy', '--bpf.event-queue=off')
        self.assert_absent(scrape)


class EventQueueWithoutFentry(EventQueueTest):

    hook = 'tracepoint'

    def test_is_absent_and_says_why(self):
        scrape, _, metrics = self.scrape_after('busy', '--bpf.event-queue=on')
        self.assert_absent(scrape)
        self.assertIn(f'{METRIC} is left out: it takes --bpf.hook=fentry', metrics.program.err)
