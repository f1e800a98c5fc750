// Keeps the page fresh, and asks before it changes anything. All numbers are in the page without it.
"use strict";

const root = document.documentElement;
const link = document.getElementById("link");
const question = document.getElementById("question");
const part = (name) => document.getElementById(`question-${name}`);

// --- Fresh parts take the place of old ones. Elements stay where they are, so that focus, selection and the place of
// --- whoever listens stay as well.

function sameKind(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

function keyOf(node) {
  return node.dataset ? node.dataset.key : undefined;
}

function renew(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  renewChildren(old, fresh);
}

function renewChildren(old, fresh) {
  const wanted = new Set([...fresh.children].map(keyOf).filter(Boolean));
  const kept = new Map();
  for (const child of [...old.children]) {
    const key = keyOf(child);
    if (!key) continue;
    if (wanted.has(key)) kept.set(key, child);
    else child.remove();
  }
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const found = keyOf(child) ? kept.get(keyOf(child)) : place;
    if (found && sameKind(found, child)) {
      if (found === place) place = place.nextSibling;
      else old.insertBefore(found, place);
      renew(found, child);
    } else {
      old.insertBefore(child, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function show(board) {
  document.title = board.title;
  for (const [id, markup] of Object.entries(board.parts)) {
    const old = document.getElementById(id);
    if (!old) continue;
    const template = document.createElement("template");
    template.innerHTML = markup;
    renewChildren(old, template.content);
  }
}

// --- The stream of events. It is not kept open for a page that nobody sees.

let source;
let retry;

function tell(state, text) {
  root.dataset.link = state;
  if (link.textContent !== text) link.textContent = text;
}

function listen() {
  hush();
  source = new EventSource("/events");
  source.addEventListener("board", (event) => {
    tell("live", "Live");
    show(JSON.parse(event.data));
  });
  source.addEventListener("end", () => lost("pilotage is stopping, or asked the page to come back."));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) lost("No more pages can be live now.");
    else tell("lost", `Connection lost. The numbers are from ${new Date().toLocaleTimeString()}; trying again.`);
  };
}

function lost(why) {
  hush();
  tell("lost", `${why} Trying again.`);
  retry = setTimeout(listen, 5000);
}

function hush() {
  clearTimeout(retry);
  if (source) source.close();
}

document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
listen();

// --- Changes: a button asks, and only the answer in the dialog sends anything.

let asked;

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-act]");
  if (button) ask(button);
});

function ask(button) {
  const { act, node, title, text, yes, redis, scope } = button.dataset;
  asked = { act, node, scope };
  part("title").textContent = title;
  part("text").textContent = text;
  part("yes").textContent = yes;
  part("yes").disabled = false;
  part("refusal").textContent = "";
  part("words").hidden = act !== "maintenance";
  part("scope").hidden = redis !== "up";
  part("message").value = "";
  part("all").checked = false;
  part("denied").checked = false;
  question.showModal();
  part(act === "maintenance" ? "message" : "no").focus();
}

function order({ act, node, scope }) {
  if (act === "maintenance") {
    const wanted = { on: true, scope: part("all").checked ? "all" : "instance" };
    if (part("denied").checked) wanted.refusal = "denied";
    const message = part("message").value.trim();
    if (message) wanted.message = message;
    return ["PUT", "/v1/maintenance", wanted];
  }
  if (act === "end-maintenance") return ["PUT", "/v1/maintenance", { on: false, scope }];
  return ["POST", `/v1/nodes/${encodeURIComponent(node)}/${act}`, {}];
}

part("no").addEventListener("click", () => question.close());
part("message").addEventListener("keydown", (event) => {
  if (event.key === "Enter") part("yes").click();
});

part("yes").addEventListener("click", async () => {
  const [method, path, body] = order(asked);
  part("yes").disabled = true;
  part("refusal").textContent = "";
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(path, { method, headers, body: JSON.stringify(body) });
    if (answer.ok) {
      question.close();
      return;
    }
    const { error } = await answer.json();
    part("refusal").textContent = `Refused: ${error.what}. ${error.remedy}.`;
  } catch {
    part("refusal").textContent = "No answer. Whether it was done, the page shows as soon as it is live again.";
  }
  part("yes").disabled = false;
});
