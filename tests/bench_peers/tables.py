"""The benchmark's figures as Markdown: all of them, and the few that docs/cost.md quotes.

figures: {part: what that part has written}; whatever has not been measured is left out.
"""

from bench_peers.outside import EbpfExporter, OneLiner, Probe

LOOPTAP = (Probe.name, EbpfExporter.name)
STARVED = 'starved'
# Errors that differ by less are as good as each other: what programs record of themselves is no
# more exact.
TIE = 0.001
# Prometheus' documentation plans with 1 to 2 for a sample.
SAMPLE_BYTES = 1.5
PODS = 10_000
POD_INTERVAL = 15

# The rows of that table; the rest is in the full one.
QUOTED = {
    'asyncio': [*LOOPTAP, 'watchdog coroutine, 5 ms, raw', 'watchdog coroutine, 5 ms, corrected',
                'watchdog coroutine, 100 ms, raw', OneLiner.name],
    'node': [*LOOPTAP, 'monitorEventLoopDelay, default (10 ms)', 'monitorEventLoopDelay, 1 ms',
             'prom-client nodejs_eventloop_lag_*', OneLiner.name],
    'redis': [*LOOPTAP, 'LATENCY HISTOGRAM, all commands', 'LATENCY LATEST, HISTORY', OneLiner.name],
}


def markdown(titles, rows):
    lines = ['| ' + ' | '.join(titles) + ' |', '|' + '---|' * len(titles)]
    lines += ['| ' + ' | '.join(row) + ' |' for row in rows]
    return '\n'.join(lines)


def ms(seconds, sign='+'):
    if seconds is None:
        return '-'
    return f'{1000 * seconds:{sign}.1f}'.replace('+0.0', '0.0').replace('-0.0', '0.0')


def number(value, pattern='{:.0f}'):
    return '-' if value is None else pattern.format(value)


def source(measurer):
    """Who yields a row's figures: rows that differ only in what is made of them have the same."""
    return measurer.removesuffix(', raw').removesuffix(', corrected')


def worst(values):
    known = [value for value in values if value is not None]
    return max(known, key=abs) if known else None


def total(values):
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def first_sign(frozen, runtime, measurer):
    """Seconds; "never" for what is heard when the loop runs again."""
    seconds = frozen[runtime]['seconds']
    if source(measurer) not in seconds:
        return '-'
    seen, lasts = seconds[source(measurer)], frozen[runtime]['frozen_for']
    return f'**{seen:.1f} s**' if seen is not None and seen < lasts else 'never'


def woken(wakeups, runtime, measurer):
    found = wakeups['rates'][runtime].get(source(measurer))
    return f"{max(0, found['program']):.0f}" if found else '-'


def ratio(quartiles, spread=True):
    text = f"{quartiles['median']:.3f}"
    return text + f" [{quartiles['quartiles'][0]:.3f}, {quartiles['quartiles'][1]:.3f}]" if spread else text


def with_measurer(cost, runtime, measurer):
    return cost[runtime]['with'].get(source(measurer))


# ---- What docs/cost.md quotes ------------------------------------------------------------------------


def quoted_row(figures, runtime, measurer):
    runs = [run for run in figures['accuracy']
            if run['runtime'] == runtime and run['schedule'] != STARVED and measurer in run['rows']]
    if not runs:
        return None
    rows = [run['rows'][measurer] for run in runs]
    cost = with_measurer(figures['cost'], runtime, measurer)
    missed, invented = (total(row[what] for row in rows) for what in ('missed', 'invented'))
    name = f'**{measurer}**' if measurer in LOOPTAP else measurer
    return [f'{runtime}: {name}',
            ms(worst(row['errors']['p95'] for row in rows)),
            ms(worst(row['errors']['p99'] for row in rows)),
            '-' if missed is None else f'{missed:.0f}, {invented:.0f}',
            first_sign(figures['frozen'], runtime, measurer),
            woken(figures['wakeups'], runtime, measurer),
            f"{cost['rate_ratio']['median']:.2f}" if cost else '-',
            f"{cost['cpu_ratio']['median']:.2f}" if cost else '-']


