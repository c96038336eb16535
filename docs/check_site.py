"""Check the built pages: ``python docs/check_site.py docs/_build/html``.

Every link and image within the site must lead somewhere. If there is a Chromium or Chrome, or the
variable ``BROWSER`` names one, it also opens every page offline, at the widths of a phone, a
laptop and a large screen, light and dark, and ``check_site.js`` looks for lines that are cut,
formulas that are not drawn, and text that cannot be read. Only the standard library is needed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

BROWSERS = "chromium", "chromium-browser", "google-chrome", "chrome"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1920,1080",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE = 900  # seconds for all pages in the browser


class Page(HTMLParser):
    """The anchors of a page, and what it links to."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name"):
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)


def pages_of(site: Path) -> list[Path]:
    """Return the pages; what lies under _static belongs to the theme."""
    return sorted(x for x in site.rglob("*.html") if "_static" not in x.relative_to(site).parts)


def dead_links(site: Path) -> list[str]:
    """Return the links within the site whose file or anchor does not exist."""
    pages = {path.resolve(): Page(path) for path in pages_of(site)}
    print(f"{len(pages)} pages, {sum(len(page.links) for page in pages.values())} links")
    dead = []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            known = pages[target].ids if target in pages else {anchor}
            if not target.exists() or (anchor and anchor not in known):
                dead.append(f"{path.relative_to(site.resolve())}: dead link {link}")
    return dead


class Handler(SimpleHTTPRequestHandler):
    """Serves the site and the check, and takes the check's results."""

    def __init__(self, *args, results: list, done: Event, **kwargs):
        self.results, self.done = results, done
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        if self.path != "/check-site":
            return super().do_GET()
        script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
        site = Path(self.directory)
        pages = [path.relative_to(site).as_posix() for path in pages_of(site)]
        body = f"<!doctype html><body><script>const pages = {json.dumps(pages)};\n{script}</script>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        self.results += json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.done.set()

    def log_message(self, *args) -> None:
        """Print nothing for each file that the browser asks for."""


def seen_in_browser(site: Path, browser: str) -> list[str]:
    """Return what is wrong with the pages as a browser draws them."""
    results, done = [], Event()
    handler = partial(Handler, directory=str(site), results=results, done=done)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/check-site"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            browser,
            *FLAGS,
            f"--user-data-dir={profile}",
            "--remote-debugging-port=0",
            address,
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not done.wait(PATIENCE):
                results.append(f"the browser took more than {PATIENCE} s")
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="folder of the HTML pages")
    site = parser.parse_args().site
    problems = dead_links(site)
    browser = os.environ.get("BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser:
        problems += seen_in_browser(site, browser)
    else:
        print("no Chromium is installed, so the pages are not looked at in a browser")
    print("\n".join(problems) or "nothing is wrong")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
