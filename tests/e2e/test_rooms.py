"""tests/check_rooms: who may include whom in exporter/."""

import pathlib
import subprocess
import tempfile
import unittest

from e2e.harness import ROOT

CHECK = ROOT / 'tests/check_rooms'
ROOMS = '# room  may include\nbase\nmodel  base preload\nsources/bpf  base model bpf\n'


class Rooms(unittest.TestCase):

    def check(self, files):
        """The check's exit status and words on a tree with these files ({path: text})."""
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder)
            for path, text in {'exporter/rooms': ROOMS, **files}.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_text(text)
            run = subprocess.run([CHECK, 'exporter/rooms', *files], cwd=tree, stdout=subprocess.PIPE, text=True)
            return run.returncode, run.stdout

    def test_what_the_table_allows_passes_in_silence(self):
        self.assertEqual((0, ''), self.check({
            'exporter/base/log.cc': '#include <string>\n#include <sys/stat.h>\n#include "exporter/base/log.h"\n',
            'exporter/model/latency.cc': '#include "exporter/base/log.h"\n#include "preload/segment_layout.h"\n',
            'exporter/sources/bpf/loader.cc': '#include "exporter/model/latency.h"\n#include "bpf/records.h"\n'}))

    def test_an_arrow_that_climbs_is_named(self):
        for include in ('"exporter/model/latency.h"', '<exporter/model/latency.h>'):
            self.assertEqual(
                (1, 'exporter/base/log.cc:2: base may not include model (exporter/model/latency.h)\n'),
                self.check({'exporter/base/log.cc': f'#include <string>\n#include {include}\n'}))

    def test_the_folders_beside_the_exporter_are_rooms_too(self):
        self.assertEqual((1, 'exporter/base/log.cc:1: base may not include preload (preload/probe.h)\n'),
                         self.check({'exporter/base/log.cc': '# include "preload/probe.h"\n'}))

    def test_an_include_that_hides_its_room_is_refused(self):
        for include in ('../model/latency.h', 'latency.h'):
            status, words = self.check({'exporter/base/log.cc': f'#include "{include}"\n'})
            self.assertEqual(1, status)
            self.assertIn(include, words)

    def test_a_room_that_the_table_lacks_is_named(self):
        for path in ('exporter/attic/old.cc', 'exporter/flat.cc'):
            status, words = self.check({path: '// nothing\n'})
            self.assertEqual(1, status)
            self.assertIn(path + ':1: no room', words)

    def test_no_files_are_no_proof(self):
        self.assertEqual((1, 'check_rooms: no files to check\n'), self.check({}))
