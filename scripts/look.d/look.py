"""Opens every page of a debug port in Chromium, clicks, takes pictures, and times the flame graph beside speedscope."""

import argparse
import functools
import http.server
import json
import pathlib
import statistics
import sys
import threading
import urllib.request

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import made_up

PAGES = {
    "overview": "/debug/",
    "profiles": "/debug/pprof/",
    "leaks": "/debug/leaks",
    "snapshots": "/debug/snapshots",
    "tasks": "/debug/tasks",
    "threads": "/debug/threads",
    "routes": "/debug/routes",
    "segments": "/debug/segments",
    "memory": "/debug/memory",
    "alerts": "/debug/alerts",
    "doctor": "/debug/doctor",
    "top": "/debug/top?profile=heap",
    "flame-heap": "/debug/flame?profile=heap",
    "flame-inverted": "/debug/flame?profile=heap#view=inverted",
    "flame-top": "/debug/flame?profile=heap#view=top",
    "flame-tasks": "/debug/flame?profile=tasks#by=route",
    "flame-cpu": "/debug/flame?profile=profile&seconds=2",
    "flame-delta": "/debug/flame?profile=heap&seconds=3",
}
LOOKS = {"light": ("light", 1280, 860), "dark": ("dark", 1280, 860), "phone": ("light", 360, 740), "phone-dark": ("dark", 360, 740)}


# Where the scripts and the style are written.
FRESH = pathlib.Path(__file__).parents[2] / "agent/src/serve/viewer"


# Finds what is hard to read.
CONTRAST = (pathlib.Path(__file__).parent / "contrast.js").read_text()

# Says what is wrong by which rule, and at the first three places.
AXE = """axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => JSON.stringify(violations.map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 120)).join(" | ")}`)))"""


# Where an element is, for comparing: its number among all of the page.
WHERE = "const where = (at) => `${at.tagName.toLowerCase()}#${at.id} ${[...document.querySelectorAll('*')].indexOf(at)}`;"

# What has the focus, and whether an outline shows it; nothing when it has left the page.
FOCUSED = """(() => { WHERE
    const at = document.activeElement;
    if (!at || at === document.body) return null;
    const shown = [at, at.nextElementSibling].filter(Boolean).some((one) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(one);
        return outlineStyle !== "none" && parseFloat(outlineWidth) >= 1;
    });
    return { path: where(at), visible: shown };
})()""".replace("WHERE", WHERE)

# What ought to have it once. Of a group of radio buttons Tab reaches one.
REACHABLE = """(() => { WHERE
    const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
    const fit = all.filter((at) => !at.disabled && at.checkVisibility() && at.type !== "radio");
    return fit.map(where);
})()""".replace("WHERE", WHERE)


