"""The Grafana dashboard as a file: up to date, nothing of it missing. test_monitoring runs what it asks."""

import itertools
import json
import subprocess
import unittest

from e2e.harness import ROOT, find_program

GRAFANA = ROOT / 'deploy/grafana'
COLUMNS = 24


class Dashboard(unittest.TestCase):

    def setUp(self):
        self.text = (GRAFANA / 'looptap.json').read_text()
        self.dashboard = json.loads(self.text)
        self.panels = self.dashboard['panels']
        self.graphs = [panel for panel in self.panels if panel['type'] != 'row']

    def test_is_what_its_source_says(self):
        written = subprocess.run([GRAFANA / 'write_dashboard'], capture_output=True, text=True, check=True)
        self.assertEqual(self.text, written.stdout, 'make monitoring writes it anew')

    def test_panels_have_numbers_of_their_own(self):
        numbers = [panel['id'] for panel in self.panels]
        self.assertEqual(len(set(numbers)), len(numbers))

    def test_panels_do_not_overlap(self):
        def cells(panel):
            place = panel['gridPos']
            return {(x, y) for x in range(place['x'], place['x'] + place['w'])
                    for y in range(place['y'], place['y'] + place['h'])}

        for one, other in itertools.combinations(self.panels, 2):
            self.assertFalse(cells(one) & cells(other), (one['title'], other['title']))
        for panel in self.panels:
            place = panel['gridPos']
            self.assertLessEqual(place['x'] + place['w'], COLUMNS, panel['title'])

    def test_lines_are_filled(self):
        """No gap at the right of a line, which is where a panel was forgotten or is too narrow."""
        for _, line in itertools.groupby(self.panels, key=lambda panel: panel['gridPos']['y']):
            self.assertEqual(sum(panel['gridPos']['w'] for panel in line), COLUMNS)

    def test_panels_say_what_they_show(self):
        for panel in self.graphs:
            with self.subTest(panel=panel['title']):
                self.assertTrue(panel['title'] and panel['description'])
                self.assertTrue(panel['fieldConfig']['defaults']['unit'])
                self.assertTrue(panel['targets'])
                for target in panel['targets']:
                    self.assertTrue(target['expr'] and target['legendFormat'])
                references = [target['refId'] for target in panel['targets']]
                self.assertEqual(len(set(references)), len(references))

    def test_data_source_is_a_variable(self):
        self.assertEqual(self.text.count('"type": "prometheus"'), self.text.count('"uid": "${datasource}"'))
        names = [variable['name'] for variable in self.dashboard['templating']['list']]
        self.assertEqual(names, ['datasource', 'namespace', 'workload', 'process', 'pod', 'instance'])

    def test_config_map_holds_it(self):
        built = subprocess.run([find_program('kubectl'), 'kustomize', GRAFANA], capture_output=True, text=True)
        self.assertEqual(built.returncode, 0, built.stderr)
        shown = subprocess.run(['kubectl', 'patch', '--local', '-f', '-', '-p', '{}', '-o', 'json'],
                               input=built.stdout, capture_output=True, text=True)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        config_map = json.loads(shown.stdout)
        self.assertEqual(config_map['kind'], 'ConfigMap')
        self.assertEqual(config_map['metadata']['labels'], {'grafana_dashboard': '1'})
        self.assertEqual(config_map['data'], {'looptap.json': self.text})
