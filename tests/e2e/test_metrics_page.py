"""docs/metrics.md says what /metrics has, and nothing else."""

import os
import re

from e2e.bpf_test import HookTest
from e2e.harness import PROBE, PYTHON, ROOT, LooptapTest, find_program, wait_until
from e2e.markdown import spans, tables

needs = ('bpf',)

PAGE = (ROOT / 'docs/metrics.md').read_text()
# What the text format adds to a family's name, or to its labels.
SUFFIX = {'histogram': ('_bucket', '_sum', '_count'), 'summary': ('', '_sum', '_count')}
PARTS = {'le', 'quantile'}


class Row:

    def __init__(self, kind, labels, there, meaning):
        self.kind, self.labels, self.there, self.meaning = kind, set(spans(labels)), there, meaning


def rows(page):
    """{metric: its row}"""
    return {spans(name)[0]: Row(*rest) for table in tables(page) if table.titles[:2] == ['metric', 'type']
            for name, *rest in table.rows}


def bounds(page):
    """{histogram: its upper bounds}"""
    [table] = [table for table in tables(page) if table.titles[1] == 'upper bounds']
    return {spans(name)[0]: [float(word) for word in text.split(' (')[0].split()] for name, text, _ in table.rows}


def differences(page, scrape):
    """Where a page and a scrape contradict each other, in words."""
    kinds = dict(re.findall(r'^# TYPE (\S+) (\S+)$', scrape.text, re.M))
    stated = rows(page)
    for name in kinds.keys() - stated.keys():
        yield f'{name} is not on the page'
    for name, row in stated.items():
        if name not in kinds:
            if row.there == 'always':
                yield f'{name} is not served'
            continue
        if kinds[name] != row.kind:
            yield f'{name} is a {kinds[name]}'
        labels = {label for suffix in SUFFIX.get(row.kind, ('',)) for own, _ in scrape.find(name + suffix) for label in own}
        if labels and labels - PARTS != row.labels:
            yield f'{name} has the labels {sorted(labels - PARTS)}'
    for name, stated_bounds in bounds(page).items():
        found = sorted({float(labels['le']) for labels, _ in scrape.find(name + '_bucket')})[:-1]
        if found and found != stated_bounds:
            yield f'{name} has the bounds {found}'


class Scraping(LooptapTest):

    def scrape(self, *flags):
        """What an exporter with these flags serves as it shows a loop."""
        metrics = self.serve(*flags)
        self.start([PYTHON, '-c', 'import asyncio; asyncio.run(asyncio.sleep(60))'], [PROBE])
        wait_until(lambda: metrics.scrape().find('eventloop_waits_total'), 'a loop is shown')
        return metrics.scrape()


class MetricsPage(Scraping):

    def test_is_what_is_served(self):
        scrape = self.scrape()
        self.assertEqual(list(differences(PAGE, scrape)), [])
        series = re.search(r'A process with one loop has (\d+) series', PAGE)[1]
        self.assertEqual(len([name for name, labels, _ in scrape.samples
                              if 'process' in labels and name != 'looptap_target_info']), int(series))

    def test_other_pages_are_not(self):
        # Null control: another name, another type, other labels, other bounds.
        scrape = self.scrape()
        for old, new, told in (
                ('| `eventloop_waits_total` | counter', '| `eventloop_weights_total` | counter', 'weights_total is not served'),
                ('| `eventloop_waits_total` | counter', '| `eventloop_weights_total` | counter', 'waits_total is not on the page'),
                ('| `eventloop_waits_total` | counter', '| `eventloop_waits_total` | gauge', 'is a counter'),
                ('| `process` `pid` `pid_namespace` |', '| `process` `pid` |', 'has the labels'),
                ('| 0.001 0.0025', '| 0.002 0.0025', 'has the bounds')):
            self.assertIn(old, PAGE)
            self.assertIn(told, '\n'.join(differences(PAGE.replace(old, new), scrape)))

    def test_what_is_not_always_there_is_known_to_the_exporter(self):
        source = '\n'.join(path.read_text() for path in (ROOT / 'exporter').rglob('*.[ch]*'))
        self.assertEqual([name for name, row in rows(PAGE).items()
                          if row.there != 'always' and f'"{name}"' not in source], [])

    def test_queries_are_right(self):
        promtool = find_program('promtool')
        section = PAGE.split('## Queries')[1]
        lines = re.search(r'```\n(.*?)```', section, re.S)[1].splitlines()
        queries = [line for line in lines if line and not line.startswith('#')]
        self.assertGreater(len(queries), 8)
        file = self.folder / 'rules.yml'
        file.write_text('groups:\n- name: page\n  rules:\n' + ''.join(
            f'  - {{record: "page:{number}", expr: \'{query}\'}}\n' for number, query in enumerate(queries)))
        run = self.run_program([promtool, 'check', 'rules', file])
        self.assertEqual(run.process.returncode, 0, run)
        named = set(re.findall(r'\b(?:eventloop|looptap)_\w+', '\n'.join(queries)))
        self.assertEqual({name for name in named if re.sub(r'_(bucket|count|sum)$', '', name) not in rows(PAGE)}, set())


class WithBpf(HookTest, Scraping):
    """Where eBPF is in use."""

    hook = 'auto'

    def test_is_what_is_served(self):
        scrape = self.scrape(f'--bpf.target=pid:{os.getpid()}')
        self.assertEqual(list(differences(PAGE, scrape)), [])
        self.assertEqual([name for name, row in rows(PAGE).items()
                          if row.there == 'eBPF' and f'# TYPE {name} ' not in scrape.text], [])
