// The guesses of a lesson: the reader commits to a choice, which is compared with the answer and kept in this browser.
(() => {
  const key = `qviz ${location.pathname.split("/").pop()}`;
  const kept = (() => {
    try { return JSON.parse(localStorage.getItem(key)) ?? {}; } catch { return {}; } // storage may be forbidden
  })();
  const guesses = new Map(Object.entries(kept).filter(([, guess]) => typeof guess === "string"));
  const questions = [...document.querySelectorAll(".qviz-guess")];
  const answers = [...document.querySelectorAll(".qviz-answer")];

  function make(name, properties = {}, ...inside) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...inside);
    return element;
  }

  function show() {
    for (const question of questions) {
      const guess = guesses.get(question.dataset.guess);
      const status = question.querySelector("[role=status]");
      status.textContent = guess === undefined ? "" : `Your guess: ${guess}. Read on and find out.`;
      for (const radio of question.querySelectorAll("input")) if (radio.value === guess) radio.checked = true;
    }
    for (const answer of answers) {
      const guess = guesses.get(answer.dataset.guess);
      answer.querySelector(".qviz-expected")?.remove();
      if (guess === undefined) continue;
      const right = guess === answer.dataset.right;
      const text = `${right ? "✓" : "✗"} Your guess: ${guess}.`;
      answer.firstElementChild.after(make("p", { className: "qviz-expected", textContent: text }));
      answer.open = true;
    }
    for (const result of document.querySelectorAll(".qviz-result")) {
      if (guesses.has(result.dataset.guess)) result.open = true;
    }
    document.querySelectorAll(".qviz-record").forEach(record);
  }

  function record(place) {
    const names = place.dataset.guesses.split(", ");
    let right = 0;
    const rows = names.map((name) => {
      const question = questions.find(({ dataset }) => dataset.guess === name);
      const answer = answers.find(({ dataset }) => dataset.guess === name)?.dataset.right ?? "";
      const guess = guesses.get(name);
      right += guess !== undefined && guess === answer;
      const words = question?.querySelector("legend span").textContent ?? name;
      return [words, guess ?? "not attempted yet", guess === undefined ? "" : answer];
    });
    const head = ["question", "your guess", "the answer"].map((text) => make("th", { scope: "col", textContent: text }));
    const body = rows.map((row) => make("tr", {}, ...row.map((text) => make("td", { textContent: text }))));
    const done = names.filter((name) => guesses.has(name)).length;
    const said = make("p", { textContent: `${done} of ${names.length} guessed, ${right} right.` });
    place.replaceChildren(make("table", { className: "table" }, make("tr", {}, ...head), ...body), said);
  }

  for (const question of questions) {
    const commit = make("button", { type: "button", textContent: "That is my guess", disabled: true });
    const chosen = () => question.querySelector("input:checked")?.value;
    question.onchange = () => { commit.disabled = chosen() === undefined; };
    commit.onclick = () => {
      guesses.set(question.dataset.guess, chosen());
      try { localStorage.setItem(key, JSON.stringify(Object.fromEntries(guesses))); } catch { /* not kept */ }
      show();
    };
    question.querySelector("[role=status]").before(commit);
  }
  show();
})();
