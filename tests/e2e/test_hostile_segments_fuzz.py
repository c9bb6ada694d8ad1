"""A short run of the fuzzers (`make fuzz` has the long one): the corpus, and some thousand inputs more."""

import os
import subprocess
import unittest

from e2e.harness import BUILD, ROOT, make_folder

SECONDS = int(os.environ.get('LOOPTAP_TEST_FUZZ_SECONDS', '20'))


class Fuzz(unittest.TestCase):

    def run_fuzzer(self, name, *options):
        program = BUILD / f'fuzz/{name}_fuzzer'
        if not program.exists():
            self.skipTest('the fuzzers are not built: make test-fuzz')
        folder = make_folder(self, None, 0o755)
        found = folder / 'found'
        found.mkdir()
        done = subprocess.run(
            [program, f'-artifact_prefix={folder}/', '-max_len=2048', '-timeout=30', '-seed=1', *options, found,
             ROOT / 'tests/fuzz/corpus' / name],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', cwd=folder)
        crashes = {path.name: path.read_bytes().hex() for path in folder.glob('*-*')}
        return done.returncode, crashes, done.stdout

    def assert_clean(self, name, seconds):
        status, crashes, output = self.run_fuzzer(name, f'-max_total_time={seconds}')
        self.assertEqual((status, crashes), (0, {}), output[-6000:])

    def test_segments(self):
        self.assert_clean('segment', SECONDS)

    def test_texts(self):
        self.assert_clean('text', max(SECONDS // 4, 1))

    def test_manifests(self):
        self.assert_clean('manifest', max(SECONDS // 4, 1))

    def test_would_find_something(self):
        # Null control: any input takes longer than no time, so that a limit of 1 MiB stops it at once.
        status, _, output = self.run_fuzzer('text', '-rss_limit_mb=1', '-runs=100000')
        self.assertNotEqual(status, 0, output)


if __name__ == '__main__':
    unittest.main()