def quoted(figures):
    rows = [row for runtime, measurers in QUOTED.items() for measurer in measurers
            if (row := quoted_row(figures, runtime, measurer))]
    return markdown(['', 'p95 off by (ms)', 'p99 off by (ms)', 'stalls missed, invented',
                     'frozen loop seen after', 'wakes the program, /s', 'throughput, of 1',
                     'CPU of a request, of 1'], rows)


def excerpt(figures):
    """What stands in docs/cost.md between the marks."""
    machine = figures['machine']
    return (f'{quoted(figures)}\n\n'
            'Off by: what is said, less the truth, in the worst of five schedules of stalls. Never: whoever '
            'serves or logs the\nfigure is on the loop itself, and is heard when it runs again. '
            f"From one run of `make bench-peers` ({machine['cpu']}, {machine['cpus']} CPUs,\n"
            f"kernel {machine['kernel']}); all of it is in [benchmarks.md](benchmarks.md).")


# ---- All of it ---------------------------------------------------------------------------------------


def run_table(run):
    truth = run['truth']
    stalls = truth['stalls'][0]
    rows = [['*the truth*', *(ms(truth[name], '') for name in ('p50', 'p95', 'p99', 'max')),
             f'{stalls}', '']]
    for measurer, row in run['rows'].items():
        rows.append([f'**{measurer}**' if measurer in LOOPTAP else measurer,
                     *(ms(row['errors'][name]) for name in ('p50', 'p95', 'p99', 'max')),
                     number(row['missed']), number(row['invented'])])
    return markdown([run['runtime'], 'p50', 'p95', 'p99', 'max', 'stalls missed', 'invented'], rows)


def beside_starvation(run):
    """What looptap says of the scheduler's part."""
    lines = []
    for measurer in LOOPTAP:
        said = run['rows'].get(measurer, {}).get('said')
        if said:
            delay = ms(said['wakeup_delay_p99'], '')
            queued = number(said['runqueue_seconds'], '{:.1f} s')
            lines.append(f"{run['runtime']}, {measurer}: wakeup delay p99 {delay} ms; in the run queue "
                         f"{queued} of {said['observed']:.0f} s.")
    return '\n\n'.join(lines)


def accuracy(runs):
    parts = []
    for name in dict.fromkeys(run['schedule'] for run in runs):
        of_schedule = [run for run in runs if run['schedule'] == name]
        parts.append(f"### {of_schedule[0]['title'][0].upper()}{of_schedule[0]['title'][1:]}")
        if name == STARVED:
            parts.append('What a starved program waits for outside its iterations is the scheduler\'s, and '
                         'no part of the truth below; looptap shows it beside.')
        for run in of_schedule:
            parts.append(run_table(run))
            if name == STARVED:
                parts.append(beside_starvation(run))
    return parts


def seen_by_others(run, ours, figure):
    """Why looptap may differ from a truth that is the program's own record."""
    other = run['rows'].get(OneLiner.name)
    if figure != 'max' or not other or abs(other['said']['max'] - run['rows'][ours]['said']['max']) > TIE:
        return ''
    return (' bpftrace has seen that iteration, too: it is no stall of the schedule and stands in no record of the '
            'program, which knows its handlers or commands only.')


def lost(runs):
    """Where another row is nearer to the truth than looptap's, by more than a tie."""
    lines = []
    for run in runs:
        if run['schedule'] == STARVED:
            continue
        for ours in LOOPTAP:
            if ours not in run['rows']:
                continue
            place = f"- {run['runtime']}, {run['title']}: {ours}"
            for figure in ('p50', 'p95', 'p99', 'max'):
                errors = {name: abs(row['errors'][figure]) for name, row in run['rows'].items()
                          if row['errors'][figure] is not None}
                nearest = min(errors, key=errors.get)
                if errors[nearest] < errors[ours] - TIE and nearest not in LOOPTAP:
                    lines.append(f"{place} has the {figure} off by {ms(errors[ours], '')} ms, {nearest} by "
                                 f"{ms(errors[nearest], '')} ms.{seen_by_others(run, ours, figure)}")
            lines += [f"{place} has {what} {run['rows'][ours][what]:.0f} stalls."
                      for what in ('missed', 'invented') if run['rows'][ours][what]]
    return lines


