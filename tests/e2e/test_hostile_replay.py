"""The fuzzers' targets on their corpora, and on inputs that chance makes of those, under AddressSanitizer and UBSan.
`make fuzz` and `make test-fuzz` look for new ones."""

import os
import unittest

from e2e.harness import BUILD, ROOT, LooptapTest

needs = ('address-undefined',)
makes = 'replay'

RUNS = 5000


class Replay(LooptapTest):

    def replay(self, name, **variables):
        program = BUILD / f'address-undefined/tests/replay/{name}'
        if not program.exists():
            raise unittest.SkipTest('the fuzzers\' targets have not been built under AddressSanitizer: make replay')
        corpus = sorted((ROOT / 'tests/fuzz/corpus' / name).iterdir())
        self.last = self.folder / 'input'
        return self.start([program, RUNS, *corpus], environment={**os.environ, 'REPLAY_INPUT': str(self.last),
                                                                 **variables})

    def assert_clean(self, name):
        replay = self.replay(name)
        status = replay.wait(120)
        self.assertEqual(status, 0, f'{replay.err}{replay.out}\nthe input: {self.last.read_bytes().hex()}')
        self.assertIn(f'{RUNS} more', replay.out)

    def test_segments(self):
        self.assert_clean('segment')

    def test_texts(self):
        self.assert_clean('text')

    def test_manifests(self):
        self.assert_clean('manifest')

    def test_would_find_something(self):
        # Null control: AddressSanitizer is there, and stops what takes more memory than nothing.
        replay = self.replay('text', ASAN_OPTIONS='hard_rss_limit_mb=1')
        self.assertNotEqual(replay.wait(120), 0)
        self.assertIn('AddressSanitizer', replay.err)
