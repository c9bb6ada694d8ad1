"""LOOPTAP_DISABLE: the probe does nothing at all. Settings that are not understood are told."""

import os
import re
from collections import Counter

from e2e.harness import PLAIN_EPOLL, PROBE, LooptapTest, find_program, wait_until
from e2e.segment import read_segments

# What the loader does to open and map a library.
LOADING = {'access', 'openat', 'read', 'pread64', 'fstat', 'newfstatat', 'statx', 'mmap', 'mprotect',
           'munmap', 'close'}

# Bits of the header's wrong_settings.
LOOPS, WAITS, NAME, EXCLUDE, VERBOSE = 1, 2, 4, 8, 16


class KillSwitch(LooptapTest):

    def run_victim(self, **variables):
        program = self.run_program([PLAIN_EPOLL, '20'],
                                   environment=self.environment([PROBE], **variables))
        self.assertEqual((program.wait(), program.out, program.err), (0, '20\n', ''))

    def trace(self, *assignments):
        """The program's system calls before its first own one, and from there on, as (name, line)."""
        report = self.folder / 'strace'
        program = self.run_program(
            [find_program('strace'), '-o', report,
             *(part for assignment in assignments for part in ('-E', assignment)),
             PLAIN_EPOLL, '20'])
        if 'ptrace' in program.err:
            self.skipTest(f'strace may not trace here: {program.err.strip()}')
        self.assertEqual((program.wait(), program.out), (0, '20\n'), program)
        lines = report.read_text().splitlines()
        random = re.compile(r'0x[0-9a-f]+|(?<=getrandom\()".*"')
        calls = [(match[0], random.sub('...', line)) for line in lines
                 if (match := re.match(r'\w+(?=\()', line))]
        first = next(i for i, (name, _) in enumerate(calls) if name == 'epoll_create1')
        return calls[:first], calls[first:]

    def test_makes_no_segment(self):
        self.run_victim(LOOPTAP_DISABLE='1')
        self.assertEqual(os.listdir(self.segments), [])

    def test_segment_is_made_without_it(self):
        self.run_victim()
        self.assertEqual(len(os.listdir(self.segments)), 1)

    def test_whatever_does_not_say_no_switches_off(self):
        for value in '1', 'true', 'TRUE', 'yes', 'on', 'y', 'ture', '2', ' ', '00', 'nope', '0,no':
            with self.subTest(value):
                self.run_victim(LOOPTAP_DISABLE=value)
                self.assertEqual(os.listdir(self.segments), [])

    def test_what_says_no_does_not(self):
        for number, value in enumerate(('0', 'false', 'no', 'off', '', 'False', 'OFF'), 1):
            with self.subTest(value):
                self.run_victim(LOOPTAP_DISABLE=value)
                self.assertEqual(len(os.listdir(self.segments)), number)

    def test_makes_no_system_call_in_the_program(self):
        _, without = self.trace()
        _, switched_off = self.trace(f'LD_PRELOAD={PROBE}', 'LOOPTAP_DISABLE=1')
        self.assertEqual([line for _, line in switched_off], [line for _, line in without])

    def test_makes_no_system_call_before_the_program(self):
        without, _ = self.trace()
        switched_off, _ = self.trace(f'LD_PRELOAD={PROBE}', 'LOOPTAP_DISABLE=1')
        names = Counter(name for name, _ in switched_off) - Counter(name for name, _ in without)
        self.assertLessEqual(set(names), LOADING)
        self.assertEqual(names['openat'], 1, 'the loader opens the probe itself')

    def test_system_calls_of_the_probe_would_be_seen(self):
        _, without = self.trace()
        _, measured = self.trace(f'LD_PRELOAD={PROBE}', f'LOOPTAP_DIR={self.segments}')
        self.assertGreater(len(measured), len(without))


class Settings(LooptapTest):
    """What LOOPTAP_VERBOSE says of settings, and the header carries."""

    def told(self, **variables):
        """The probe's lines, and the header's word."""
        program = self.run_program([PLAIN_EPOLL, '20'], environment=self.environment([PROBE], **variables))
        self.assertEqual((program.wait(), program.out), (0, '20\n'))
        [segment] = read_segments(self.segments)
        os.unlink(segment.path)
        return program.err.splitlines(), segment.wrong_settings

    def test_good_ones(self):
        self.assertEqual(self.told(LOOPTAP_VERBOSE='1', LOOPTAP_LOOPS='2', LOOPTAP_WAITS='poll,epoll',
                                   LOOPTAP_NAME='n' * 63, LOOPTAP_EXCLUDE='x' * 255),
                         (['looptap: measuring'], 0))

    def test_quiet(self):
        for value in '', '0', 'no', 'off', 'false':
            self.assertEqual(self.told(LOOPTAP_VERBOSE=value, LOOPTAP_LOOPS='many'), ([], LOOPS))

    def test_verbose_in_other_words(self):
        for value in 'yes', 'true', 'on', 'YES':
            self.assertEqual(self.told(LOOPTAP_VERBOSE=value), (['looptap: measuring'], 0))

    def test_each_that_is_not_understood(self):
        for wrong, name, value in ((LOOPS, 'LOOPS', '0'), (LOOPS, 'LOOPS', '1025'), (LOOPS, 'LOOPS', 'many'),
                                   (LOOPS, 'LOOPS', '4x'), (WAITS, 'WAITS', 'epol'), (WAITS, 'WAITS', 'epoll,pol'),
                                   (NAME, 'NAME', 'n' * 64), (EXCLUDE, 'EXCLUDE', 'x' * 256),
                                   (VERBOSE, 'VERBOSE', 'loud')):
            with self.subTest(name, value=value):
                variables = {'LOOPTAP_VERBOSE': '1', f'LOOPTAP_{name}': value}
                lines, told = self.told(**variables)
                self.assertEqual(told, wrong)
                self.assertEqual(len(lines), 2)
                self.assertTrue(lines[0].startswith(f'looptap: LOOPTAP_{name} is '), lines)

    def test_the_exporter_tells_of_them(self):
        metrics = self.serve()
        quiet = metrics.scrape()
        self.run_victim_with(LOOPTAP_NAME='good', LOOPTAP_LOOPS='2')
        self.run_victim_with(LOOPTAP_NAME='bad', LOOPTAP_LOOPS='many', LOOPTAP_WAITS='epol')
        scrape = wait_until(lambda: (scrape := metrics.scrape()).find('eventloop_waits_total', process='bad') and scrape,
                            'both are shown')
        self.assertEqual({labels['setting']: value
                          for labels, value in scrape.find('looptap_wrong_settings_total')},
                         {labels['setting']: value + (labels['setting'] in ('LOOPTAP_LOOPS', 'LOOPTAP_WAITS'))
                          for labels, value in quiet.find('looptap_wrong_settings_total')})
        self.assertEqual(quiet.total('looptap_wrong_settings_total'), 0)
        lines = [line for line in metrics.program.err.splitlines() if 'LOOPTAP_' in line]
        self.assertEqual(len(lines), 2, lines)
        self.assertRegex(lines[0], r'warning: bad \(pid \d+\): LOOPTAP_LOOPS is not a number')

    def run_victim_with(self, **variables):
        program = self.run_program([PLAIN_EPOLL, '20'], environment=self.environment([PROBE], **variables))
        self.assertEqual((program.wait(), program.err), (0, ''))