def frozen_table(frozen, wakeups):
    rows = []
    for runtime, result in frozen.items():
        for measurer in sorted(result['seconds'], key=lambda name: name not in LOOPTAP):
            rate = wakeups['rates'][runtime].get(measurer, {})
            seen = result['seconds'][measurer]
            after = '' if seen is None or seen < result['frozen_for'] else (
                f", {seen - result['frozen_for']:.1f} s after it had thawed")
            rows.append([runtime, f'**{measurer}**' if measurer in LOOPTAP else measurer,
                         first_sign(frozen, runtime, measurer) + after,
                         number(rate.get('program'), '{:.1f}'), number(rate.get('own') or None, '{:.1f}')])
    return markdown(['', 'measurer', 'first sign of a loop frozen for 4 s',
                     'extra wake-ups of the idle program, /s', 'wake-ups of its own process, /s'], rows)


def cost_table(cost):
    rows = []
    for runtime, result in cost.items():
        without = result['without']
        rows.append([runtime, '*nothing*', f"{without['rate']['median']:,.0f}/s",
                     ms(without['p99_seconds']['median'], '') + ' ms',
                     f"{without['cpu_seconds_per_million']['median']:.1f} s", '-'])
        for measurer, each in result['with'].items():
            rows.append([runtime, f'**{measurer}**' if measurer in LOOPTAP else measurer,
                         *(ratio(each[name]) for name in ('rate_ratio', 'p99_ratio', 'cpu_ratio')),
                         number(each['own_cpu_seconds_per_million']['median'] or None, '{:.2f} s')])
    return markdown(['', 'measurer', 'throughput', 'p99', 'CPU for a million requests',
                     'beside that, its own process'], rows)


def scale_table(scale):
    rows = [[f"{each['processes']:,} x {each['loops_in_each']:,}", f"{each['wait_ns']:.0f}",
             f"{each['added_ns']:.0f}", f"{each['series']:,}", f"{each['text_bytes']:,}",
             *(f"{each['scrape'][name][what]:,.{digits}f}" for name in ('text gzip', 'protobuf gzip')
               for what, digits in (('cpu_ms', 1), ('bytes', 0))),
             f"{each['resident_mib']:.0f}", f"{each['shared_memory_bytes'] / 2**20:.2f}"] for each in scale]
    return markdown(['processes x loops', 'a wait, ns of CPU', 'looptap adds, ns', 'series',
                     'bytes a scrape, as text', 'gzip: CPU ms', 'bytes', 'protobuf, gzip: CPU ms', 'bytes',
                     'exporter, MiB', 'shared memory, MiB'], rows)


def pods(scale, fleet):
    """What 10,000 pods with one loop and one exporter each mean for a Prometheus: by calculation."""
    one = next(each for each in scale if each['processes'] == each['loops_in_each'] == 1)
    rows = []
    for kind, scrape_format in (('classic', 'text gzip'), ('native', 'protobuf gzip')):
        seen = fleet['prometheus'][kind] if fleet else None
        if not seen:
            continue
        # The exporter's own series are there once for each pod. A sample of a native histogram has no one size.
        series = seen['samples_a_scrape'] / fleet['processes'] + one['series'] - one['loop_series']
        a_second = PODS * series / POD_INTERVAL
        rows.append([kind, f'{series:.0f}', f'{PODS * series / 1e6:.2f} million', f'{a_second:,.0f}',
                     f"{PODS * one['scrape'][scrape_format]['bytes'] / POD_INTERVAL / 1e6:.1f} MB/s",
                     f"{PODS * series * seen['series_bytes'] / 2**30:.1f} GiB",
                     f'{a_second * 86400 * SAMPLE_BYTES / 1e9:.0f} GB' if kind == 'classic' else '-'])
    return markdown(['histograms', 'series of a pod', 'series in all', 'samples a second', 'network',
                     'memory', 'disk a day'], rows)


