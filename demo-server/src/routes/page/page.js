// Keeps the page up to date and ticks the steps that the visitor has completed.
//
// The script polls /status, which does not extend the session. It detects a restart, an edit by
// hand, a renewal or the end of the session by comparing each status with the one before.

const POLL_INTERVAL = 1000; // milliseconds
const TOLERANCE = 250; // milliseconds by which two readings of the same expiry may differ
const STEPS = ["set", "get", "restart", "edit", "expire"];

const byId = (id) => document.getElementById(id);

// Survives a reload and a visit to /get, and ends with the tab.
const saved = JSON.parse(sessionStorage.getItem("walkthrough") ?? "null") ?? { done: {}, last: null };
let deadline = null; // when the session expires, by performance.now()
let serverIsDown = false;

// ---- Polling ------------------------------------------------------------------------------

// Runs one task at a time, so that changes made elsewhere are not mixed up with changes made by
// this page.
let queue = Promise.resolve();
function enqueue(task) {
  queue = queue.then(task, task);
  return queue;
}

// Updates the page from /status. `ownPath` is the path that this page has just requested, if any.
async function refresh(ownPath = null) {
  let status;
  try {
    const answer = await fetch("/status", { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    status = await answer.json();
  } catch {
    serverIsDown = true;
    showTrouble();
    return;
  }
  serverIsDown = false;
  if (status.session) status.session.expires = status.now + status.session.expires_in;
  // While the store does not answer, the state of the session is unknown.
  if (status.store.answers) {
    if (saved.last) detectChanges(saved.last, status, ownPath);
    else if (status.session) tick("set");
    saved.last = status;
  }
  save();
  show(status);
}

function detectChanges(before, after, ownPath) {
  const old = before.session;
  const current = after.session;
  const renewed = old && current && old.id !== current.id
    && old.created !== null && old.created === current.created;
  const same = old && current && (old.id === current.id || renewed);
  const restarted = before.started !== after.started;
  if (current) tick("set");

  if (restarted && same) {
    if (tick("restart")) announce("Restarted, and your session is still there.");
    else announce("The server has been restarted.");
  } else if (restarted && old) {
    announce(after.store.keeps
      ? "Restarted. Your session ended in the meantime."
      : "Restarted, and your session is gone: this storage ends with the server.");
  } else if (restarted) {
    announce("The server has been restarted.");
  }

  if (old && !same) {
    // A session that is gone before its time was ended by a request, or it was in the memory of a
    // server that was restarted.
    const ended = ownPath === "/del" || after.now < old.expires - TOLERANCE;
    if (!ended && tick("expire")) announce("Your session has expired.");
    else if (!ended) announce("Your session has expired again.");
    else if (!restarted) announce("Your session has been ended.");
    return;
  }
  if (!same) return;
  if (renewed) {
    announce("Renewed: your session has a new id, and everything else is as before.");
    return;
  }

  const changed = JSON.stringify(old.items) !== JSON.stringify(current.items);
  // Use restarts the countdown. An edit by hand leaves it unchanged or, without KEEPTTL, removes
  // it.
  const forever = current.expires_in > after.max_age + TOLERANCE
    && old.expires_in <= after.max_age + TOLERANCE;
  const used = current.expires - old.expires > TOLERANCE && !forever;
  if (changed && !used && !ownPath) {
    tick("edit");
    announce(forever
      ? "Changed by hand, but without KEEPTTL: the session does not expire until it is used again."
      : "Changed by hand, and here is the new value.");
  } else if (used && !changed && !ownPath && !restarted) {
    tick("get");
    announce("Used elsewhere: the countdown starts again.");
  } else if (changed && !ownPath) {
    announce("Changed elsewhere.");
  }
}

// Ticks a step. Returns whether it was not ticked before.
function tick(step) {
  if (saved.done[step]) return false;
  saved.done[step] = true;
  return true;
}

function save() {
  sessionStorage.setItem("walkthrough", JSON.stringify(saved));
}

// ---- Rendering ----------------------------------------------------------------------------

function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function createElement(name, text, attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function show(status) {
  const { session, store } = status;
  setText("cookie", status.cookie ?? "none");
  setText("notice", status.notice ?? "");
  byId("notice").hidden = !status.notice;
  setText("max-age", formatDuration(status.max_age));
  setText("id", session ? session.id : store.answers ? "none yet" : "unknown");
  const started = new Date(status.started);
  byId("started").dateTime = started.toISOString();
  setText("started", started.toLocaleTimeString());
  setText("storage", store.name);
  setText("store-answers", store.answers ? (store.problem ? "fails" : "answers") : "does not answer");
  setText("life", session
    ? "left, unless you use it"
    : store.answers ? "no session: it begins with its first item" : "unknown while the store does not answer");
  byId("end").hidden = !session?.ends_in;
  setText("end", session?.ends_in ? `It ends in ${formatDuration(session.ends_in)} at the latest.` : "");
  deadline = session ? performance.now() + session.expires_in : null;
  showCountdown();
  showItems(session);
  showSteps(status);
  showTrouble(status);
}

let shownItems = null;
function showItems(session) {
  const items = JSON.stringify(session && [session.items, session.more]);
  if (items === shownItems) return;
  const before = new Map([...byId("items").rows].map((row) => [row.cells[0].textContent, row.cells[1]?.textContent]));
  const rows = (session?.items ?? []).map((item) => {
    const row = createElement("tr", "");
    const value = createElement("td", "");
    value.append(createElement("code", item.text));
    row.append(createElement("th", item.key, { scope: "row" }), value);
    if (shownItems !== null && before.get(item.key) !== item.text) row.className = "new";
    return row;
  });
  const note = session ? (session.more ? `and ${session.more} more` : null) : "nothing";
  if (note) {
    const row = createElement("tr", "");
    row.append(createElement("td", note, { colspan: "2", class: "none" }));
    rows.push(row);
  }
  byId("items").replaceChildren(...rows);
  shownItems = items;
}

function showSteps(status) {
  setText("restart-say", status.restart.say);
  setText("restart-command", status.restart.command);
  setText("edit-say", status.edit.say);
  setText("edit-command", status.edit.command ?? "");
  byId("edit").hidden = !status.edit.command;
  byId("steps").dataset.keeps = status.store.keeps;
  const possible = STEPS.filter((step) => status.store.keeps || !["restart", "edit"].includes(step));
  for (const step of STEPS) {
    const item = byId(`step-${step}`);
    const done = Boolean(saved.done[step]);
    item.classList.toggle("done", done);
    const state = done ? "done" : possible.includes(step) ? "to do" : "not with this storage";
    const label = item.querySelector(".state");
    if (label.textContent !== state) label.textContent = state;
  }
  const next = possible.find((step) => !saved.done[step]);
  for (const step of STEPS) byId(`step-${step}`).classList.toggle("next", step === next);
  const done = possible.filter((step) => saved.done[step]).length;
  setText("progress", next ? `${done} of ${possible.length} done` : "All done: you have seen what a session is");
}

function showTrouble(status) {
  const storeIsDown = !serverIsDown && status && !status.store.answers;
  byId("server").classList.toggle("down", serverIsDown);
  setText("server-word", serverIsDown ? "does not answer" : "started");
  byId("started").hidden = serverIsDown;
  byId("store").classList.toggle("down", Boolean(storeIsDown));
  let trouble = [];
  if (serverIsDown) {
    setText("store-answers", "unknown");
    const start = saved.last?.restart.command ?? "cargo run -p demo-server";
    trouble = ["The server does not answer. Start it again: ", createElement("code", start), ". "];
  } else if (storeIsDown || status?.store.problem) {
    const problem = status.store.problem;
    const what = status.store.answers ? "fails" : "does not answer";
    trouble = [problem ? `The store ${what}: ${problem}. ` : "The store does not answer. ", `${status.store.help} `];
    if (status.store.start) trouble.push(createElement("code", status.store.start), ". ");
  }
  if (trouble.length) trouble.push("This page resumes by itself once it answers.");
  // Screen readers announce an alert on every change, so it changes only with its text.
  const text = trouble.map((part) => part.textContent ?? part).join("");
  if (byId("trouble").textContent === text) return;
  const paragraph = createElement("p", "");
  paragraph.append(...trouble);
  byId("trouble").replaceChildren(...(text ? [paragraph] : []));
}

function announce(text) {
  setText("news", text);
}

function showCountdown() {
  const left = deadline === null ? 0 : Math.max(0, deadline - performance.now());
  setText("left", deadline === null ? "–" : formatDuration(Math.ceil(left / 1000) * 1000));
  const whole = saved.last?.max_age ?? 1;
  byId("ring").style.strokeDashoffset = 100 - 100 * Math.min(1, left / whole);
  if (deadline !== null && left === 0 && !serverIsDown) {
    deadline = null;
    enqueue(() => refresh());
  }
}

// Formats a duration with its two largest units, in the same way as the server.
function formatDuration(milliseconds) {
  if (milliseconds > 0 && milliseconds < 1000) return `${milliseconds} ms`;
  let seconds = Math.ceil(milliseconds / 1000);
  const parts = [];
  for (const [unit, length] of [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const number = Math.floor(seconds / length);
    seconds -= number * length;
    if (number) parts.push(`${number} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

// ---- Requests -----------------------------------------------------------------------------

function request(path) {
  return enqueue(async () => {
    // Detects earlier changes made elsewhere, so that they are not attributed to this request.
    await refresh();
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
    setText("answer", shownAnswer);
    announce("");
    await refresh(path.split("?")[0]);
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
  request(pathOf(event.target));
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copies]");
  if (!button) return;
  const source = byId(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(source.textContent);
    announce("Copied.");
  } catch {
    // Browsers offer the clipboard to secure origins only. Elsewhere the visitor copies the
    // selection.
    getSelection().selectAllChildren(source);
    announce("Selected: copy it with your keyboard.");
  }
});

byId("again").addEventListener("click", () => {
  saved.done = {};
  save();
  announce("");
  enqueue(() => refresh());
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) enqueue(() => refresh());
});

setInterval(showCountdown, 200);
(async () => {
  for (;;) {
    await enqueue(() => refresh());
    await new Promise((resolve) => setTimeout(resolve, serverIsDown ? POLL_INTERVAL / 2 : POLL_INTERVAL));
  }
})();
