#!/usr/bin/env python3
"""report.py SHOTS: the pages that report.sh has made here, in a browser. Screenshots go to the folder SHOTS."""
import sys

from browser import Browser
from checks import equal, holds, it

SHOTS = sys.argv[1] + "/report-"
DRAWN = "document.querySelector('#graph .functions tbody tr')"


def opened(browser, path, drawn=DRAWN, **window):
    page = browser.page(**window)
    page.open(path)
    page.wait(drawn)
    return page


def texts(page, selector):
    return page.evaluate("Array.from(document.querySelectorAll('%s')).map((one) => one.textContent)" % selector)


def quiet(page):
    equal(page.messages, [], "messages on the console")
    equal(page.evaluate("window.harmed"), None, "what a text of the incident has run")


def verdict(browser):
    it("begins with the verdict, and shows the view of the culprit")
    page = opened(browser, "leak.html")
    equal(page.text("#verdict .culprit").strip(), "cache_put cache.c:12 holds 500 KiB more than 1 min before: 100 % of all growth.")
    equal(texts(page, ".switch button"), ["Grew since the baseline", "Held now", "Allocated", "later: Open descriptors"])
    equal(page.text(".switch [aria-pressed=true]"), "Grew since the baseline")
    equal(page.text("#graph .detail b"), "Grew since the baseline: +500kB")
    page.click_on(".switch button:nth-child(2)")
    equal(page.text("#graph .detail b"), "Held now: 600kB")
    page.click_on(".switch button:nth-child(4)")
    equal(page.text("#graph .detail b"), "later: Open descriptors: 4", "a kind that this version does not know")
    it("shows the source lines of the heaviest stack")
    equal(page.text("#source mark").split(), ["550kB", "12", "return", "malloc(size);", "//", "the", "leak"])
    it("makes no request, and writes nothing on the console")
    equal(len(page.requests), 1, "requests")
    quiet(page)
    page.screenshot(SHOTS + "light.png", whole=True)


def metrics(browser):
    it("plots the fired metric first and large, with its rule's line, the baseline and the trigger")
    page = opened(browser, "leak.html")
    equal(texts(page, ".plot figcaption b"), ["heap_in_use", "cpu", "rss"])
    equal(texts(page, ".plot.large .label"), ["heap-high: 500 KiB", "baseline", "trigger"])
    equal(texts(page, ".plot:nth-child(2) .label"), ["busy: 90 %", "baseline", "trigger"])
    holds(page.evaluate("document.querySelector('.plot.large svg').getAttribute('aria-label')").startswith("heap_in_use over time, from 68.4 KiB to 478.5 KiB"),
          "the plot has a text alternative")
    it("reads values by the arrow keys")
    page.evaluate("document.querySelector('.plot.large svg').focus()")
    page.press("End")
    equal(page.text(".plot.large .reading").split(": ")[1], "478.5 KiB")
    page.press("ArrowLeft")
    equal(page.text(".plot.large .reading").split(": ")[1], "410.2 KiB")
    page.press("Home")
    equal(page.text(".plot.large .reading").split(": ")[1], "68.4 KiB")
    it("shows the last 30 minutes or all, as the address says")
    equal(page.text("#plots .toolbar [aria-pressed=true]"), "Last 30 min")
    page.click_on("#plots button[data-range=all]")
    equal(page.evaluate("location.hash"), "#range=all")
    holds("−2 h" in texts(page, ".plot.large .tick"), "the axis begins two hours ago: %r" % texts(page, ".plot.large .tick"))
    page.click_on("#metrics summary")
    page.wait("location.hash.includes('open=metrics')")
    again = opened(browser, "leak.html" + page.evaluate("location.hash"))
    equal(again.text("#plots .toolbar [aria-pressed=true]"), "All of it", "restored from the address")
    holds(again.evaluate("document.querySelector('#metrics').open"), "the table is open again")
    quiet(page)


def past(browser):
    it("shows days of the history file: each process apart, restarts marked, the lowest and the highest value of each column")
    page = opened(browser, "past.html")
    equal(texts(page, "#plots .toolbar button"), ["Last 30 min", "Last 3 h", "Last 3 d", "All of it"])
    equal(page.evaluate("document.querySelectorAll('.plot.large .restart').length"), 0, "restarts in the last 30 min")
    for part, restarts, pieces in (("days", ["process 7 begins", "process 4 begins"], 3), ("hours", [], 2)): # heap_in_use is missing from 2 h to 2 min before
        page.click_on("#plots button[data-range=%s]" % part)
        equal(texts(page, ".plot.large .mark.restart title"), restarts)
        drawn = page.evaluate("['values', 'band'].map((one) => document.querySelector('.plot.large .' + one).getAttribute('d').split('M').length - 1)")
        equal(drawn, [pieces, pieces], "pieces of the curve and of its band")
    page.click_on("#plots button[data-range=all]")
    page.evaluate("document.querySelector('.plot.large svg').focus()")
    page.press("Home")
    equal(page.text(".plot.large .reading"), "−11 d: 195.3 KiB to 244.1 KiB")
    equal(page.evaluate("document.querySelector('.plot.large svg').getAttribute('aria-label')").split(", ")[1:3],
          ["from 244.1 KiB to 478.5 KiB", "at most 478.5 KiB"])
    it("says in words which processes these are, and what is not shown")
    equal(page.text("#history .why"), "The history file of this program goes back to 2026-11-13T03:05:09.000Z, with 2 processes before this one."
          " 1 other process ran at the same time, and is not shown.")
    equal(texts(page, "#processes li"), ["process 4, from 2026-11-22T03:15:09.000Z for 23.8 h", "process 3, from 2026-11-13T03:05:09.000Z for 9 d"])
    page.screenshot(SHOTS + "past.png", whole=True)
    phone = opened(browser, "past.html#range=days", width=390, height=844)
    phone.screenshot(SHOTS + "past-phone.png")
    quiet(page)


