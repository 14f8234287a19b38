// Makes the explorers of a page move, in place: a stored picture until the reader asks, then Python in a worker; those
// on PyTorch look up states that were computed when the site was built (tools/torch_states.py).
// Controls are drawn from what qviz.widgets.live says of them; nothing here knows any explorer.
(() => {
  const here = document.currentScript;
  const setup = JSON.parse(here.dataset.setup);
  const beside = (file) => new URL(file, here.src).href;
  const NARROW = 560; // pixels: below that a picture for a phone is legible; as in qviz/widgets/live.py
  const onPhone = () => innerWidth < NARROW; // held upright: in a low picture panels stand side by side
  const ROW = /\S {3,}\S/;
  const onDisk = location.protocol === "file:";
  const lives = [];
  let worker;

  function make(name, properties = {}, ...inside) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...inside);
    return element;
  }

  function start() {
    if (worker) return;
    worker = new Worker(beside(setup.worker), { type: "module" });
    worker.onerror = (event) => broke(event.message || "the worker does not start");
    worker.onmessage = ({ data }) => {
      if (data.share !== undefined) lives.forEach((live) => live.progress(data.share));
      else if (data.broken) broke(data.broken);
      else lives[data.key].take(data);
    };
    const { pyodide, lock, bundle, sizes, sha256 } = setup;
    worker.postMessage({ start: { pyodide: beside(pyodide), lock: beside(lock), bundle: beside(bundle), sizes, sha256 } });
  }

  // What Python was loaded from.
  function python() {
    const { worker, pyodide, lock, bundle, sha256 } = setup;
    return [worker, lock, bundle, ...Object.keys(sha256).map((name) => pyodide + name)].map(beside);
  }

  // Without a network the service worker answers with what was kept; see docs/site/live/service-worker.js.
  async function keep(addresses) {
    if (onDisk || !isSecureContext || !navigator.serviceWorker) return;
    const { active } = await navigator.serviceWorker.ready;
    active.postMessage({ keep: addresses });
  }

  // A worker that did not get its files is given up, so that the next press tries again.
  function broke(why) {
    worker?.terminate();
    worker = undefined;
    lives.forEach((live) => live.broke(why));
  }

  class Live {
    constructor(root, key) {
      Object.assign(this, { root, key, asked: false, busy: false, waiting: null, aside: [] });
      const cell = root.closest(".cell_output") ?? root;
      this.picture = cell.querySelector("img");
      this.readout = cell.querySelector("pre");
      this.readout.setAttribute("role", "status");
      this.kind = root.dataset.explorer;
      this.state = JSON.parse(root.dataset.settings);
      this.controls = make("div", { className: "qviz-controls" });
      this.rest = make("div", { className: "qviz-controls", id: `qviz-${key}-rest`, hidden: true });
      this.figures = make("p", { className: "qviz-figures" });
      this.says = make("p", { className: "qviz-says" });
      this.says.setAttribute("role", "status");
      this.bar = make("progress", { max: 1, value: 0, hidden: true });
      this.bar.setAttribute("aria-label", "Loaded");
      this.move = this.button("Make it interactive", () => this.send({}));
      this.back = this.button("Reset", () => this.send({}, { reset: true }));
      this.more = this.button("More", () => this.unfold(this.rest.hidden));
      this.more.setAttribute("aria-controls", this.rest.id);
      this.buttons = make("div", { className: "qviz-buttons" }, this.move, this.back, this.more);
      Object.assign(this, { start: this.state, wide: this.picture.src, narrow: root.dataset.narrow });
      this.turn();
      const frame = make("div", { className: "qviz-picture" }, this.picture, this.figures);
      const text = this.readout.closest(".output") ?? this.readout;
      root.append(frame, this.controls, this.rest, this.buttons, this.bar, this.says, text, this.linked());
      this.link(root.dataset.link);
      this.look_up_in(root.dataset.table);
      this.tell_words(this.readout.textContent);
      this.tell_figures(JSON.parse(root.dataset.figures));
      this.draw(JSON.parse(root.dataset.controls));
      const all = root.querySelector("script");
      if (all) this.chooser(JSON.parse(all.textContent));
      if (onDisk) this.refuse();
    }

    // The page of all explorers: a list to choose from.
    chooser(all) {
      this.all = all;
      const options = Object.entries(all).map(([kind, { about }]) => make("option", { value: kind, textContent: about }));
      this.chosen = make("select", { id: "qviz-all", value: this.kind, onchange: () => this.choose(this.chosen.value) }, ...options);
      this.chosen.value = this.kind;
      this.root.prepend(make("div", { className: "qviz-row" }, make("label", { htmlFor: "qviz-all", textContent: "Explorer" }), this.chosen));
    }

    choose(kind, send = this.asked) {
      const { controls, picture, narrow, words, readout, figures, link, table, state = {} } = this.all[kind];
      Object.assign(this, { kind, state, start: state, wide: new URL(picture, location).href, narrow });
      this.chosen.value = kind;
      if (Boolean(table) !== Boolean(this.table)) { // from Python to what was computed, or back
        this.asked = false;
        delete this.root.dataset.state;
        send &&= Boolean(table ?? worker);
      }
      this.look_up_in(table);
      this.draw(controls);
      this.tell_figures(figures);
      this.picture.alt = words;
      if (this.picture.tagName === "IMG") this.turn(); // once it moves, the answer draws it
      this.tell_words(readout);
      this.link(link);
      if (send) this.send({}, { kind, settings: {} });
    }

    // A phone that is held upright gets all panels in one column; turned, side by side.
    turn() {
      if (this.picture.tagName === "IMG") this.picture.src = onPhone() && this.narrow ? beside(this.narrow) : this.wide;
      else if (this.table) this.send({});
      else this.send(this.state, { kind: this.kind, settings: this.start });
    }

    // What reopens it as it stands; a teacher may leave controls out.
    linked() {
      this.address = make("input", { type: "text", readOnly: true, onfocus: () => this.address.select() });
      this.address.setAttribute("aria-label", "Link to this state");
      const copy = this.button("Copy link", async () => {
        this.address.select();
        try { await navigator.clipboard.writeText(this.address.value); } catch { document.execCommand("copy"); }
        this.copied.textContent = "Copied.";
      });
      this.copied = make("span");
      this.copied.setAttribute("role", "status");
      this.leave = make("fieldset", {}, make("legend", { textContent: "For a class: untick controls to hide them, here and in the link. They keep their settings." }));
      const row = make("div", { className: "qviz-address" }, this.address, copy, this.copied);
      return make("details", { className: "qviz-link" }, make("summary", { textContent: "Link to this state" }), row, this.leave);
    }

    complain() {
      this.root.scrollIntoView();
      this.says.textContent = "The link is incomplete or mistyped: it names no explorer. This is the page as it looks without a link.";
    }

    // A question that stands so little before it that both can be seen at once; or else itself.
    question() {
      let before = this.root.closest(".cell")?.previousElementSibling;
      while (before?.tagName === "P") before = before.previousElementSibling;
      const asked = before?.querySelector(".qviz-guess");
      const [top, below] = [asked ?? this.root, this.root].map((element) => element.getBoundingClientRect().top);
      return asked && below - top < 0.6 * innerHeight ? asked : this.root;
    }

    // Where its states lie, if they were computed; such an explorer moves at once, with no Python.
    look_up_in(table) {
      this.table = table && { address: beside(table), start: this.state };
      this.move.hidden = Boolean(table) || this.root.dataset.state === "live";
      this.back.hidden = !this.move.hidden;
    }

    tell_figures(figures) {
      const parts = Object.entries(figures).map(([name, figure]) => make("span", {}, `${name} `, make("b", { textContent: figure })));
      this.figures.replaceChildren(...parts);
    }

    // Sentences wrap; rows of a table do not, and scroll in their own box.
    tell_words(text) {
      const lines = text.split(/(?<=\n)/).map((line) => (ROW.test(line) ? make("span", { className: "qviz-row-of-table", textContent: line }) : line));
      this.readout.replaceChildren(...lines);
      if (ROW.test(text)) this.readout.tabIndex = 0;
    }

    // Controls that are seldom needed stand behind More; how many of them are changed is said there.
    unfold(open) {
      this.rest.hidden = !open;
      this.name_more();
    }

    name_more() {
      const changed = this.declared.filter(({ name, more, start }) =>
        more && !this.rows.get(name).hidden && this.state[name] !== undefined && this.state[name] !== start).length;
      const folded = this.rest.hidden;
      this.more.textContent = folded ? (changed ? `More (${changed} changed)` : "More") : "Fewer";
      this.more.setAttribute("aria-expanded", !folded);
      this.more.hidden = ![...this.rest.children].some((row) => !row.hidden);
    }

    link(text = this.told) {
      this.told = text;
      const same = lives.filter((live) => live.kind === this.kind && live.key < this.key).length;
      const left = this.unticked();
      const parts = [text, ...(left.length ? [`hide=${left.join(",")}`] : []), ...(same ? [`nth=${same + 1}`] : [])];
      const address = `${location.origin}${location.pathname}#${parts.join("&")}`;
      if (address !== this.address.value) this.copied.textContent = ""; // it was an older one
      this.address.value = address;
    }

    unticked() {
      return [...this.leave.querySelectorAll("input")].filter((box) => !box.checked).map((box) => box.value);
    }

    hide(names) {
      this.rows.forEach((row, name) => { row.hidden = names.includes(name); });
      this.name_more();
      for (const box of this.leave.querySelectorAll("input")) box.checked = !names.includes(box.value);
    }

    button(text, onclick) {
      return make("button", { type: "button", textContent: text, onclick });
    }

    // A browser lets a page that was opened as a file start nothing.
    refuse() {
      this.move.disabled = this.back.disabled = true;
      this.root.querySelectorAll(".qviz-controls :is(input, select)").forEach((input) => { input.disabled = true; });
      this.says.textContent = "It cannot move here: this page was opened as a file, and browsers let no file start " +
        "Python. In the folder of the site: python3 -m http.server, then open http://localhost:8000";
    }

    draw(controls) {
      Object.assign(this, { declared: controls, shows: new Map(), rows: new Map() });
      const rows = (behind) => controls.filter(({ more }) => more === behind).map((control) => this.row(control));
      this.controls.replaceChildren(...rows(false));
      this.rest.replaceChildren(...rows(true));
      const boxes = controls.map(({ name, label }) => make("label", {},
        make("input", { type: "checkbox", value: name, checked: true, onchange: () => { this.hide(this.unticked()); this.link(); } }), label));
      this.leave.replaceChildren(this.leave.firstChild, ...boxes);
      this.show({ ...Object.fromEntries(controls.map(({ name, start }) => [name, start])), ...this.state });
    }

    show(state, offers = {}, idle = {}) {
      this.name_more();
      this.shows.forEach((show, name) => show(state[name], offers[name]));
      this.rows.forEach((row, name) => {
        row.title = idle[name] ?? "";
        for (const input of row.querySelectorAll("input, select")) input.disabled = name in idle;
      });
    }

    row({ name, label, kind, low, high, step, options }) {
      const id = `qviz-${this.key}-${name}`;
      const send = (value) => this.send({ [name]: value });
      const row = make("div", { className: "qviz-row" }, make("label", { htmlFor: id, textContent: label }));
      this.rows.set(name, row);
      if (kind === "slider") this.slider(row, name, id, label, { min: low, max: high, step }, send);
      else if (kind === "toggle") this.toggle(row, name, id, send);
      else if (kind === "typed") this.typed(row, name, id, options, send);
      else this.list(row, name, id, label, options, send, kind === "ladder");
      return row;
    }

    slider(row, name, id, label, limits, send) {
      const bar = make("input", { type: "range", id, ...limits });
      const box = make("input", { type: "number", ...limits });
      box.setAttribute("aria-label", label);
      bar.oninput = () => { box.value = bar.value; send(+bar.value); };
      box.onchange = () => {
        if (!box.checkValidity() || box.value === "") return this.show(this.state);
        bar.value = box.value;
        send(+box.value);
      };
      this.shows.set(name, (value, ends) => {
        if (ends) for (const input of [bar, box]) [input.min, input.max] = ends;
        bar.value = value;
        box.value = value;
      });
      row.append(bar, box);
    }

    toggle(row, name, id, send) {
      const box = make("input", { type: "checkbox", id });
      box.onchange = () => send(box.checked);
      this.shows.set(name, (value) => { box.checked = value; });
      row.append(box);
    }

    typed(row, name, id, options, send) {
      const box = make("input", { type: "text", id, maxLength: 60, spellcheck: false });
      const offered = make("datalist", { id: `${id}-offered` }, ...options.map((value) => make("option", { value })));
      box.setAttribute("list", offered.id);
      box.onchange = () => box.value.trim() ? send(box.value) : this.show(this.state);
      this.shows.set(name, (value) => { box.value = value; });
      row.append(box, offered);
    }

    list(row, name, id, label, options, send, ordered) {
      const list = make("select", { id });
      const offer = (offered) => {
        options = offered;
        list.replaceChildren(...options.map((option, at) => make("option", { value: at, textContent: option })));
      };
      offer(options);
      list.onchange = () => send(options[list.value]);
      const shows = [(value) => {
        if (!options.includes(value)) offer([...options, value]);
        list.value = options.indexOf(value);
      }];
      if (ordered) {
        const bar = make("input", { type: "range", min: 0, max: options.length - 1, step: 1 });
        bar.setAttribute("aria-label", label);
        bar.oninput = () => { list.value = bar.value; send(options[bar.value]); };
        shows.push((value) => { bar.value = options.indexOf(value); bar.setAttribute("aria-valuetext", value); });
        row.append(bar);
      }
      row.append(list);
      this.shows.set(name, (value, offered) => {
        if (offered && offered.join() !== options.join()) offer(offered);
        shows.forEach((show) => show(value));
      });
    }

    // One request is under way at a time; of the moves meanwhile, the last of each control counts.
    send(move, more = {}) {
      if (onDisk) return;
      if (this.busy) {
        const before = more.reset || more.kind ? {} : this.waiting ?? {};
        this.waiting = { ...before, ...more, move: { ...before.move, ...move } };
        return;
      }
      if (more.kind) this.wanted = more.link; // until there is an answer: who tries again still wants it
      const linked = this.wanted === undefined ? {} : { settings: {}, link: this.wanted };
      const first = this.asked ? {} : { kind: this.kind, settings: this.state, ...linked };
      if (!this.asked) this.wait(this.wanted);
      this.asked = this.busy = true;
      this.root.dataset.busy = ""; // shown after 0.3 s, if the answer is not there by then: live.css
      this.since = performance.now();
      if (this.table) {
        this.look_up({ ...first, ...more, move }).catch((error) => this.take({ failed: error.message }));
        return;
      }
      start();
      worker.postMessage({ key: this.key, dots: devicePixelRatio, width: onPhone() ? 0 : NARROW, ...first, ...more, move });
    }

    // What Python would answer, from the states that were computed.
    async look_up({ link = "", reset, move }) {
      const table = this.table;
      table.held ??= await (await got(table.address)).json();
      const { controls, states } = table.held;
      const asked = linked_state(link, controls);
      this.state = { ...this.state, ...(reset ? this.start : link ? table.start : {}), ...asked.state, ...move };
      const told = states[JSON.stringify(controls.map(({ name }) => this.state[name]))];
      const file = onPhone() ? told.narrow : told.picture;
      const png = await (await got(new URL(file, table.address))).blob();
      await this.take({ told: { ...told, notes: asked.notes }, png });
    }

    wait(link) {
      if (this.table) return;
      this.move.disabled = true;
      this.root.dataset.state = "loading";
      this.bar.hidden = false;
      this.says.textContent = setup.loads + (link ? " Then the picture changes to the setting of the link." : "");
    }

    progress(share) {
      if (this.root.dataset.state !== "loading") return;
      this.bar.value = share;
      if (share === 1) this.says.textContent = "Everything is here; Python starts …";
    }

    broke(why) {
      if (!this.asked) return;
      this.asked = this.busy = false;
      this.waiting = null;
      this.fall(why);
    }

    fall(why) {
      delete this.root.dataset.busy;
      this.move.disabled = false;
      this.bar.hidden = true;
      this.root.dataset.state = "failed";
      this.says.textContent = `It does not move: ${why}. The picture is the stored one; press the button to try again.`;
    }

    async take({ told, png, failed }) {
      if (failed) {
        this.busy = false;
        this.asked = false;
        this.waiting = null;
        this.fall(failed);
        return;
      }
      if (told.explorer === this.kind) await this.tell(told, png); // else another one was chosen meanwhile
      this.busy = false;
      delete this.root.dataset.busy;
      performance.measure("qviz move", { start: this.since, detail: this.key });
      const next = this.waiting;
      this.waiting = null;
      if (next) {
        const { move, ...more } = next;
        this.send(move, more);
      }
    }

    // A browser keeps every image that it was given as a file, 1.5 MB each; what is drawn on a canvas it lets go.
    async paint(png, words) {
      const bitmap = await createImageBitmap(png instanceof Blob ? png : new Blob([png], { type: "image/png" }));
      if (this.picture.tagName !== "CANVAS") {
        const canvas = make("canvas");
        canvas.setAttribute("role", "img");
        this.picture.replaceWith(canvas);
        this.picture = canvas;
      }
      Object.assign(this.picture, { width: bitmap.width, height: bitmap.height });
      this.picture.getContext("2d").drawImage(bitmap, 0, 0);
      this.picture.setAttribute("aria-label", words || "Picture of the explorer");
      bitmap.close();
    }

    async tell(told, png) {
      await this.paint(png, told.words);
      this.tell_words(told.readout);
      this.tell_figures(told.figures);
      this.says.textContent = [...this.aside.splice(0), ...told.notes].join(" ");
      this.state = told.state;
      if (this.wanted !== undefined) [this.start, this.wanted] = [told.state, undefined]; // Reset leads back to the link
      this.link(told.link);
      if (!this.waiting) this.show(told.state, told.offers, told.idle);  // while the reader drags on, a slider stays with them
      if (this.root.dataset.state !== "live") this.alive();
    }

    alive() {
      this.bar.hidden = true;
      this.move.hidden = true;
      this.back.hidden = false;
      this.root.dataset.state = "live";
      if (!this.table) keep(python());
    }
  }

  async function got(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${answer.status} for ${answer.url}`);
    return answer;
  }

  // What a link asks of states that were computed. As in qviz/widgets/links.py, nothing in it is trusted: a value is one
  // of those that a control offers, or the default stands and a sentence says so.
  function linked_state(link, controls) {
    const state = {}, notes = [];
    const named = (name) => controls.find((one) => one.name === name);
    for (const [name, text] of new URLSearchParams(link)) {
      if (name === "explorer") continue;
      const wrong = (name === "hide" ? text.split(",").filter(Boolean) : [name]).filter((one) => !named(one));
      notes.push(...wrong.map((one) => `This explorer has no control ${one.slice(0, 40)}.`));
      if (name === "hide" || wrong.length) continue;
      const value = offered(named(name)).find((one) => written(one) === text);
      if (value !== undefined) state[name] = value;
      else notes.push(`${name.slice(0, 40)}=${text.slice(0, 40)} was not computed. The setting of the lesson is shown.`);
    }
    return { state, notes };
  }

  const written = (value) => (typeof value === "boolean" ? (value ? "yes" : "no") : String(value));

  function offered({ kind, options, low, high }) {
    if (kind === "toggle") return [true, false];
    return options ?? Array.from({ length: high - low + 1 }, (_, at) => low + at);
  }

  // What the address asks for, such as #explorer=PhotoExplorer&bits=3. Python reads it, and trusts nothing in it.
  function follow() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const kind = asked.get("explorer");
    if (kind === null) {
      if (/=|%3D/i.test(location.hash)) lives[0]?.complain(); // else it leads to a heading
      return;
    }
    const nth = asked.get("nth") ?? "1";
    const same = lives.filter((live) => live.kind === kind);
    const live = lives.find(({ all }) => all) ?? same[nth - 1] ?? same[0];
    if (!live) {
      location.replace(beside(setup.explore) + location.hash);
      return;
    }
    if (live.all && Object.hasOwn(live.all, kind)) live.choose(kind, false);
    const right = live.all || same[nth - 1];
    live.aside = right ? [] : [`nth must be a whole number from 1 to ${same.length}, the number of such explorers on this page: got ${nth.slice(0, 40)}. The first one is shown.`];
    live.hide((asked.get("hide") ?? "").split(","));
    asked.delete("nth");
    live.question().scrollIntoView();
    live.send({}, { kind: live.kind, settings: {}, link: asked.toString() });
  }

  document.querySelectorAll(".qviz-live").forEach((root, key) => lives.push(new Live(root, key)));
  matchMedia(`(max-width: ${NARROW - 1}px)`).onchange = () => lives.forEach((live) => live.turn());
  addEventListener("hashchange", follow);
  follow();

  addEventListener("load", () => {
    if (onDisk || !isSecureContext || !navigator.serviceWorker) return;
    navigator.serviceWorker.onmessage = ({ data }) => { document.documentElement.dataset.kept = data.kept; };
    navigator.serviceWorker.register(beside(setup.offline)).then(() => {
      const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
      keep([location.href.split("#")[0], ...loaded.filter((name) => name.startsWith(location.origin))]);
    }).catch(() => {}); // a browser that forbids it, as in a private window, loses nothing else
  });
})();
