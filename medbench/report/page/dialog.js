// Where a number comes from: its run, its recipe, its rows, and a few of its questions.

/** Fill the dialog for one cell, and open it. */
function openDetails(board, row, column, cell) {
  const title = [...new Set([column.group, column.label])].join(" · ");
  const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "✕");
  const dialog = byId("details");
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(
    make("div", { class: "bar-top" },
      make("div", {}, make("h2", { id: "details-title" }, row.name), make("p", {}, title)), close),
    make("p", { class: cell.is_marked ? "number marked" : "number" }, ...numberParts(cell)),
    ...(cell.reasons ?? []).map((reason) => make("p", { class: "reason" }, `‡ ${reason}`)),
    ...cell.facts.map((place) => factList(board.facts[place])),
    ...itemParts(board, cell),
  );
  dialog.showModal();
  dialog.scrollTop = 0;
}

function numberParts(cell) {
  const parts = [make("strong", {}, cell.text)];
  if (cell.interval) parts.push(` 95 % interval ${cell.interval.join(" to ")}`);
  if (cell.rank) parts.push(make("span", {}, `rank ${rankText(cell.rank)}`));
  for (const [name, share] of Object.entries(cell.rates ?? {}))
    parts.push(make("span", {}, `${name} ${share} %`));
  return parts;
}

function factList({ title, pairs }) {
  const list = make("dl");
  for (const [name, value] of pairs) {
    const isCode = /command|SHA-256|hash|commit|file/.test(name);
    list.append(make("dt", {}, name), make("dd", {}, isCode ? make("code", {}, value) : value));
  }
  return make("section", {}, make("h3", {}, title), list);
}

function itemParts(board, cell) {
  if (cell.items === undefined) return [];
  const { shown, note, language } = board.items[cell.items];
  const items = shown.map((item, place) => makeItem(board, item, language || null, place === 0));
  return [make("section", {}, make("h3", {}, "Items"), make("p", { class: "note" }, note), ...items)];
}

function makeItem(board, item, lang, isOpen) {
  const verdict = make("span", { class: `verdict ${item.verdict}` }, item.verdict);
  const list = make("dl");
  const add = (name, text) => {
    if (text) list.append(make("dt", {}, name), make("dd", {}, make("pre", { lang }, text)));
  };
  add("Prompt", board.prompts[item.prompt]);
  add("Hashes", item.hashes);
  add("Gold", item.gold);
  add("Output", item.output);
  add("Read as", item.read);
  return make("details", { open: isOpen }, make("summary", {}, `Item ${item.id}`, verdict), list);
}
