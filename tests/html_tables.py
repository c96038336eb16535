"""A parser for the HTML tables that notebooks show."""

from html.parser import HTMLParser


class HTMLTable(HTMLParser):
    """The entries of a table, row by row, and those in bold."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.bold, self.open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open:
            self.rows[-1][-1] += data
        if "b" in self.open:
            self.bold.append(data)
