"""What victims (tests/victims) say of their own loops, held against what looptap says."""

import os
import re
import subprocess
import types

from e2e.harness import BUILD, PROBE, LooptapTest, wait_until

# By how much a victim's look at the clock and the probe's may differ on an idle machine.
FEW_MS = float(os.environ.get('FEW_MS', 0.008))


def own_records(program):
    """The loops that a victim has printed: {name: its figures, times in seconds}."""
    records = {}
    for name, figures in re.findall(r'^loop (\S+) (.*)$', program.out, re.M):
        pairs = (pair.split('=') for pair in figures.split())
        records[name] = types.SimpleNamespace(
            **{key.removesuffix('_ns'): int(value) * (1e-9 if key.endswith('_ns') else 1)
               for key, value in pairs})
    return records


class VictimTest(LooptapTest):
    """Runs victims under the probe, built against this libc: victims (glibc) or musl."""

    libc = 'victims'

    def victim(self, name):
        path = BUILD / 'tests' / self.libc / name
        if not path.exists():
            self.fail(f'{path} has not been built')
        return path

    def run_victim(self, name, *arguments, preload=(PROBE,), variables={}, **options):
        """Runs it to its end, which must be a good one."""
        program = self.run_program([self.victim(name), *arguments],
                                   environment=self.environment(preload, **variables), **options)
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        return program

    def start_victim(self, name, *arguments, preload=(PROBE,), variables={}, **options):
        """Starts one that goes on when it is told to."""
        return self.start([self.victim(name), *arguments], stdin=subprocess.PIPE,
                          environment=self.environment(preload, **variables), **options)

    def wait_for(self, program, line):
        wait_until(lambda: line in program.out.splitlines() or program.process.poll() is not None,
                   f'{program} says {line!r}')
        self.assertIn(line, program.out.splitlines(), program)

    def go_on(self, program, line=None):
        """Lets a victim go on, until it says that line or ends well."""
        program.say('')
        if line:
            self.wait_for(program, line)
        else:
            self.assertEqual((program.wait(), program.err), (0, ''), program)

    def assert_figures(self, scrape, record, within=FEW_MS, **labels):
        """looptap says of the only loop with these labels what the victim says itself. On a busy machine its thread may lose its
        processor between its own look at the clock and the probe's: for no longer than it was ready and did not run."""
        within += record.runqueue
        figures = {name: scrape.value(metric, **labels) for name, metric in (
            ('waits', 'eventloop_waits_total'),
            ('events', 'eventloop_events_total'),
            ('iterations', 'eventloop_iteration_seconds_count'))}
        self.assertEqual(figures, {name: getattr(record, name) for name in figures})
        for metric, truth in (('eventloop_iteration_seconds_sum', record.away),
                              ('eventloop_busy_seconds_total', record.away + record.poll),
                              ('eventloop_wait_seconds_total', record.wait)):
            self.assertAlmostEqual(scrape.value(metric, **labels), truth, delta=within, msg=metric)

    def times(self, scrape, **labels):
        """A loop's T."""
        return (scrape.value('eventloop_busy_seconds_total', **labels)
                + scrape.value('eventloop_wait_seconds_total', **labels))

    def iterations_longer_than(self, scrape, seconds, **labels):
        """How many, by the classic bucket with that bound."""
        total = scrape.value('eventloop_iteration_seconds_count', **labels)
        return total - scrape.value('eventloop_iteration_seconds_bucket', le=f'{seconds:g}', **labels)

    def assert_never_blocked(self, metrics, until, **labels):
        """Scrapes until the condition on a scrape holds; in none is such a loop blocked or late."""
        def holds():
            scrape = metrics.scrape()
            self.assertEqual(scrape.total('eventloop_blocked_seconds', **labels), 0)
            return until(scrape) and scrape
        return wait_until(holds, 'the condition holds, and nothing is blocked')
