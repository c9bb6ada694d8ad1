"""The pages of this repository, held against the tree: links, paths, the picture of the rooms."""

import re
import subprocess
import unittest

from e2e.harness import LOOPTAP, ROOT
from e2e.markdown import FENCE, broken_links, code, spans, tables

PAGES = [path for pattern in ('*.md', 'docs/*.md', 'exporter/**/*.md') for path in sorted(ROOT.glob(pattern))]
OURS = ('bpf', 'deploy', 'docs', 'exporter', 'page', 'preload', 'tests')
# A page that nobody has who has this tree.
ELSEWHERE = re.compile(r'\bDESIGN\b|\bfacts/\w|\bshared/[A-Z\w]+\.md|\b[Ii]ssue #?\d')


def missing_paths(text):
    """Paths of this tree, in backquotes, where nothing is. Words in capitals are to be replaced by the reader."""
    for span in spans(FENCE.sub('', text)):
        if re.fullmatch(rf'({"|".join(OURS)})/[a-z0-9_./-]*', span) and not (ROOT / span).exists():
            yield span


def named(pattern, text):
    """What code on a page names."""
    return {match for piece in code(text) for match in re.findall(pattern, piece)}


FLAG = r'--(?:bpf|install|latency|log|metrics|segments|stall|web)\.[a-z-]+'
METRIC = r'\b(?:eventloop|looptap)_[a-z_]+(?:_seconds|_bytes|_total|_info|_hook|_segments|_processes)\b'
TARGET = r'^(?:sudo )?make ([a-z][a-z0-9-]*)'


def may_include():
    """exporter/rooms: {room: rooms and folders that it may include}."""
    lines = (line.split() for line in (ROOT / 'exporter/rooms').read_text().splitlines())
    return {words[0]: words[1:] for words in lines if words and words[0] != '#'}


def floor(room, table):
    return 1 + max((floor(below, table) for below in table[room] if below in table), default=-1)


def drawn(text):
    """The picture's rooms: {room: its floor}."""
    picture = re.search(r'^```rooms\n(.*?)^```', text, re.M | re.S)[1]
    return {room: int(number) for number, rooms in re.findall(r'^floor (\d+)(.*)$', picture, re.M)
            for room in re.findall(r'\[(\S+?)\]', rooms)}


class Pages(unittest.TestCase):

    def test_links_lead_somewhere(self):
        self.assertGreater(len(PAGES), 20)
        for page in PAGES:
            with self.subTest(page.relative_to(ROOT)):
                self.assertEqual(list(broken_links(page, page.read_text())), [])

    def test_a_link_that_leads_nowhere_is_found(self):
        page = ROOT / 'docs/design.md'
        self.assertEqual(list(broken_links(page, '[a](nowhere.md) [b](#no-such-title) [c](ebpf.md) `[d](code.md)`')),
                         ['nowhere.md', '#no-such-title'])

    def test_paths_are_there(self):
        for page in PAGES:
            with self.subTest(page.relative_to(ROOT)):
                self.assertEqual(list(missing_paths(page.read_text())), [])

    def test_a_path_that_is_not_there_is_found(self):
        self.assertEqual(list(missing_paths('`preload/probe.cc` `preload/nothing.cc` `exporter/ROOM/x.cc`')),
                         ['preload/nothing.cc'])

    def test_no_word_of_pages_elsewhere(self):
        found = []
        for folder in OURS:
            for path in (ROOT / folder).rglob('*'):
                if path.is_file() and path.suffix in ('.h', '.cc', '.c', '.py', '.md', '.js', '.css', '.html', '.yaml'):
                    if 'vendor' in path.parts or path.name == 'test_docs.py':
                        continue
                    found += [f'{path.relative_to(ROOT)}: {match[0]}' for match in ELSEWHERE.finditer(path.read_text())]
        self.assertEqual(found, [])

    def all_named(self, pattern):
        """{what pages name: the page}, but for CHANGELOG.md, where old names stand, and for what the diff of an example adds."""
        return {name: page.name for page in PAGES if page.name != 'CHANGELOG.md'
                for name in named(pattern, re.sub(r'^\+ .*$', '', page.read_text(), flags=re.M))}

    def test_flags_are_there(self):
        shown = subprocess.run([LOOPTAP, 'serve', '--help'], stdout=subprocess.PIPE, text=True, check=True).stdout
        flags = self.all_named(FLAG)
        self.assertGreater(len(flags), 8)
        self.assertEqual({flag: page for flag, page in flags.items() if flag not in re.findall(FLAG, shown)}, {})

    def test_metrics_are_there(self):
        known = named(METRIC, (ROOT / 'docs/metrics.md').read_text())
        self.assertEqual({metric: page for metric, page in self.all_named(METRIC).items() if metric not in known}, {})

    def test_targets_are_there(self):
        known = re.findall(r'^([a-z0-9-]+):', (ROOT / 'Makefile').read_text(), re.M)
        targets = self.all_named(TARGET)
        self.assertGreater(len(targets), 12)
        self.assertEqual({target: page for target, page in targets.items() if target not in known}, {})

    def test_names_are_found_in_code_alone(self):
        # Null control of the three.
        text = 'make sure `make nothing` `--bpf.nothing=1`\n\n    make none   # to make it\n\n```\nlooptap_x_total{}\n```\n'
        self.assertEqual([named(pattern, text) for pattern in (TARGET, FLAG, METRIC)],
                         [{'nothing', 'none'}, {'--bpf.nothing'}, {'looptap_x_total'}])


class Rooms(unittest.TestCase):

    def test_picture_is_the_table(self):
        """Each room stands on the lowest floor that its arrows allow."""
        table = may_include()
        right = {room: floor(room, table) for room in table}
        rows = (f'floor {number}   ' + ' '.join(f'[{room}]' for room in right if right[room] == number)
                for number in range(max(right.values()), -1, -1))
        self.assertEqual(drawn((ROOT / 'docs/architecture.md').read_text()), right,
                         'the picture in docs/architecture.md should be\n' + '\n'.join(rows))

    def test_other_arrows_make_another_picture(self):
        # Null control.
        table = may_include()
        picture = {room: floor(room, table) for room in table}
        table['base'] = ['inject']
        table['inject'] = []
        self.assertNotEqual(picture, {room: floor(room, table) for room in table})

    def test_every_room_is_explained(self):
        page = (ROOT / 'docs/architecture.md').read_text()
        [table] = [table for table in tables(page) if table.titles == ['room', 'is for']]
        self.assertEqual({room for row in table.rows for cell in row for room in spans(cell)} & set(may_include()),
                         set(may_include()))
