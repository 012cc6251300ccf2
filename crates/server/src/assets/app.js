// Keeps a page fresh over server-sent events, and carries what people press to the API. Pages are whole without it.
"use strict";

(() => {
  const live = document.getElementById("live");
  const show = (state, text) => {
    if (live) { live.dataset.state = state; live.textContent = text; }
  };

  // What somebody typed, opened or focused in a part survives its replacement.
  const replace = (part, html) => {
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const typed = new Map();
    for (const field of part.querySelectorAll("input, select, textarea")) typed.set(field.id, field.value);
    const open = [...part.querySelectorAll("details")].map((box) => box.open);
    const said = part.querySelector("output")?.cloneNode(true);
    part.innerHTML = html;
    if (said) part.querySelector("output")?.replaceWith(said);
    part.hidden = html === "";
    for (const [id, value] of typed) {
      const field = id && document.getElementById(id);
      if (field && part.contains(field)) field.value = value;
    }
    const boxes = part.querySelectorAll("details");
    if (boxes.length === open.length) boxes.forEach((box, index) => { box.open = open[index]; });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    remember(part);
  };

  const take = (message) => {
    const update = JSON.parse(message.data);
    for (const [id, html] of Object.entries(update.fragments || {})) {
      const part = document.getElementById("part-" + id);
      if (part) replace(part, html);
    }
    show("on", "live");
  };

  const listen = (address) => {
    const source = new EventSource(address);
    source.addEventListener("open", () => show("on", "live"));
    source.addEventListener("update", take);
    source.addEventListener("end", () => { source.close(); show("off", "ended"); });
    source.addEventListener("error", () => show("lost", "reconnecting"));
  };

  // The name is asked for once.
  const KEY = "patchline.name";
  const remember = (root) => {
    for (const field of root.querySelectorAll("input[name=by]")) {
      try {
        if (!field.value) field.value = localStorage.getItem(KEY) || "";
        field.addEventListener("change", () => localStorage.setItem(KEY, field.value.trim()));
      } catch { /* Without storage the name is asked for each time. */ }
    }
  };

  const send = async (form, asked) => {
    const [action, flag] = asked.split(" ");
    const data = new FormData(form);
    const text = (name) => (data.get(name) || "").toString().trim();
    const body = { by: text("by") };
    if (action === "approve") {
      Object.assign(body, { role: text("role"), dossier: form.dataset.dossier, comment: text("reason") });
    } else {
      body.reason = text("reason");
      if (flag === "--accept-data-loss") body.accept_data_loss = true;
    }
    const ofLine = form.dataset.line !== undefined;
    if (ofLine && text("service")) body.service = text("service");
    const address = ofLine
      ? `/api/v1/line/${action}`
      : `/api/v1/patches/${encodeURIComponent(form.dataset.patch)}/${action}`;
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const said = await answer.json();
    // A page of what had ended hears of nothing by itself.
    if (answer.ok && !document.body.dataset.stream && said.events.length) location.reload();
    if (answer.ok) return said.events.length ? `Done: ${action}.` : "Nothing to do: it was so already.";
    throw new Error(said.hint ? `${said.error}; hint: ${said.hint}` : said.error);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form.act")) return;
    event.preventDefault();
    const button = event.submitter;
    if (!button || (button.dataset.confirm && !confirm(button.dataset.confirm))) return;
    const tell = (text, state) => {
      // The form may have been replaced meanwhile: the answer goes into the one that is there.
      const output = document.querySelector("form.act output");
      if (output) { output.textContent = text; output.dataset.state = state; }
    };
    tell("Sending…", "busy");
    button.disabled = true;
    try {
      tell(await send(form, button.value), "good");
    } catch (error) {
      tell(error.message || "The server could not be reached.", "bad");
    }
    button.disabled = false;
  });

  remember(document);
  const stream = document.body.dataset.stream;
  if (stream) listen(stream);
})();
