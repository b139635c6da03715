"""Reading a page from its HTML, and text that would like to be a part of one."""

from html.parser import HTMLParser

HOSTILE = "</script></title><img src=x onerror=alert(1)><b id='hostile'>&amp; $x$ %{x}"


class Elements(HTMLParser):
    """All elements of a page, and the text of it that is no script or style."""

    def __init__(self, html):
        super().__init__()
        self.found, self.words, self._in = [], [], ""
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._in = tag

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in not in ("script", "style"):
            self.words.append(data)

    def hostile(self):
        """What `HOSTILE` made of itself, and how often it stands there as text."""
        made = [tag for tag, a in self.found if tag in ("img", "b") or a.get("id") == "hostile"]
        return made, self.text.count(" ".join(HOSTILE.split()))
