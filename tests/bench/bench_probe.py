"""`make bench-probe`: what the probe costs, and whether that is within the targets.

    python3 -m bench.bench_probe        (in tests/, with BUILD naming the folder with the build)

Prints Markdown and writes the same figures to $BUILD/bench/probe.json. BENCH_ROUNDS says how much is
measured: 8 unless told otherwise, 5 minutes; 1 is a quick look, a minute. A part that cannot be
measured here says why.
"""

import json
import os
import pathlib
import platform
import re
import unittest

from bench import call_cost, instruction_count, quiet_waits, two_threads, whole_programs
from bench.rounds import rounds_asked_for
from e2e.harness import BUILD, PROBE, find_program

MOST_TIMES_TSC = 2.0
MOST_OF_REAL_CALL = 0.16
MOST_THREAD_RATIO = 1.15
MOST_THROUGHPUT_LOST = 0.02


class Report:
    """What is printed, and what is written."""

    def __init__(self):
        self.figures = {'machine': machine(), 'targets': [], 'left_out': []}

    def say(self, text):
        print(text, flush=True)

    def title(self, text):
        self.say(f'\n## {text}\n')

    def target(self, what, value, limit, pattern):
        met = value <= limit
        self.figures['targets'].append({'what': what, 'value': value, 'limit': limit, 'met': met})
        self.say(f'\n{"within" if met else "MISSES"} its target: {what}: {pattern.format(value)}, '
                 f'at most {pattern.format(limit)}')

    def leave_out(self, what, why):
        self.figures['left_out'].append({'what': what, 'why': str(why)})
        self.say(f'Left out, {what}: {why}')

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.figures, indent=2) + '\n')


def machine():
    def first(pattern, path):
        found = re.search(pattern, pathlib.Path(path).read_text(), re.M)
        return found[1] if found else 'unknown'

    return {
        'cpu': first(r'^model name\s*: (.*)', '/proc/cpuinfo'),
        'cpus': len(os.sched_getaffinity(0)),
        'mhz': first(r'^cpu MHz\s*: (.*)', '/proc/cpuinfo'),
        'clocksource': instruction_count.CLOCK_SOURCE.read_text().strip(),
        'kernel': platform.release(),
        'system': first(r'^PRETTY_NAME="(.*)"', '/etc/os-release'),
        'libc': ' '.join(platform.libc_ver()),
        'compiler': instruction_count.compiler_of(PROBE),
        'load_before': os.getloadavg()[0],
    }


def report_calls(report, cpus, rounds):
    """Returns what looptap adds to a wait of a program that does some work, in ns."""
    report.title('One call')
    cost = call_cost.measure(BUILD, cpus[-1], 150 * rounds)
    report.say(call_cost.tables(cost))
    report.figures['call'] = call_cost.as_json(cost)
    report.target('added on the stub, as a multiple of two readings of the TSC',
                  cost.times_tsc('stub'), MOST_TIMES_TSC, '{:.2f}')
    report.target('added to the real call', cost.share('real', 'looptap'), MOST_OF_REAL_CALL,
                  '{:.1%}')
    return cost.added('apart', 'looptap').median


def report_threads(report, cpus, rounds):
    report.title('Two threads')
    if len(cpus) < 2:
        return report.leave_out('two threads', 'there is one CPU')
    threads = two_threads.measure(BUILD, cpus, 5 * rounds)
    report.say(two_threads.table(threads))
    report.figures['threads'] = two_threads.as_json(threads)
    report.target('cost beside another thread, to that alone', threads.ratio('own').median,
                  MOST_THREAD_RATIO, '{:.2f}')


def report_quiet(report):
    report.title('System calls and allocations')
    strace, program = find_program('strace'), BUILD / 'bench/quiet_waits'
    with_probe = quiet_waits.trace(strace, program, PROBE)
    report.say(quiet_waits.table(with_probe, quiet_waits.trace(strace, program)))
    report.figures['quiet'] = quiet_waits.as_json(with_probe)
    report.target('system calls and allocations of its own after the first wait',
                  with_probe.extra(), 0, '{}')


def report_instructions(report):
    report.title('Instructions')
    kind = instruction_count.kind_of(PROBE)
    figure = instruction_count.count(find_program('valgrind'), BUILD / 'bench/counted_batches', PROBE)
    record = instruction_count.recorded(kind)
    report.say(f'{figure} instructions per wait, by callgrind; on record for {kind}: {record}')
    report.figures['instructions'] = {'per_wait': figure, 'on_record': record, 'kind': kind}
    if record:
        report.target('instructions per wait', figure, instruction_count.limit(record), '{}')


def report_programs(report, cpus, rounds, wait_ns):
    report.title('Whole programs')
    comparisons = []
    for kind in whole_programs.PROGRAMS_MEASURED:
        try:
            comparisons.append(whole_programs.compare(kind, PROBE, cpus, rounds, wait_ns))
        except unittest.SkipTest as reason:
            report.leave_out(kind.name, reason)
    report.say(whole_programs.table(comparisons))
    report.figures['programs'] = whole_programs.as_json(comparisons)
    for each in comparisons:
        what = f'throughput lost by {each.name}'
        if abs(each.loss.median - MOST_THROUGHPUT_LOST) < each.margin:
            report.leave_out(f'the verdict on {what}',
                             f'{each.loss.median:+.1%} is too uncertain; more BENCH_ROUNDS or a '
                             f'quieter machine would tell')
        else:
            report.target(what, each.loss.median, MOST_THROUGHPUT_LOST, '{:+.1%}')


def main():
    rounds = rounds_asked_for(otherwise=8)
    cpus = sorted(os.sched_getaffinity(0))
    report = Report()
    report.say('# What the probe costs\n\nMeasured on: '
               + ', '.join(f'{name} {value}' for name, value in report.figures['machine'].items())
               + f'. Medians [quartiles]; {rounds} rounds.')
    wait_ns = report_calls(report, cpus, rounds)
    report_threads(report, cpus, rounds)
    for part in (report_quiet, report_instructions):
        try:
            part(report)
        except unittest.SkipTest as reason:
            report.leave_out(part.__name__.removeprefix('report_'), reason)
    report_programs(report, cpus, rounds, wait_ns)
    report.write(BUILD / 'bench/probe.json')
    report.say(f'\nWritten to {BUILD / "bench/probe.json"}.')


if __name__ == '__main__':
    main()
