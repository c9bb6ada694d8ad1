"""The Debian package that `make deb` has built, unpacked into a folder."""

import pathlib
import re
import shutil
import subprocess
import unittest

from e2e.harness import BUILD, ROOT, PLAIN_EPOLL, LooptapTest, find_program
from e2e.markdown import broken_links

PACKAGES = list((BUILD / 'deb').glob('looptap_*.deb'))


def required_packages():
    """Those that deploy/deps installs for the build."""
    text = (ROOT / 'deploy/deps').read_text()
    return set(re.findall(r'^    build +(\S+)', text, re.M))


class BuildDependencies(LooptapTest):

    def test_are_those_of_make(self):
        control = (ROOT / 'deploy/debian/control').read_text()
        field = re.search(r'^Build-Depends: ((?:.|\n )*)', control, re.M)[1]
        named = {re.sub(r' \(.*\)', '', name).strip() for name in field.split(',')}
        # Every machine that builds Debian packages has g++, and make alone needs no debhelper.
        self.assertEqual(named - {'debhelper-compat'}, required_packages() - {'g++'})

    def test_version_is_the_programs(self):
        changelog = (ROOT / 'deploy/debian/changelog').read_text()
        self.assertEqual(re.match(r'looptap \((.*)\)', changelog)[1],
                         (ROOT / 'VERSION').read_text().strip())


@unittest.skipUnless(PACKAGES, 'there is no package: make test-deb builds one')
class DebianPackage(LooptapTest):

    def setUp(self):
        super().setUp()
        self.root = self.folder / 'root'
        self.run_dpkg('--extract', self.root)
        self.looptap = self.root / 'usr/bin/looptap'

    def run_dpkg(self, action, *arguments):
        return subprocess.run([find_program('dpkg-deb'), action, PACKAGES[0], *arguments], capture_output=True,
                              text=True, check=True).stdout

    def test_tells_its_version(self):
        program = self.start([self.looptap, '--version'])
        self.assertEqual(program.wait(), 0, program)
        self.assertIn((ROOT / 'VERSION').read_text().strip(), program.out)
        self.assertNotIn('unknown', program.out)

    def test_run_finds_the_library_and_measures(self):
        program = self.start([self.looptap, 'run', '--', PLAIN_EPOLL, '5'])
        self.assertEqual(program.wait(), 0, program)
        self.assertRegex(program.err, r'plain_epoll +\d+ +0 +plain_epoll +[45] ')

    def test_configuration_files_are_those_in_etc(self):
        in_etc = [f'/{path.relative_to(self.root)}' for path in (self.root / 'etc').rglob('*')
                  if path.is_file()]
        self.assertEqual(self.run_dpkg('--info', 'conffiles').split(), in_etc)
        self.assertEqual(in_etc, ['/etc/default/looptap'])

    def test_service_is_verified(self):
        program = find_program('systemd-analyze')
        for target in pathlib.Path('/lib/systemd/system').glob('*.target'):
            shutil.copy(target, self.root / 'lib/systemd/system')
        verified = subprocess.run([program, 'verify', '--man=no', f'--root={self.root}', 'looptap.service'],
                                  capture_output=True, text=True)
        self.assertEqual((verified.returncode, verified.stderr), (0, ''))

    def test_service_is_started_and_stopped_with_the_package(self):
        after_installation = self.run_dpkg('--info', 'postinst')
        self.assertIn("deb-systemd-invoke $_dh_action 'looptap.service'", after_installation)
        self.assertIn('systemd-tmpfiles', after_installation)
        self.assertIn("deb-systemd-invoke stop 'looptap.service'", self.run_dpkg('--info', 'prerm'))

    def test_has_licences_and_manual(self):
        for file in ('doc/looptap/copyright', 'man/man1/looptap.1.gz'):
            self.assertTrue((self.root / 'usr/share' / file).is_file(), file)

    def test_pages_link_to_what_is_installed(self):
        pages = list((self.root / 'usr/share/doc/looptap').rglob('*.md'))
        self.assertGreater(len(pages), 10)
        for page in pages:
            self.assertEqual(list(broken_links(page, page.read_text())), [], page)