def labels(browser):
    it("never writes one label over another, and names what there is room for")
    for width in (1280, 500):
        page = opened(browser, "crowded.html", width=width, height=900)
        boxes = page.evaluate("Array.from(document.querySelectorAll('.plot')).filter((plot) => plot.clientWidth).map((plot) =>"
                              " Array.from(plot.querySelectorAll('.label'), (one) => { const r = one.getBoundingClientRect();"
                              " return [one.textContent, r.left, r.top, r.right, r.bottom]; }))")
        for plot in boxes:
            for i, (a, left, top, right, bottom) in enumerate(plot):
                for b, other_left, other_top, other_right, other_bottom in plot[:i]:
                    holds(min(right, other_right) - max(left, other_left) < 2 or min(bottom, other_bottom) - max(top, other_top) < 2,
                          "at a width of %d, %r and %r overlap" % (width, a, b))
        named = [text for text, *_ in boxes[0]]
        holds({"trigger", "baseline", "heap-high: 500 KiB", "heap-higher: 510 KiB"} <= set(named), "at %d only %r are named" % (width, named))
        page.screenshot(SHOTS + "labels-%d.png" % width)
        quiet(page)


def memory(browser):
    it("draws the memory account as bands, in one scale")
    page = opened(browser, "leak.html")
    equal(texts(page, "#band .when"), ["60 s before: 200 KiB", "now: 800 KiB"])
    widths = page.evaluate("Array.from(document.querySelectorAll('#band rect')).map((one) => one.getAttribute('width'))")
    equal(widths, ["12.5%", "0%", "12.5%", "75%", "12.5%", "12.5%"])
    holds("live heap 600 KiB" in page.evaluate("document.querySelectorAll('#band svg')[1].getAttribute('aria-label')"), "a text alternative")


def others_texts(browser):
    it("shows texts of others as texts, and draws a deadlock of three")
    page = opened(browser, "hostile.html")
    quiet(page)
    equal(page.evaluate("document.querySelectorAll('img').length"), 0, "images")
    equal(page.evaluate("document.querySelectorAll('#ring .thread').length"), 3)
    equal(page.evaluate("document.querySelectorAll('#ring .arrow').length"), 3)
    holds("</script>" in page.text("#verdict h1"), "the reason is shown as it is: " + page.text("#verdict h1"))
    page.screenshot(SHOTS + "hostile.png", whole=True)
    phone = opened(browser, "hostile.html", width=390, height=844)
    holds(phone.evaluate("document.documentElement.scrollWidth <= 390"), "the page is as wide as a phone")
    phone.screenshot(SHOTS + "hostile-phone.png", whole=True)


def damaged(browser):
    it("shows the rest of an incident with damaged files, and says what is damaged")
    page = opened(browser, "damaged.html", drawn="document.querySelector('#notes')")
    problems = texts(page, "p.problem code")
    equal(sorted(problems), ["heap.pb.gz", "memory.json", "metrics.json"])
    page.wait("document.querySelector('#graph .switch')")
    quiet(page)
    page.screenshot(SHOTS + "damaged.png", whole=True)


def without_script(browser):
    it("is a page of tables without script")
    page = browser.page()
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open("leak.html")
    page.call("Emulation.setScriptExecutionDisabled", value=False) # it does not run what was skipped
    page.screenshot(SHOTS + "no-script.png", whole=True)
    page.wait("document.querySelector('#memory td')")
    equal(texts(page, "#memory tbody tr:first-child td"), ["600 KiB", "100 KiB", "+500 KiB"])
    holds("heap_in_use" in texts(page, "#metrics th"), "the metrics are in a table")
    holds("the summary" in page.text("#summary"), "the summary is there")
    equal(page.evaluate("document.querySelectorAll('canvas').length"), 0, "no script has run")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    holds("cache_put" in page.text("#profiles"), "the functions are in a table")


def looks(browser):
    it("has screenshots in dark, on a phone and for the printer to look at")
    opened(browser, "leak.html", dark=True).screenshot(SHOTS + "dark.png", whole=True)
    phone = opened(browser, "leak.html", width=390, height=844, scale=2)
    holds(phone.evaluate("document.documentElement.scrollWidth <= 390"), "the page is as wide as a phone")
    phone.screenshot(SHOTS + "phone.png", whole=True)
    page = opened(browser, "leak.html")
    page.print(SHOTS + "print.pdf")
    page.media(kind="print")
    page.screenshot(SHOTS + "print.png", whole=True)
    quiet(page)


def many(browser):
    it("draws 5,000 stacks")
    page = opened(browser, "many.html")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print("  first paint of 5,000 stacks: %.0f ms" % paint)
    holds(page.evaluate("document.querySelectorAll('.plot').length") == 8, "eight plots")
    quiet(page)
    page.screenshot(SHOTS + "many.png", whole=True)


with Browser() as browser:
    for story in (verdict, metrics, past, labels, memory, others_texts, damaged, without_script, looks, many):
        story(browser)
