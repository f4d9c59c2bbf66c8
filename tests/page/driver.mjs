// SPDX-License-Identifier: Apache-2.0
// A browser that does what it is told, one JSON object a line: {"do": "open", "url": ...} -> {"value": ...} or
// {"failed": ...}. page_test.py holds the tests; this file holds what only Playwright can do.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const axeSource = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf-8");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
});
let context;
let page;
let said = []; // errors of the page, and requests to anywhere else

const steps = {
  // A fresh page: {url, width, height, scheme, scripts, reduced}
  async open({ url, width = 1280, height = 900, scheme = "light", scripts = true }) {
    if (context) await context.close();
    // What measures and judges is put in by the debugger: the page's own policy stays in force for the page.
    context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, javaScriptEnabled: scripts });
    page = await context.newPage();
    said = [];
    page.on("console", (one) => { if (["error", "warning"].includes(one.type())) said.push(one.text()); });
    page.on("pageerror", (one) => said.push(String(one)));
    page.on("request", (one) => {
      if (new URL(one.url()).origin !== new URL(url).origin) said.push(`asked ${one.url()}`);
    });
    if (scripts) {
      await page.addInitScript(() => {
        window.longTasks = [];
        new PerformanceObserver((list) => {
          for (const one of list.getEntries()) window.longTasks.push(Math.round(one.duration));
        }).observe({ type: "longtask", buffered: true });
      });
    }
    const answer = await page.goto(url, { waitUntil: scripts ? "load" : "domcontentloaded" });
    return answer.status();
  },
  async evaluate({ js }) { return page.evaluate(js); },
  // Not Playwright's own waiting, which needs eval() in the page: its policy forbids that.
  async wait({ js, patience = 30000 }) {
    const end = Date.now() + patience;
    const holds = () => page.evaluate(js).catch((failed) => {
      if (!String(failed).includes("Execution context was destroyed")) throw failed; // else: on its way to another page
    });
    while (!(await holds())) {
      if (Date.now() > end) throw new Error(`not within ${patience} ms`);
      await new Promise((go) => setTimeout(go, 50));
    }
    return true;
  },
  async click({ what }) { await page.click(what, { timeout: 10000 }); return true; },
  async fill({ what, text }) { await page.fill(what, text); return true; },
  async press({ key, times = 1 }) { for (let i = 0; i < times; i += 1) await page.keyboard.press(key); return true; },
  async text({ what }) { return page.locator(what).first().innerText(); },
  async count({ what }) { return page.locator(what).count(); },
  async shot({ path, full = false }) { await page.screenshot({ path, fullPage: full }); return true; },
  async said() { return said; },
  async tree({ what = "body" }) { return page.locator(what).first().ariaSnapshot(); },
  async axe() {
    await page.evaluate(axeSource);
    return page.evaluate(async () => {
      const found = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
      return found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ")}`);
    });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const step = JSON.parse(line);
  let answer;
  try {
    answer = { value: await steps[step.do](step) };
  } catch (failed) {
    answer = { failed: String(failed) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