class Looker:
    def __init__(self, browser, port, out, fresh, axe=None):
        self.browser, self.port, self.out, self.fresh, self.axe = browser, port.rstrip("/"), out, fresh, axe
        self.troubles = []

    def page(self, scheme="light", width=1280, height=860):
        context = self.browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        if self.fresh:
            context.route("**/debug/viewer/*", lambda route: route.fulfill(path=FRESH / route.request.url.split("/")[-1]))
        page = context.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and self.trouble(page, said.text))
        page.on("pageerror", lambda error: self.trouble(page, str(error)))
        page.on("request", lambda request: self.check(page, request.url))
        page.on("response", lambda answer: answer.status >= 400 and self.trouble(page, f"{answer.status} {answer.url}"))
        return page

    def trouble(self, page, what):
        self.troubles.append(f"{page.url}: {what}")

    def check(self, page, url):
        ours = url.startswith((self.port + "/", "data:"))
        if not ours:
            self.trouble(page, f"asked elsewhere: {url}")

    def need(self, page, held, what):
        if not held:
            self.trouble(page, what)

    def open(self, page, path):
        # A change behind the `#` alone would not load the page anew.
        page.goto("about:blank")
        page.goto(self.port + path, wait_until="load")
        if path.startswith("/debug/flame"):
            self.drawn(page)

    def drawn(self, page):
        """When the graph was first painted, in seconds from the beginning of the navigation. Without evaluating anything in the
        page, which its policy forbids."""
        page.wait_for_selector("#flame[data-drawn]", state="attached", timeout=60_000)
        page.wait_for_timeout(150)
        return float(page.get_attribute("#flame", "data-drawn")) / 1000

    def says(self, page, selector, text):
        page.locator(selector).filter(has_text=text).wait_for(timeout=10_000)

    def picture(self, page, name):
        page.screenshot(path=self.out / f"{name}.png", full_page=not name.startswith("flame"))

    def evaluated(self, page, expression):
        """From outside: the policy of the page lets nobody evaluate anything within."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = page.context.new_cdp_session(page).send("Runtime.evaluate", asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def fits(self, page):
        wide = self.evaluated(page, "document.documentElement.scrollWidth - innerWidth")
        self.need(page, wide <= 0, f"the page is {wide} px wider than the window")

    def is_legible(self, page):
        for words in self.evaluated(page, CONTRAST):
            self.trouble(page, words)

    def is_accessible(self, page):
        """What axe-core finds, where it is installed."""
        if not self.axe:
            return
        self.evaluated(page, self.axe.read_text() + ";0")
        for finding in json.loads(self.evaluated(page, AXE)):
            self.trouble(page, f"axe: {finding}")

    def pages(self, only):
        pages = dict(PAGES)
        snapshots = json.load(urllib.request.urlopen(self.port + "/debug/snapshots?format=json"))
        heaps = [snapshot["id"] for snapshot in snapshots if snapshot["kind"] == "heap"]
        if heaps:
            pages["flame-snapshot"] = f"/debug/flame?snapshot={heaps[0]}"
        if len(heaps) > 1:
            pages["flame-diff"] = f"/debug/flame?snapshot={heaps[0]}&base={heaps[-1]}"
            pages["flame-diff-top"] = pages["flame-diff"] + "#view=top"
            pages["flame-since"] = f"/debug/flame?profile=heap&base={heaps[-1]}"
        else:
            print("only", len(heaps), "heap snapshots: no difference of two is looked at")
        for look, (scheme, width, height) in LOOKS.items():
            page = self.page(scheme, width, height)
            for name, path in pages.items():
                if only and name not in only:
                    continue
                self.open(page, path)
                page.wait_for_timeout(200)
                self.fits(page)
                self.is_legible(page)
                self.is_accessible(page)
                self.picture(page, f"{name}-{look}")
            page.context.close()
        return heaps

    def clicks(self, heaps):
        page = self.page()
        self.open(page, "/debug/flame?profile=heap")
        before = page.url
        page.locator("#canvas").click(position={"x": 200, "y": 50})
        self.need(page, "zoom=" in page.url and page.url != before, "a click does not zoom")
        shared = page.url
        page.go_back()
        self.need(page, page.url == before, "going back does not zoom out")
        page.locator("#canvas").focus()
        for key in ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Enter"]:
            page.keyboard.press(key)
        self.need(page, "of all" in page.inner_text("#amount"), "the keys select no frame")
        self.need(page, "zoom=" in page.url, "Enter does not zoom")
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("remember")
        self.says(page, "#found", "%")
        self.need(page, "search=remember" in page.url, "the search is not in the link")
        self.picture(page, "flame-search-light")
        page.keyboard.press("Escape")
        self.need(page, "search" not in page.url, "Escape does not end the search")
        total = page.inner_text("#status")
        page.select_option("#value", "alloc_space")
        self.need(page, page.inner_text("#status") != total, "another value shows the same")
        page.locator("#filters summary").click()
        page.fill("#focus", "orders")
        self.says(page, "#status", " of ")
        self.picture(page, "flame-focus-light")
        page.locator("#reset").click()
        page.get_by_text("inverted", exact=True).click()
        self.need(page, "view=inverted" in page.url, "inverted is not in the link")
        page.get_by_text("top", exact=True).click()
        page.locator("#table th button", has_text="cum").click()
        self.need(page, page.locator("#table tbody tr").count() > 3, "the table is empty")
        page.locator("#table button.name").first.click()
        self.need(page, "search=" in page.url, "a row of the table leads nowhere")
        page.goto("about:blank")
        page.goto(shared)
        self.drawn(page)
        self.need(page, page.locator("#zoomin").is_enabled(), "a shared link does not zoom")
        if len(heaps) > 1:
            self.open(page, "/debug/snapshots")
            self.need(page, page.locator("#go").is_disabled(), "nothing is picked, and it compares")
            page.locator(f"input[name=snapshot][value='{heaps[0]}']").check()
            page.locator(f"input[name=base][value='{heaps[-1]}']").check()
            page.locator("#go").click()
            self.drawn(page)
            self.need(page, "growth" in page.inner_text("#status") or "+" in page.inner_text("#status"), "no difference")
        self.open(page, "/debug/")
        page.wait_for_selector(".card svg polyline")
        page.locator(".card svg").first.hover()
        heap = page.locator(".profile").first
        heap.locator("summary").click()
        heap.locator("input[name=seconds]").fill("1")
        heap.locator("button", has_text="view").click()
        self.drawn(page)
        self.sheets(page)
        page.context.close()
        self.keys_alone(heaps)
        self.without_scripts()

    def sheets(self, page):
        """The tables: sorted and searched, and both in the link."""
        self.open(page, "/debug/memory")
        first = lambda: page.locator("#memory tbody tr:visible td").first.inner_text()
        names = lambda: page.locator("#memory tbody tr:visible td:first-child").all_inner_texts()
        before = names()
        page.locator("#memory th button", has_text="bytes").click()
        sizes = self.evaluated(page, "[...document.querySelectorAll('#memory td.n[data-head=bytes]')].map((at) => Number(at.dataset.order))")
        self.need(page, sizes == sorted(sizes, reverse=True), "a click on a head does not sort")
        self.need(page, "memory=-bytes" in page.url, "the sorting is not in the link")
        page.locator("#memory th button", has_text="part").click()
        self.need(page, names() == sorted(before), "a click on a head of words does not sort by them")
        shared, top = page.url, first()
        page.goto("about:blank")
        page.goto(shared)
        page.wait_for_selector("#memory.sortable")
        self.need(page, first() == top, "a shared link does not sort")
        self.open(page, "/debug/doctor")
        page.keyboard.press("/")
        page.keyboard.type("heap sampler")
        self.says(page, "#found", "1 row")
        self.need(page, "find=heap+sampler" in page.url, "what is searched for is not in the link")
        self.open(page, "/debug/tasks")
        page.locator("#sites a").first.click()
        self.drawn(page)
        self.need(page, " stack" in page.inner_text("#status"), "a row leads to an empty flame graph")

    def keys_alone(self, heaps):
        """Everything is reached with Tab, and whatever has the focus shows that it has it."""
        page = self.page()
        for path in ["/debug/", "/debug/doctor", "/debug/flame?profile=heap"] + ["/debug/snapshots"][: len(heaps)]:
            self.open(page, path)
            page.wait_for_timeout(300)
            seen = []
            while len(seen) < 300:
                page.keyboard.press("Tab")
                told = self.evaluated(page, FOCUSED)
                if not told or told["path"] in [one["path"] for one in seen]:
                    break
                self.need(page, told["visible"], f"the focus is not to be seen on {told['path']}")
                seen.append(told)
            missed = set(self.evaluated(page, REACHABLE)) - {one["path"] for one in seen}
            self.need(page, not missed, f"not reached with Tab: {sorted(missed)[:5]}")
        page.context.close()

    def without_scripts(self):
        context = self.browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 860})
        page = context.new_page()
        for name, path in {"overview": "/debug/", "flame": "/debug/flame?profile=heap", "top": "/debug/top?profile=heap"}.items():
            page.goto(self.port + path)
            page.screenshot(path=self.out / f"no-script-{name}.png")
        self.need(page, page.locator("table.numbers tr").count() > 5, "no table without a script")
        context.close()

    def times(self, stacks, speedscope, rounds):
        bytes_ = made_up.profile(stacks)
        ours = [self.visible(bytes_) for _ in range(rounds)]
        line = f"{stacks} stacks ({len(bytes_) // 1024} KiB): visible after {statistics.median(ours):.2f} s"
        if speedscope:
            theirs = [other_visible(self.browser, speedscope, bytes_) for _ in range(rounds)]
            ratio = statistics.median(ours) / statistics.median(theirs)
            line += f", speedscope after {statistics.median(theirs):.2f} s, ratio {ratio:.2f}"
        print(line, "| ours", [round(time, 2) for time in ours], flush=True)
        return statistics.median(ours)

    def visible(self, bytes_):
        page = self.page()
        page.route("**/debug/pprof/heap?owners=1", lambda route: route.fulfill(
            body=bytes_, headers={"content-type": "application/octet-stream", "content-length": str(len(bytes_))}))
        page.goto(self.port + "/debug/flame?profile=heap", wait_until="commit")
        time = self.drawn(page)
        page.screenshot(path=self.out / "flame-large.png")
        page.context.close()
        return time


# speedscope tells by its title that it has read a profile; a moment later it is painted. The same clock as for ours: from the
# beginning of the navigation to the frame after.
SEEN = """() => new Promise((done) => {
    const look = () => document.title.includes('made-up') && document.querySelector('canvas')
        ? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(look);
    look();
})"""


def other_visible(browser, folder, bytes_):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.path != "/made-up.pb.gz":
                return super().do_GET()
            self.send_response(200)
            self.send_header("content-type", "application/octet-stream")
            self.send_header("content-length", str(len(bytes_)))
            self.end_headers()
            self.wfile.write(bytes_)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    try:
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html#profileURL=/made-up.pb.gz&title=made-up", wait_until="commit")
        return page.evaluate(SEEN) / 1000
    finally:
        context.close()
        server.shutdown()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--speedscope")
    parser.add_argument("--axe", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--skip", nargs="*", default=[], choices=["pages", "clicks", "times"])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
        looker = Looker(browser, arguments.port, arguments.out, arguments.fresh, arguments.axe)
        heaps = []
        if "pages" not in arguments.skip:
            heaps = looker.pages(arguments.only)
        if "clicks" not in arguments.skip:
            looker.clicks(heaps)
        slow = []
        if "times" not in arguments.skip:
            for stacks, most in [(2_000, 1), (20_000, 2)]:
                time = looker.times(stacks, arguments.speedscope, arguments.rounds)
                if time > most:
                    slow.append(f"{stacks} stacks are visible after {time:.2f} s; {most} s is the most")
        browser.close()
    print(f"pictures: {arguments.out}")
    for trouble in dict.fromkeys(looker.troubles + slow):
        print("TROUBLE", trouble)
    sys.exit(1 if looker.troubles or slow else 0)


main()
