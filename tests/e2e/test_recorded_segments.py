"""What is said of a recorded set of segments is what looptap 0.1.0 said of it (recorded/record makes both).

Its programs ran under the probe: loops that have ended, several of one process, nested and shared ones, stalls,
late wakeups, exits in every state, kills, names in UTF-8. /metrics in each format and with several sets of flags,
and the JSON of the page. Another build is held against the record like this:

    BUILD=/path/to/its/build tests/run e2e.test_recorded_segments
"""

import platform
import unittest

from recorded import comparison, playback, segments


@unittest.skipUnless(platform.machine() == 'x86_64', 'recorded on x86-64: elsewhere products are added '
                     'without rounding them first, and the last digits differ')
class RecordedSegments(playback.PlaybackTest):

    def assert_as_recorded(self, flags):
        differences = comparison.compare(self.play(segments.load(), [flags]))
        if differences:
            self.fail('\n'.join(differences))

    def test_series_of_loops(self):
        self.assert_as_recorded('default')

    def test_series_of_processes(self):
        self.assert_as_recorded('processes')

    def test_series_with_other_flags(self):
        self.assert_as_recorded('other')

    def test_series_of_processes_with_other_flags(self):
        self.assert_as_recorded('other-processes')

    def assert_noticed(self, change, in_json=True, flags='default'):
        """Null control: one changed word of the record is seen in all formats (of the JSON: if it tells of it)."""
        recorded = segments.load()
        change(next(segment for segment in recorded if 'spins' in str(segment['loops'])))
        self.assertNotEqual(recorded, segments.load())
        bodies = self.play(recorded, [flags])
        same = {name.split('.')[1] for name, body in bodies.items() if not comparison.compare({name: body})}
        self.assertEqual(same, set() if in_json else {'json'})

    def test_changed_counter_is_noticed(self):
        def change(segment):
            segment['loops'][0]['waits'] += 1
        self.assert_noticed(change)
        self.assert_noticed(change, flags='other-processes')

    def test_changed_duration_is_noticed(self):
        def change(segment):
            segment['loops'][0]['wait_ns'] += 1
        self.assert_noticed(change)

    def test_changed_exit_is_noticed(self):
        def change(segment):
            segment['header']['exited_ns'] -= 1
        self.assert_noticed(change)

    def test_changed_iterations_are_noticed(self):
        def change(segment):
            segment['loops'][0]['iterations']['400'] = 1
        self.assert_noticed(change)

    def test_changed_wakeup_delays_are_noticed(self):
        def change(segment):
            segment['loops'][0]['wakeup_delays']['1023'] = 1
        self.assert_noticed(change, in_json=False)

    def test_changed_thread_is_noticed(self):
        def change(segment):
            segment['loops'][0]['thread_name'] += '!'
        self.assert_noticed(change)


class Comparison(unittest.TestCase):
    """Null controls: what it lets pass, and what it does not."""

    def setUp(self):
        self.recorded = comparison.expected_bodies()['default.text']
        self.families = comparison.text_families(self.recorded)

    def differences(self, families):
        return comparison.compare_families('text', self.recorded, b''.join(block for _, block in families))

    def swapped(self, one, other):
        families = list(self.families)
        places = [[name for name, _ in families].index(name) for name in (one, other)]
        families[places[0]], families[places[1]] = families[places[1]], families[places[0]]
        return families

    def renamed(self, old, new):
        return [(name, block.replace(old, new)) for name, block in self.families]

    def test_the_same_passes(self):
        self.assertEqual(self.differences(self.families), [])

    def test_loops_come_in_their_order(self):
        self.assertEqual(len(self.differences(self.swapped('eventloop_waits_total', 'eventloop_events_total'))), 1)

    def test_the_exporters_own_come_in_any_order(self):
        self.assertEqual(self.differences(self.swapped('looptap_segments', 'looptap_dropped_loops_total')), [])

    def test_renamed_family_passes_with_the_same_series(self):
        self.assertEqual(self.differences(self.renamed(b'looptap_segments', b'looptap_processes')), [])
        self.assertEqual(len(self.differences(self.renamed(b'looptap_segments{state="live"} 2',
                                                           b'looptap_processes{state="live"} 3'))), 1)

    def test_new_label_passes_with_the_value_that_goes_on(self):
        def labelled(value):
            return self.renamed(b'looptap_dropped_loops_total 2', f'looptap_dropped_loops_total{{reason="{value}"}} 2'.encode())
        self.assertEqual(self.differences(labelled('no_slot')), [])
        self.assertEqual(len(self.differences(labelled('max_loops'))), 1)

    def test_new_value_of_a_label_passes_once_it_is_listed(self):
        def more(value):
            line = b'looptap_rejected_segments_total{reason="too_many"} 0\n'
            return self.renamed(line, line + f'looptap_rejected_segments_total{{reason="{value}"}} 0\n'.encode())
        self.assertEqual(self.differences(more('link')), [])
        self.assertEqual(len(self.differences(more('surprise'))), 1)

    def test_unknown_name_does_not_pass(self):
        self.assertEqual(len(self.differences(self.renamed(b'looptap_dropped_loops', b'looptap_lost_loops'))), 2)

    def test_new_family_passes_once_it_is_listed(self):
        def more(name):
            return [*self.families, (name, f'# HELP {name} Told.\n# TYPE {name} counter\n{name} 0\n'.encode())]
        self.assertEqual(self.differences(more(next(iter(comparison.NEW)))), [])
        self.assertEqual(len(self.differences(more('looptap_surprises_total'))), 1)

    def test_family_that_is_gone_or_comes_twice_does_not_pass(self):
        self.assertEqual(len(self.differences(self.families[:-2] + self.families[-1:])), 1)
        self.assertGreater(len(self.differences([*self.families, self.families[0]])), 0)
