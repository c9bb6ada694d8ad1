"""The image for arm64, which `make test-image-arm64` has cross-compiled: what is in it runs under qemu."""

import json
import os
import pathlib
import subprocess
import unittest

from e2e.harness import ROOT, LooptapTest, Metrics, find_program, make_folder, require_root

MIB = 1 << 20
AARCH64 = 183  # EM_AARCH64
VERSION = (ROOT / 'VERSION').read_text().strip()


def machine_of(file):
    """What processor an ELF file is for; None: it is none."""
    start = file.read_bytes()[:20]
    return int.from_bytes(start[18:20], 'little') if start[:4] == b'\x7fELF' else None


class Arm64Image(LooptapTest):

    def setUp(self):
        self.image = os.environ.get('LOOPTAP_ARM64_IMAGE')
        if not self.image:
            raise unittest.SkipTest('runs the image that `make test-image-arm64` builds')
        require_root('podman keeps its images where root built them')
        self.podman, self.qemu = find_program('podman'), find_program('qemu-aarch64')
        super().setUp()
        self.root = make_folder(self, None, 0o755)
        container = self.run_podman('create', self.image)
        self.addCleanup(self.run_podman, 'rm', container)
        subprocess.run(f'{self.podman} export {container} | tar -x -C {self.root}', shell=True, check=True)
        self.looptap = [self.qemu, '-L', self.root, self.root / 'usr/bin/looptap']

    def run_podman(self, *arguments):
        return subprocess.run([self.podman, *arguments], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True).stdout.strip()

    def test_is_small_and_says_what_it_is_for(self):
        image, = json.loads(self.run_podman('image', 'inspect', self.image))
        self.assertEqual((image['Os'], image['Architecture']), ('linux', 'arm64'))
        self.assertLess(image['Size'], 40 * MIB)

    def test_every_binary_in_it_is_for_arm64(self):
        files = [file for file in self.root.rglob('*') if file.is_file() and not file.is_symlink()]
        machines = {str(file.relative_to(self.root)): machine for file in files if (machine := machine_of(file))}
        self.assertEqual(set(machines.values()), {AARCH64}, machines)
        for name in 'usr/bin/looptap', 'usr/lib/looptap/liblooptap.so', 'lib/ld-linux-aarch64.so.1':
            self.assertIn(name, machines)

    def test_looptap_runs(self):
        program = self.run_program([*self.looptap, '--version'])
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        self.assertIn(VERSION, program.out)

    def test_it_serves(self):
        metrics = Metrics(self.start([*self.looptap, 'serve', '--web.listen-address=127.0.0.1:0',
                                      f'--segments.dir={self.segments}']))
        self.assertEqual(metrics.scrape().value('looptap_build_info'), 1)

    def test_it_installs_the_library(self):
        target = pathlib.Path(self.folder)
        program = self.run_program([*self.looptap, 'install', target])
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(machine_of(target / 'liblooptap.so'), AARCH64)