def fleet_table(fleet):
    truth = fleet['truth']
    rows = [['*the truth*', *(ms(truth[name], '') for name in ('p50', 'p95', 'p99')), '', '', '', '']]
    for kind, seen in fleet['prometheus'].items():
        rows.append([f'{kind} histograms', *(ms(seen['rule'][name], '') for name in ('p50', 'p95', 'p99')),
                     f"{seen['samples_a_scrape']:,.0f}", f"{seen['scrape_seconds']:.2f} s",
                     f"{1000 * seen['rule_seconds']:.0f} ms",
                     f"{seen['series_bytes'] / 1000:.1f} KB"])
    return markdown(['recording rule', 'p50 (ms)', 'p95 (ms)', 'p99 (ms)', 'samples a scrape',
                     'a scrape takes', 'all rules take', 'memory of Prometheus for a series'], rows)


def left_out(figures):
    """{what: why}"""
    reasons = {}
    for run in figures.get('accuracy', []):
        reasons |= run['left_out']
    for part in ('frozen', 'cost'):
        for each in figures.get(part, {}).values():
            reasons |= each['left_out']
    reasons |= figures.get('wakeups', {}).get('left_out', {})
    return reasons


def measured_on(machine):
    return ', '.join(f'{name.replace("_", " ")} {value}' for name, value in machine.items())


def document(figures):
    """docs/benchmarks.md"""
    parts = ['# looptap beside its peers',
             '`make bench-peers` measures it, `make record-peers` writes this page from it. Every program stalls '
             'by a schedule with a known seed. The truth is the loop latency as looptap defines it (what an '
             'event that arrives at a random instant waits until the loop next polls), computed from the '
             'program\'s own record: asyncio\'s of its iterations, node\'s of its handlers (its idle garbage '
             'collection is off), redis\' of its slow commands. All measurers look at the same run.',
             f"Measured on: {measured_on(figures['machine'])}."]
    parts += [f'Left out, {what}: {why}.' for what, why in left_out(figures).items()]
    if 'accuracy' in figures:
        parts.append('## How right')
        parts.append('Errors in ms: what the measurer says, less the truth (the first line). Stalls are '
                     'iterations over 100 ms. "-": it does not say.')
        parts += accuracy(figures['accuracy'])
        parts += [f'![the truth and what each measurer says: {runtime}](benchmarks/{runtime}.svg)'
                  for runtime in dict.fromkeys(run['runtime'] for run in figures['accuracy'])]
        where = lost(figures['accuracy'])
        parts.append('### Where looptap loses')
        parts.append('\n'.join(where) if where else
                     f'Nowhere in this run but for ties (differences under {ms(TIE, "")} ms), starvation left '
                     'aside.')
    if 'frozen' in figures and 'wakeups' in figures:
        parts.append('## A frozen loop, and an idle one')
        parts.append('"Never": whoever serves or logs the figure is on the loop itself, and is heard when it '
                     'runs again.')
        parts.append(frozen_table(figures['frozen'], figures['wakeups']))
    if 'cost' in figures:
        parts.append('## What it costs')
        parts.append('Servers driven as fast as they go, by wrk and redis-benchmark. Ratios to the same '
                     'without, the two drives beside each: median [quartiles].')
        parts.append(cost_table(figures['cost']))
    if 'scale' in figures:
        parts.append('## Many loops')
        parts.append('Each loop waits eight times, then it is the others\' turn: the more loops, the colder the '
                     'caches, for the wait itself as for what looptap adds to it.')
        parts.append(scale_table(figures['scale']))
    if 'fleet' in figures:
        fleet = figures['fleet']
        parts.append(f"## {fleet['processes']} processes in a real Prometheus")
        parts.append('The rules of deploy/prometheus/rules.yml on an asyncio fleet, against the records of its '
                     'processes. Classic histograms say between which of 13 bounds a quantile lies, and '
                     'Prometheus draws a line there; native ones say it to 2 %.')
        parts.append(fleet_table(fleet))
        if 'scale' in figures:
            parts.append(f'{PODS:,} pods with an exporter each, scraped every {POD_INTERVAL} s, by calculation '
                         f'from the above and {SAMPLE_BYTES} bytes for a sample on disk:')
            parts.append(pods(figures['scale'], fleet))
    return '\n\n'.join(parts) + '\n'
