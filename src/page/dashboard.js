// SPDX-License-Identifier: Apache-2.0
// The live part of the dashboard: filters, deep links, what changes as it changes, and the timeline. The page is
// whole without it: every row is in the HTML that the daemon sent. Parts arrive as HTML of the same renderer and are
// put in place; no text becomes HTML here.
"use strict";
(() => {
  const STATES = [["fail", "fail"], ["unproven", "unproven"], ["blank", "not configured"], ["pass", "pass"]];
  const STATE_WORDS = { fail: "fail", unproven: "unproven", not_configured: "blank", blank: "blank", pass: "pass" };
  const GATHER_MS = 300;     // events of one round come together
  const LEAST_PAUSE_MS = 1000; // between two refreshes
  const MOST_ROWS = 6;       // more changed rows than this: the whole page at once
  const SILENT_MS = 40000;   // the daemon sends something every 15 s
  const TYPING_MS = 150;

  const at = new URLSearchParams(location.search).get("at");
  const main = () => document.querySelector("main.report");
  const rows = () => document.querySelectorAll("section.row");
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name in element && typeof value !== "string") element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const parse = (html) => new DOMParser().parseFromString(html, "text/html");
  const stateOf = (row) => STATES.map(([name]) => name).find((name) => row.classList.contains(name));

  // ---- the bar above the page

  const search = make("input", { type: "search", id: "find", autocomplete: "off", spellcheck: "false" });
  const buttons = new Map();
  const matches = make("span", { class: "matches", role: "status" });
  const connection = make("span", { class: "connection unproven" }, "connecting");
  const banner = make("section", { class: "past", "aria-label": "Which time this is", hidden: true });
  const announcer = make("div", { class: "unseen", role: "status", "aria-live": "polite", id: "announcer" });
  const tools = make("div", { class: "tools", role: "search", "aria-label": "Rows" });

  const buildTools = () => {
    const choice = make("fieldset", {}, make("legend", {}, "Show"));
    for (const [name, word] of STATES) {
      const button = make("button", { type: "button", class: name, "aria-pressed": "false", "data-state": name }, word);
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "true" ? "false" : "true");
        applyFilter();
        keepInAddress();
      });
      buttons.set(name, button);
      choice.append(button);
    }
    const form = make("form", {}, make("label", { for: "find" }, "Find"), search, choice, matches, connection);
    form.addEventListener("submit", (event) => event.preventDefault());
    tools.append(form);
    document.body.prepend(make("a", { class: "skip", href: "#rows" }, "Skip to the rows"), tools, banner);
    document.body.append(announcer);
    let typing = 0;
    search.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => { applyFilter(); keepInAddress(); }, TYPING_MS);
    });
  };

  // ---- filter and deep links

  const texts = new WeakMap(); // section -> what is searched
  const textOf = (row) => {
    let text = texts.get(row);
    if (text === undefined) {
      text = `${row.id} ${row.textContent}`.toLowerCase();
      texts.set(row, text);
    }
    return text;
  };
  const wanted = () => STATES.map(([name]) => name).filter((name) => buttons.get(name).getAttribute("aria-pressed") === "true");

  const applyFilter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = wanted();
    let shown = 0;
    let all = 0;
    for (const row of rows()) {
      all += 1;
      const fits = (states.length === 0 || states.includes(stateOf(row))) &&
                   (words.length === 0 || words.every((word) => textOf(row).includes(word)));
      if (row.hidden === fits) row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    for (const group of document.querySelectorAll("section.group")) {
      const own = group.querySelectorAll("section.row");
      group.hidden = own.length > 0 && [...own].every((row) => row.hidden);
    }
    const noun = all === 1 ? "row" : "rows";
    const text = states.length + words.length === 0 ? `${all} ${noun}` : `${shown} of ${all} ${noun}`;
    if (matches.textContent !== text) matches.textContent = text;
  };

  const keepInAddress = () => {
    const query = new URLSearchParams(location.search);
    query.delete("state");
    query.delete("q");
    if (wanted().length > 0) query.set("state", wanted().join(","));
    if (search.value.trim()) query.set("q", search.value.trim());
    const text = query.toString();
    history.replaceState(null, "", `${location.pathname}${text ? `?${text}` : ""}${location.hash}`);
  };

  const readAddress = () => {
    const query = new URLSearchParams(location.search);
    for (const name of (query.get("state") || "").split(",")) {
      const button = buttons.get(STATE_WORDS[name]);
      if (button) button.setAttribute("aria-pressed", "true");
    }
    search.value = query.get("q") || "";
  };

  // A row that is linked to is shown whatever the filter says.
  const showTarget = () => {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { /* "%" alone: as it stands */ }
    const target = name && document.getElementById(name);
    if (!target) return;
    for (let part = target; part && part !== document.body; part = part.parentElement) part.hidden = false;
    target.scrollIntoView({ block: "start" });
    if (!target.hasAttribute("tabindex")) target.setAttribute("tabindex", "-1");
    target.focus({ preventScroll: true });
  };

  // ---- rows as the daemon sent them

  const sources = new WeakMap(); // section -> its HTML before anything was added

  const decorate = (row) => {
    sources.set(row, row.outerHTML);
    const heading = row.querySelector("h3");
    if (!heading || at) return;
    const name = heading.textContent.replace(/\s+/g, " ").trim();
    heading.append(make("a", { class: "permalink", href: `#${row.id}`, "aria-label": `Link to ${name}` }, "link"));
  };

  // In pieces, so that a page of many rows stays usable while they are looked at.
  const decorateAll = async (list) => {
    let begun = performance.now();
    for (const row of list) {
      if (!sources.has(row)) decorate(row);
      if (performance.now() - begun > 8) {
        await new Promise((go) => setTimeout(go));
        begun = performance.now();
      }
    }
  };

  const openParts = (row) => [...row.querySelectorAll("details")].map((one) => [one.className, one.open]);
  const focusPath = (row) => {
    const focused = document.activeElement;
    if (!focused || !row.contains(focused)) return null;
    const all = [...row.querySelectorAll(focused.tagName)];
    return { tag: focused.tagName, index: focused === row ? -1 : all.indexOf(focused) };
  };

  const replaceRow = (before, after) => {
    const open = openParts(before);
    const focus = focusPath(before);
    decorate(after);
    after.hidden = before.hidden;
    after.querySelectorAll("details").forEach((one, index) => {
      if (open[index] && open[index][0] === one.className) one.open = open[index][1];
    });
    before.replaceWith(after);
    if (focus) {
      const target = focus.index < 0 ? after : after.querySelectorAll(focus.tag)[focus.index] || after;
      if (!target.matches("a, button, summary, input")) target.setAttribute("tabindex", "-1");
      target.focus({ preventScroll: true });
    }
  };

  const announce = () => {
    const answer = document.querySelector("#answer h1");
    const lead = document.querySelector("#answer .lead");
    const site = document.querySelector("#answer .site strong");
    if (!answer) return;
    const text = `${answer.textContent.trim()}. ${lead ? lead.textContent.trim() : ""}`;
    if (announcer.dataset.said !== undefined && announcer.dataset.said !== text) announcer.textContent = text;
    announcer.dataset.said = text;
    document.title = `${site ? site.textContent : "reachd"}: ${answer.textContent.trim()}`;
  };

  // Rows that are the same stay the same elements: what is open, focused or selected in them stays so.
  const replaceAll = async (fresh) => {
    const anchor = [...rows()].find((row) => !row.hidden && row.getBoundingClientRect().bottom > 0);
    const offset = anchor ? anchor.getBoundingClientRect().top : 0;
    const focused = document.activeElement;
    const inside = focused && main().contains(focused);
    const holder = inside ? focused.closest("section.row, #answer") : null;
    const path = holder ? focusPath(holder) : null;
    const known = new Map([...rows()].map((row) => [row.id, row]));
    const kept = []; // [place in the fresh page, the element that stays]
    let begun = performance.now();
    for (const row of fresh.querySelectorAll("section.row")) {
      const old = known.get(row.id);
      if (old && sources.get(old) === row.outerHTML) {
        kept.push([row, old]);
      } else {
        const open = old ? openParts(old) : [];
        decorate(row);
        row.querySelectorAll("details").forEach((one, index) => { one.open = Boolean(open[index] && open[index][1]); });
        if (old && stateOf(old) !== stateOf(row)) row.classList.add("changed");
      }
      if (performance.now() - begun > 8) {
        await new Promise((go) => setTimeout(go));
        begun = performance.now();
      }
    }
    // From here on at once: nobody sees a page without its rows.
    for (const [place, element] of kept) place.replaceWith(element);
    main().replaceChildren(...fresh.childNodes);
    if (holder && path) {
      const again = document.getElementById(holder.id);
      const target = again && (path.index < 0 ? again : again.querySelectorAll(path.tag)[path.index] || again);
      if (target) {
        if (!target.matches("a, button, summary, input")) target.setAttribute("tabindex", "-1");
        target.focus({ preventScroll: true });
      }
    }
    const anchored = anchor && document.getElementById(anchor.id);
    if (anchored) scrollBy(0, anchored.getBoundingClientRect().top - offset);
  };

  // ---- what changes

  const dirty = new Set();
  let all = false;
  let timer = 0;
  let busy = false;
  let last = 0;

  const refreshRow = async (name) => {
    const answer = await fetch(`/row/${name.split("/").map(encodeURIComponent).join("/")}`);
    if (!answer.ok) { all = true; return; }
    const row = parse(await answer.text()).querySelector("section.row");
    const old = row && document.getElementById(row.id);
    if (!row || !old || stateOf(row) !== stateOf(old)) { all = true; return; }
    if (sources.get(old) !== row.outerHTML) replaceRow(old, document.adoptNode(row));
  };

  const refresh = async () => {
    if (busy || document.hidden || at) return;
    busy = true;
    try {
      const names = [...dirty];
      dirty.clear();
      if (!all && names.length <= MOST_ROWS) for (const name of names) await refreshRow(name);
      if (all || names.length > MOST_ROWS) {
        all = false;
        const answer = await fetch("/main");
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        const fresh = parse(await answer.text()).querySelector("main.report");
        if (fresh) await replaceAll(fresh);
      }
      announce();
      applyFilter();
      document.dispatchEvent(new CustomEvent("refreshed"));
    } catch (failed) {
      all = true; // the stream's state says that the daemon is away
    } finally {
      busy = false;
      last = performance.now();
      if (all || dirty.size > 0) schedule();
    }
  };

  const schedule = () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(GATHER_MS, last + LEAST_PAUSE_MS - performance.now()));
  };

  const onEvent = (event) => {
    if (event.kind === "site.changed" || event.kind === "config.reloaded") all = true;
    else if (event.catalogue && event.requirement) {
      dirty.add(`${event.catalogue}/${event.requirement}`);
      if (event.before !== undefined && event.before !== event.state) all = true;
    } else return;
    schedule();
  };

  // ---- the stream of events

  let stream = null;
  let heard = performance.now();
  const tell = (state, word) => {
    if (connection.textContent === word) return;
    connection.className = `connection ${state}`;
    connection.textContent = word;
    if (state !== "pass") announcer.textContent = `Connection: ${word}`;
    if (at) return;
    banner.hidden = state === "pass";
    const since = new Date(Date.now() - (performance.now() - heard)).toISOString().slice(0, 19).replace("T", " ");
    banner.textContent = state === "pass" ? "" : `No word from the daemon since ${since} UTC: this is how things were then.`;
  };
  const follow = () => {
    if (stream) stream.close();
    stream = new EventSource("/events");
    const alive = () => { heard = performance.now(); tell("pass", "live"); };
    stream.addEventListener("open", alive);
    stream.addEventListener("tick", alive);
    stream.addEventListener("snapshot", () => { alive(); all = true; schedule(); });
    stream.addEventListener("lost", () => { alive(); all = true; schedule(); });
    stream.addEventListener("message", (message) => { alive(); onEvent(JSON.parse(message.data)); });
    stream.addEventListener("error", () => {
      tell("unproven", "reconnecting");
      if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
    });
  };
  const watchStream = () => {
    if (performance.now() - heard > SILENT_MS) {
      tell("fail", "stale: the daemon does not answer");
      if (performance.now() - heard > 2 * SILENT_MS) { heard = performance.now() - SILENT_MS; follow(); }
    }
  };

  // ---- what was

  const PAGE = 50; // changes that are asked for at a time
  const KINDS = "site,requirement,start,stop,reload";
  const WORDS = { ready: "pass", pass: "pass", clean: "pass", not_ready: "fail", fail: "fail", unclean: "fail" };
  const clock = (time) => `${time.slice(0, 19).replace("T", " ")} UTC`;
  const list = make("ol", { tabindex: "0", "aria-label": "Changes, newest first" });
  const slider = make("input", { type: "range", id: "back", min: "0", max: "0", value: "0" });
  const moment = make("output", { for: "back" });
  const show = make("button", { type: "button", disabled: true }, "Show the site then");
  const older = make("button", { type: "button" }, "Older changes");
  let changes = [];
  let cursor = null;

  const wordsOf = (one) => {
    if (one.kind === "start") return "daemon started";
    if (one.kind === "stop") return one.state === "unclean" ? "daemon ended without a word" : "daemon stopped";
    if (one.kind === "reload") return "files read again";
    const what = one.kind === "site" ? "site" : one.requirement;
    return one.sentence ? `${what}: ${one.sentence}` : what;
  };
  const linkTo = (time) => {
    const query = new URLSearchParams(location.search);
    query.set("at", time);
    return `/?${query}`;
  };
  const addChanges = (found) => {
    for (const one of found) {
      const state = one.kind === "site" || one.kind === "requirement" ? String(one.state || "").replace("_", " ") : "";
      const link = make("a", { href: linkTo(one.time) }, make("time", { datetime: one.time }, clock(one.time)));
      const item = make("li", { class: WORDS[one.state] || "unproven" }, link,
        make("span", { class: "word" }, state), make("span", {}, wordsOf(one)));
      if (at && one.time === at) item.setAttribute("aria-current", "true");
      list.append(item);
    }
    changes = changes.concat(found);
    slider.max = String(Math.max(0, changes.length - 1));
  };
  let asked = 0;
  // The list stays as it is until the answer is there, and the last question wins.
  const loadChanges = async (from) => {
    const mine = ++asked;
    const query = new URLSearchParams({ kinds: KINDS, limit: String(PAGE) });
    if (from) query.set("cursor", from);
    const answer = await fetch(`/history?${query}`);
    if (mine !== asked) return;
    if (!answer.ok) { list.replaceChildren(make("li", {}, "The history cannot be read.")); older.disabled = true; return; }
    const found = await answer.json();
    if (mine !== asked) return;
    if (!from) {
      list.replaceChildren();
      changes = [];
    }
    cursor = found.next;
    addChanges(found.changes);
    older.disabled = cursor === null;
  };
  // To the right is now, to the left is before.
  const chosen = () => changes[Number(slider.max) - Number(slider.value)];
  const buildTimeline = () => {
    const details = make("details", { class: "past-changes" }, make("summary", {}, "Timeline: what changed, and the site as it was"));
    const back = make("div", { class: "then" }, make("label", { for: "back" }, "Go back"), slider, show, moment, older);
    details.append(back, list);
    document.querySelector(".tools").after(make("section", { class: "timeline", "aria-label": "Timeline" }, details));
    details.addEventListener("toggle", async () => {
      if (!details.open || changes.length > 0) return;
      await loadChanges(null);
      const now = at ? changes.findIndex((one) => one.time <= at) : 0;
      slider.value = String(Number(slider.max) - Math.max(0, now));
    });
    slider.addEventListener("input", () => {
      const one = chosen();
      moment.textContent = one ? `${clock(one.time)}: ${wordsOf(one)}` : "";
      slider.setAttribute("aria-valuetext", moment.textContent);
      show.disabled = !one;
    });
    show.addEventListener("click", () => { const one = chosen(); if (one) location.assign(linkTo(one.time)); });
    older.addEventListener("click", () => loadChanges(cursor));
    // Not under the fingers of somebody who reads further down or goes through it by keyboard.
    const isLeft = () => list.scrollTop === 0 && changes.length <= PAGE && !list.contains(document.activeElement);
    document.addEventListener("refreshed", () => { if (details.open && !at && isLeft()) loadChanges(null); });
    if (!at) return;
    const query = new URLSearchParams(location.search);
    query.delete("at");
    const now = make("a", { href: `/${query.size > 0 ? `?${query}` : ""}` }, "Back to now");
    banner.replaceChildren(`The site as it was at ${clock(at)}. `, now);
    banner.hidden = false;
    details.open = true;
  };

  // ---- begin

  const begin = async () => {
    main().id = "rows"; // of the link that skips the bar
    main().setAttribute("tabindex", "-1");
    buildTools();
    buildTimeline();
    readAddress();
    await decorateAll(rows());
    announce();
    applyFilter();
    showTarget();
    addEventListener("hashchange", showTarget);
    addEventListener("popstate", () => { readAddress(); applyFilter(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden && (all || dirty.size > 0)) schedule(); });
    if (at) {
      tell("unproven", "past");
      return;
    }
    follow();
    setInterval(watchStream, 5000);
  };
  begin();
})();
