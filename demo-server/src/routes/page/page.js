// Keeps the page up to date, and ticks what the visitor has really done.
//
// The server is asked how the session is, which is no use of it. What has happened in between -
// a restart, a change by hand, the end - shows in how one answer differs from the one before.

const EVERY = 1000; // milliseconds between two looks
const SLACK = 250; // by which two looks at the same expiry may differ
const STEPS = ["set", "get", "restart", "edit", "expire"];

const at = (id) => document.getElementById(id);

// Survives a reload and a visit to /get, and ends with the tab.
const kept = JSON.parse(sessionStorage.getItem("walkthrough") ?? "null") ?? { done: {}, last: null };
let deadline = null; // when the session expires, by performance.now()
let away = false; // the server does not answer

// ---- Looking ------------------------------------------------------------------------------

// One thing at a time, so that what happens is told apart from what this page does itself.
let queue = Promise.resolve();
function enqueue(task) {
  queue = queue.then(task, task);
  return queue;
}

async function look(mine = null) {
  let now;
  try {
    const answer = await fetch("/status", { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    now = await answer.json();
  } catch {
    away = true;
    showTrouble();
    return;
  }
  away = false;
  if (now.session) now.session.expires = now.now + now.session.expires_in;
  // Of a session nothing is known while its store does not answer.
  if (now.store.answers) {
    if (kept.last) compare(kept.last, now, mine);
    else if (now.session) tick("set");
    kept.last = now;
  }
  save();
  show(now);
}

function compare(before, now, mine) {
  const was = before.session;
  const is = now.session;
  const same = was && is && was.id === is.id;
  const restarted = before.started !== now.started;
  if (is) tick("set");

  if (restarted && same) {
    if (tick("restart")) tell("Restarted, and your session is still there.");
    else tell("The server has been restarted.");
  } else if (restarted && was) {
    tell(now.store.keeps
      ? "Restarted. Your session ended meanwhile."
      : "Restarted, and your session is gone: this storage ends with the server.");
  } else if (restarted) {
    tell("The server has been restarted.");
  }

  if (was && !same) {
    // Memory ends with its server; whatever else is gone before its time was ended by somebody.
    const ended = mine === "/del" || now.now < was.expires - SLACK;
    if (!ended && tick("expire")) tell("Your session has expired.");
    else if (!ended) tell("Your session has expired, as before.");
    else if (!restarted) tell("Your session has been ended.");
    return;
  }
  if (!same) return;

  const changed = JSON.stringify(was.items) !== JSON.stringify(is.items);
  // A use starts the countdown again. By hand it stays as it is, or goes for good without KEEPTTL.
  const forever = is.expires_in > now.max_age + SLACK && was.expires_in <= now.max_age + SLACK;
  const used = is.expires - was.expires > SLACK && !forever;
  if (changed && !used && !mine) {
    tick("edit");
    tell(forever
      ? "Changed by hand, but without KEEPTTL: until its next use it lives for ever."
      : "Changed by hand, and here it is.");
  } else if (used && !changed && !mine && !restarted) {
    tick("get");
    tell("Used elsewhere: the countdown starts again.");
  } else if (changed && !mine) {
    tell("Changed elsewhere.");
  }
}

function tick(step) {
  if (kept.done[step]) return false;
  kept.done[step] = true;
  return true;
}

function save() {
  sessionStorage.setItem("walkthrough", JSON.stringify(kept));
}

// ---- Showing ------------------------------------------------------------------------------

function put(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function show(now) {
  const { session, store } = now;
  put("cookie", now.cookie);
  put("max-age", inWords(now.max_age));
  put("id", session ? session.id : store.answers ? "none yet" : "unknown");
  const started = new Date(now.started);
  at("started").dateTime = started.toISOString();
  put("started", started.toLocaleTimeString());
  put("storage", store.name);
  put("store-answers", store.answers ? "answers" : "does not answer");
  put("life", session
    ? "left, unless you use it"
    : store.answers ? "no session: it begins with its first item" : "unknown while the store does not answer");
  deadline = session ? performance.now() + session.expires_in : null;
  count();
  showItems(session);
  showSteps(now);
  showTrouble(now);
}

let shown = null;
function showItems(session) {
  const text = JSON.stringify(session && [session.items, session.more]);
  if (text === shown) return;
  const before = new Map([...at("items").rows].map((row) => [row.cells[0].textContent, row.cells[1]?.textContent]));
  const rows = (session?.items ?? []).map((item) => {
    const row = element("tr", "");
    const value = element("td", "");
    value.append(element("code", item.text));
    row.append(element("th", item.key, { scope: "row" }), value);
    if (shown !== null && before.get(item.key) !== item.text) row.className = "new";
    return row;
  });
  const rest = session ? (session.more ? `and ${session.more} more` : null) : "nothing";
  if (rest) {
    const row = element("tr", "");
    row.append(element("td", rest, { colspan: "2", class: "none" }));
    rows.push(row);
  }
  at("items").replaceChildren(...rows);
  shown = text;
}

function showSteps(now) {
  put("restart-say", now.restart.say);
  put("restart-command", now.restart.command);
  put("edit-say", now.edit.say);
  put("edit-command", now.edit.command ?? "");
  at("edit").hidden = !now.edit.command;
  at("steps").dataset.keeps = now.store.keeps;
  const possible = STEPS.filter((step) => now.store.keeps || !["restart", "edit"].includes(step));
  for (const step of STEPS) {
    const item = at(`step-${step}`);
    const done = Boolean(kept.done[step]);
    item.classList.toggle("done", done);
    const state = done ? "done" : possible.includes(step) ? "to do" : "not with this storage";
    const label = item.querySelector(".state");
    if (label.textContent !== state) label.textContent = state;
  }
  const next = possible.find((step) => !kept.done[step]);
  for (const step of STEPS) at(`step-${step}`).classList.toggle("next", step === next);
  const done = possible.filter((step) => kept.done[step]).length;
  put("progress", next ? `${done} of ${possible.length} done` : "All done: you have seen what a session is");
}

function showTrouble(now) {
  const down = !away && now && !now.store.answers;
  at("server").classList.toggle("down", away);
  put("server-word", away ? "does not answer" : "started");
  at("started").hidden = away;
  at("store").classList.toggle("down", Boolean(down));
  let trouble = [];
  if (away) {
    put("store-answers", "unknown");
    const start = kept.last?.restart.command ?? "cargo run -p demo-server";
    trouble = ["The server does not answer. Start it again: ", element("code", start), ". "];
  } else if (down) {
    trouble = ["The store does not answer. ", `${now.store.help} `];
    if (now.store.start) trouble.push(element("code", now.store.start), ". ");
  }
  if (trouble.length) trouble.push("This page goes on by itself when it is there.");
  // An alert is read out whenever it changes.
  const text = trouble.map((part) => part.textContent ?? part).join("");
  if (at("trouble").textContent === text) return;
  const paragraph = element("p", "");
  paragraph.append(...trouble);
  at("trouble").replaceChildren(...(text ? [paragraph] : []));
}

function tell(text) {
  put("news", text);
}

function count() {
  const left = deadline === null ? 0 : Math.max(0, deadline - performance.now());
  put("left", deadline === null ? "–" : inWords(Math.ceil(left / 1000) * 1000));
  const whole = kept.last?.max_age ?? 1;
  at("ring").style.strokeDashoffset = 100 - 100 * Math.min(1, left / whole);
  if (deadline !== null && left === 0 && !away) {
    deadline = null;
    enqueue(() => look());
  }
}

function inWords(milliseconds) {
  if (milliseconds > 0 && milliseconds < 1000) return `${milliseconds} ms`;
  let seconds = Math.ceil(milliseconds / 1000);
  const words = [];
  for (const [unit, length] of [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const number = Math.floor(seconds / length);
    seconds -= number * length;
    if (number) words.push(`${number} ${unit}`);
  }
  return words.slice(0, 2).join(" ") || "0 s";
}

// ---- Doing --------------------------------------------------------------------------------

function act(path) {
  return enqueue(async () => {
    // What others did before is not to be taken for what this does.
    await look();
    let shownAnswer;
    try {
      const answer = await fetch(path, { cache: "no-store" });
      const body = await answer.text();
      shownAnswer = `${path} → ${answer.status}\n${body}`;
      if (answer.ok && path === "/set") tick("set");
      if (answer.ok && path === "/get" && body !== "{}") tick("get");
    } catch {
      shownAnswer = `${path} → the server does not answer`;
    }
    put("answer", shownAnswer);
    tell("");
    await look(path.split("?")[0]);
  });
}

function pathOf(form) {
  const { pathname } = new URL(form.action);
  if (pathname !== "/item") return pathname;
  const { key, value } = form.elements;
  return `/set?${new URLSearchParams([[key.value, value.value]])}`;
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  act(pathOf(event.target));
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copies]");
  if (!button) return;
  const source = at(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(source.textContent);
    tell("Copied.");
  } catch {
    // Without a safe origin there is no clipboard: one keystroke is left to do.
    getSelection().selectAllChildren(source);
    tell("Selected: copy it with your keyboard.");
  }
});

at("again").addEventListener("click", () => {
  kept.done = {};
  save();
  tell("");
  enqueue(() => look());
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) enqueue(() => look());
});

setInterval(count, 200);
(async () => {
  for (;;) {
    await enqueue(() => look());
    await new Promise((wake) => setTimeout(wake, away ? EVERY / 2 : EVERY));
  }
})();
