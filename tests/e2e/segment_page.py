"""docs/segment.md as data: offsets, sizes and constants of the layout, from the page's tables alone."""

import re

from e2e.markdown import spans, tables

STRUCT = re.compile(r'`(looptap_\w+)`, (\d+) bytes')


class Struct:

    def __init__(self, name, size, fields):
        self.name, self.size = name, size
        self.fields = fields  # {name: (offset, bytes)}, in the page's order


class SegmentPage:

    def __init__(self, text):
        self.structs = {}
        self.constants = {}
        for table in tables(text):
            named = STRUCT.match(table.before)
            if table.titles[:3] == ['offset', 'bytes', 'field']:
                fields = {spans(name)[0]: (int(offset), int(size))
                          for offset, size, name, *_ in table.rows}
                self.structs[named[1]] = Struct(named[1], int(named[2]), fields)
            elif table.titles[0] == 'name in C':
                self.constants.update((spans(name)[0], int(value, 0)) for name, value, *_ in table.rows)

    def place(self, struct, field):
        return self.structs[struct].fields[field]
