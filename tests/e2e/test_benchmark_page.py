"""docs/benchmarks.md, its plots and the table in docs/cost.md are what the figures on record make of them."""

import copy
import unittest

from bench_peers import plots, tables
from bench_peers.record import BLOCK, EXCERPT_PAGE, PAGE, RECORD, read


class BenchmarkPage(unittest.TestCase):

    def setUp(self):
        self.figures = read(RECORD)
        if not self.figures:
            self.skipTest('no figures are on record: make bench-peers record-peers')

    def test_page_is_the_generated_one(self):
        self.assertEqual(PAGE.read_text(), tables.document(self.figures), 'make record-peers')

    def test_excerpt_is_the_generated_one(self):
        block = BLOCK.search(EXCERPT_PAGE.read_text())
        self.assertEqual(block[0], tables.excerpt(self.figures) + '\n', 'make record-peers')

    def test_plots_are_drawn_from_the_figures(self):
        source = plots.digest(RECORD / 'accuracy.json')
        for runtime in {run['runtime'] for run in self.figures['accuracy']}:
            self.assertIn(source, (RECORD / f'{runtime}.svg').read_text(), 'make record-peers')

    def test_other_figures_make_another_page_and_table(self):
        # Null control: the comparisons above can fail.
        figures = copy.deepcopy(self.figures)
        for run in figures['accuracy']:
            for row in run['rows'].values():
                row['errors']['p99'] = 9.8765
        self.assertNotEqual(tables.document(figures), tables.document(self.figures))
        self.assertNotEqual(tables.excerpt(figures), tables.excerpt(self.figures))
