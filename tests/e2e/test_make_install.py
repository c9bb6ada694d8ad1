"""make install: what lies where, and what systemd says of its unit."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from e2e.harness import BUILD, LOOPTAP, ROOT, LooptapTest, find_program
from e2e.markdown import broken_links

# Of 100; what systemd-analyze calls OK ends at 25.
MOST_EXPOSURE = 20


def flags(text):
    return set(re.findall(r'--[a-z]+(?:\.[a-z-]+)?\b', text))


class MakeInstall(LooptapTest):

    @classmethod
    def setUpClass(cls):
        # make looks at every source: some seconds, once.
        cls.installed = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.installed)
        cls.install('/usr', cls.installed)

    def setUp(self):
        super().setUp()
        self.root = self.folder / 'root'
        shutil.copytree(self.installed, self.root, symlinks=True)

    @staticmethod
    def install(prefix, root):
        environment = {name: value for name, value in os.environ.items() if not name.startswith('MAKE')}
        folder = os.path.relpath(BUILD, ROOT)
        # What is built stays as it is, whatever compiler built it: other tests run beside this one, and use it.
        stays = [f'--old-file={folder}/{name}' for name in
                 ('exporter.flags', 'probe.flags', 'bpf.flags', 'sources', 'revision', 'looptap', 'liblooptap.so')]
        run = subprocess.run(['make', '-C', str(ROOT), *stays, 'install', f'BUILD={folder}',
                              f'DESTDIR={root}', f'PREFIX={prefix}'],
                             env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr

    def systemd(self, program, *arguments):
        return subprocess.run([find_program(program), *arguments, f'--root={self.root}'],
                              capture_output=True, text=True)

    def analyze(self, *arguments):
        """systemd-analyze on the folder, which gets the units of this machine that ours refers to."""
        machine = '/lib/systemd/system'
        if not os.path.isdir(machine):
            raise unittest.SkipTest('needs systemd\'s own units')
        for unit in os.scandir(machine):
            if unit.name.endswith('.target'):
                shutil.copy(unit.path, self.root / 'usr/lib/systemd/system')
        return self.systemd('systemd-analyze', *arguments)

    def test_installed_program_finds_the_installed_library(self):
        program = self.start([self.root / 'usr/bin/looptap', 'run', '--', 'sh', '-c', 'echo $LD_PRELOAD'])
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(program.out, f'{self.root}/usr/lib/looptap/liblooptap.so\n')

    def test_files_name_the_installed_ones(self):
        self.install('/opt/looptap', self.root)
        unit = (self.root / 'opt/looptap/lib/systemd/system/looptap.service').read_text()
        self.assertIn('\nExecStart=/opt/looptap/bin/looptap serve', unit)
        drop_in = self.root / 'opt/looptap/share/doc/looptap/examples/service-drop-in.conf'
        library = re.search(r'^Environment=LD_PRELOAD=(\S+)$', drop_in.read_text(), re.M)[1]
        self.assertTrue((self.root / library[1:]).is_file(), library)
        for file in (unit, drop_in.read_text()):
            self.assertNotIn('@PREFIX@', file)

    def test_pages_link_to_what_is_installed(self):
        pages = list((self.root / 'usr/share/doc/looptap').rglob('*.md'))
        self.assertGreater(len(pages), 10)
        for page in pages:
            self.assertEqual(list(broken_links(page, page.read_text())), [], page)

    def test_suppressions_lie_where_the_page_says(self):
        page = (self.root / 'usr/share/doc/looptap/docs/limits.md').read_text()
        named = re.search(r'--suppressions=(/\S+?)`', page)[1]
        self.assertIn('liblooptap.so', (self.root / named[1:]).read_text())

    def test_systemd_accepts_the_unit(self):
        verified = self.analyze('verify', '--man=no', 'looptap.service')
        self.assertEqual((verified.returncode, verified.stderr), (0, ''))

    def test_systemd_would_not_accept_another(self):
        unit = self.root / 'usr/lib/systemd/system/looptap.service'
        unit.write_text(unit.read_text().replace('/usr/bin/looptap', '/usr/bin/no-such-program'))
        self.assertNotEqual(self.analyze('verify', '--man=no', 'looptap.service').returncode, 0)

    def test_unit_is_hardened(self):
        secure = self.analyze('security', '--offline=true', f'--threshold={MOST_EXPOSURE}', 'looptap.service')
        self.assertEqual(secure.returncode, 0, secure.stdout)

    def test_drop_in_is_one_of_a_service(self):
        folder = self.root / 'usr/lib/systemd/system/looptap.service.d'
        folder.mkdir()
        shutil.copy(self.root / 'usr/share/doc/looptap/examples/service-drop-in.conf', folder / 'looptap.conf')
        verified = self.analyze('verify', '--man=no', 'looptap.service')
        self.assertEqual((verified.returncode, verified.stderr), (0, ''))

    def test_segment_directory_is_open_to_all_and_sticky(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest('needs root: systemd-tmpfiles makes a directory of root\'s')
        made = self.systemd('systemd-tmpfiles', '--create', 'looptap.conf')
        self.assertEqual((made.returncode, made.stderr), (0, ''))
        self.assertEqual((self.root / 'dev/shm/looptap').stat().st_mode & 0o7777, 0o1777)

    def test_manual_names_every_flag(self):
        manual = (self.root / 'usr/share/man/man1/looptap.1').read_text()
        documented = flags(re.sub(r'\bFl -', '--', manual))
        present = {'--version'}
        overview = subprocess.run([LOOPTAP, '--help'], capture_output=True, text=True, check=True).stdout
        commands = re.findall(r'^  ([a-z]+)  ', overview, re.M)
        self.assertIn('serve', commands)
        for command in commands:
            shown = subprocess.run([LOOPTAP, command, '--help'], capture_output=True, text=True, check=True)
            present |= flags(re.sub(r'looptap SUBCOMMAND.*', '', shown.stdout))
            self.assertIn(f'.Cm {command}\n', manual)
        self.assertEqual(documented, present)
