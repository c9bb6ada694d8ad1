"""What the probe shows to the loader: no library that it needs, no symbol more than it must have."""

import re
import subprocess
import unittest

from e2e.harness import PROBE, ROOT, find_program


def output_of(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True).stdout


class ElfSurface(unittest.TestCase):

    def dynamic_section(self):
        return output_of(find_program('readelf'), '-d', PROBE)

    def symbols(self):
        """The dynamic symbols: {name: type as nm writes it}."""
        lines = output_of(find_program('nm'), '-D', PROBE).splitlines()
        return {line.split()[-1]: line.split()[-2] for line in lines}

    def test_needs_no_library(self):
        self.assertNotIn('NEEDED', self.dynamic_section())

    def test_readelf_would_show_a_needed_library(self):
        self.assertIn('NEEDED', output_of(find_program('readelf'), '-d', '/proc/self/exe'))

    def test_defines_what_the_map_says(self):
        text = re.sub(r'/\*.*?\*/', '', (ROOT / 'preload/probe.map').read_text(), flags=re.S)
        exported = re.search(r'global:(.*?)local:', text, re.S)[1]
        defined = {name for name, kind in self.symbols().items() if kind not in 'wvU'}
        self.assertEqual(defined, set(re.findall(r'\w+', exported)))

    def test_asks_weakly_for_these_symbols_only(self):
        undefined = {name: kind for name, kind in self.symbols().items() if kind in 'wvU'}
        self.assertEqual(undefined, dict.fromkeys(
            ['__errno_location', 'dlsym', 'environ', 'pthread_key_create', 'pthread_key_delete',
             'pthread_setspecific'], 'w'))

    def test_has_no_symbol_versions(self):
        self.assertNotIn('@', output_of(find_program('nm'), '-D', PROBE))
        self.assertNotIn('VERNEED', self.dynamic_section())

    def test_has_no_text_relocations(self):
        self.assertNotIn('TEXTREL', self.dynamic_section())

    def test_has_static_thread_local_storage(self):
        """By the relocations: the linker for aarch64 does not set the flag STATIC_TLS."""
        relocations = output_of(find_program('readelf'), '-rW', PROBE)
        self.assertRegex(relocations, r'_TPOFF64|_TLS_TPREL')
        self.assertNotRegex(relocations, r'_DTPMOD|_TLSDESC')

    def test_has_no_executable_stack(self):
        headers = output_of(find_program('readelf'), '-lW', PROBE)
        self.assertRegex(headers, r'GNU_STACK .* RW +0x')

    def test_keeps_unwind_tables(self):
        self.assertIn('.eh_frame', output_of(find_program('readelf'), '-SW', PROBE))
