"""Two containers with one segment directory: the same pid, name, and loop in both."""

import subprocess

from e2e.harness import PROBE, PROGRAMS, PYTHON, find_program, require_root, wait_until
from e2e.own_records import VictimTest
from e2e.segment import read_segments


class PidNamespaces(VictimTest):

    def setUp(self):
        super().setUp()
        require_root('makes PID namespaces')
        self.unshare = find_program('unshare')
        tried = subprocess.run([self.unshare, '--pid', '--fork', '--mount-proc', 'true'],
                               stderr=subprocess.PIPE)
        if tried.returncode:
            self.skipTest(f'no PID namespaces here: {tried.stderr.decode().strip()}')

    def start_contained(self, waits):
        """A process that is number 1 of a namespace."""
        return self.start_as_first('rests', self.victim('rests'), waits)

    def start_as_first(self, line, *command):
        program = self.start([self.unshare, '--pid', '--fork', '--kill-child', '--mount-proc', *command],
                             [PROBE], stdin=subprocess.PIPE)
        self.wait_for(program, line)
        return program

    def assert_labels(self, scrape):
        """The elder of the two, which has waited 3 times, has the plain pid."""
        elder, younger = read_segments(self.segments)
        self.assertEqual((elder.pid, younger.pid), (1, 1))
        self.assertEqual({labels['pid']: waits
                          for labels, waits in scrape.find('eventloop_waits_total', process='rests')},
                         {'1': 3, f'1@{younger.pid_namespace}': 5})
        series = [(name, *sorted(labels.items())) for name, labels, _ in scrape.samples]
        self.assertEqual(len(series), len(set(series)))

    def test_single_one_has_its_plain_pid(self):
        metrics = self.serve()
        self.start_contained(3)
        self.assertEqual(metrics.scrape().label_values('pid'), {'1'})

    def test_two_are_told_apart(self):
        metrics = self.serve()
        self.start_contained(3)
        metrics.scrape()
        self.start_contained(5)
        self.assert_labels(metrics.scrape())

    def test_two_are_told_apart_in_the_same_way_by_an_exporter_that_comes_later(self):
        self.start_contained(3)
        self.start_contained(5)
        self.assert_labels(self.serve().scrape())

    def test_figures_of_one_stay_when_the_other_ends(self):
        metrics = self.serve()
        first, second = self.start_contained(3), self.start_contained(5)
        self.assert_labels(metrics.scrape())
        self.go_on(first)
        self.assertEqual(metrics.scrape().value('looptap_processes', state='live'), 1)
        self.go_on(second)
        _, younger = read_segments(self.segments)
        self.assertEqual({labels['pid']: waits
                          for labels, waits in metrics.scrape().find('eventloop_waits_total')},
                         {'1': 4, f'1@{younger.pid_namespace}': 6})

    def test_next_life_of_a_container_has_the_labels_of_the_last_one(self):
        metrics = self.serve()
        first = self.start_contained(3)
        # Its namespace is made while the other one has its number.
        second = self.start([self.unshare, '--pid', '--fork', '--kill-child', '--mount-proc', '/bin/sh', '-c',
                             'read told && exec "$@"', 'sh', self.victim('rests'), '5'], [PROBE],
                            stdin=subprocess.PIPE)
        first.process.kill()
        first.wait()
        wait_until(lambda: metrics.scrape().value('looptap_processes', state='ended') == 1, 'it is dead')
        self.assertEqual(metrics.scrape().value('eventloop_waits_total', pid='1'), 3)  # and still shown
        second.say('')
        self.wait_for(second, 'rests')
        scrape = metrics.scrape()
        self.assertEqual({labels['pid']: waits for labels, waits in scrape.find('eventloop_waits_total')}, {'1': 5})
        self.assertEqual((scrape.value('looptap_processes', state='live'),
                          scrape.value('looptap_processes', state='ended')), (1, 0))
        former, latter = read_segments(self.segments)
        self.assertNotEqual(former.pid_namespace, latter.pid_namespace)

    def test_killed_in_a_stall_is_told_though_the_next_one_has_its_number_at_once(self):
        metrics = self.serve()
        program = self.start_as_first('ready', PYTHON, PROGRAMS / 'asyncio_freezes.py')
        program.say('60')
        wait_until(lambda: metrics.scrape().value('eventloop_blocked_seconds') > 1.5, 'it is blocked')
        # A restarted container: the number of its namespace is likely to be the last one's, too.
        program.process.kill()
        program.wait()
        self.start_as_first('ready', PYTHON, PROGRAMS / 'asyncio_freezes.py')
        wait_until(lambda: metrics.scrape().value('looptap_processes', state='live') == 1, 'the next one is seen')
        self.assertEqual(metrics.scrape().value('looptap_deaths_in_stall_total'), 1)
