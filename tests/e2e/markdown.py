"""Reads Markdown pages of this repository, as far as tests hold them against what is."""

import re

CELL = re.compile(r'(?<!\\)\|')
LINK = re.compile(r'\]\(([^()\s]+)\)')
SPAN = re.compile(r'(?<!`)`([^`]+)`(?!`)')
FENCE = re.compile(r'^```.*?^```$', re.M | re.S)


class Table:
    """One table: the paragraph before it, its titles, its rows (lists of cells, as they are written)."""

    def __init__(self, before, lines):
        self.before = before
        self.titles, _, *self.rows = [[cell.strip() for cell in CELL.split(line)[1:-1]] for line in lines]

    def column(self, title):
        place = self.titles.index(title)
        return [row[place] for row in self.rows]


def tables(text):
    """Those of a page, in its order."""
    found = []
    paragraph = ''
    for block in re.split(r'\n\s*\n', text):
        lines = block.strip().splitlines()
        if len(lines) > 2 and all(line.startswith('|') for line in lines):
            found.append(Table(paragraph, lines))
        paragraph = block.strip()
    return found


def spans(cell):
    """What stands in backquotes."""
    return SPAN.findall(cell)


def code(text):
    """What stands in backquotes, and the lines of code blocks."""
    blocks = ''.join(FENCE.findall(text)).splitlines()
    indented = re.findall(r'^    ( *\S.*)$', FENCE.sub('', text), re.M)
    return spans(FENCE.sub('', text)) + [line.strip() for line in blocks + indented]


def links(text):
    """The targets of links, outside of code."""
    return LINK.findall(SPAN.sub('', FENCE.sub('', text)))


def anchors(text):
    """What links may name behind a #."""
    titles = re.findall(r'^#+ (.*)$', FENCE.sub('', text), re.M)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


def broken_links(page, text):
    """Relative links that lead to no file, or to no title of one."""
    for link in links(text):
        if re.match(r'[a-z]+:', link):
            continue
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        if not target.exists():
            yield link
        elif anchor and anchor not in anchors(target.read_text() if path else text):
            yield link
