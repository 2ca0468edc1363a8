// The page: data, tabs, filters, colours, and the interval that follows pointer and focus.

const board = JSON.parse(byId("data").textContent);
const SIZES = [["up to 1B", 0, 1e9], ["1B to 4B", 1e9, 4e9], ["4B to 10B", 4e9, 10e9],
  ["10B to 40B", 10e9, 40e9], ["over 40B", 40e9, Infinity]];
const LANGUAGES = { en: "English", zh: "中文 Chinese", ja: "日本語 Japanese", ko: "한국어 Korean", fr: "Français French",
  ru: "Русский Russian", es: "Español Spanish" };
const UNKNOWN = "unknown";

const open = (row, column, cell) => openDetails(board, row, column, cell);
const views = [{ name: "Measured", tables: [new BoardTable(board.measured, true, open)] }];
if (board.reported.length)
  views.push({ name: "Reported", tables: board.reported.map((data) => new BoardTable(data, false, open)) });
let view = views[0];

/** Put each view behind a tab of its own: its numbers never stand beside the other's. */
function drawViews() {
  for (const one of views) {
    const id = one.name.toLowerCase();
    const count = one.tables.reduce((sum, table) => sum + table.data.rows.length, 0);
    one.tab = make("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": id },
      one.name, make("span", { class: "count" }, `${count}`));
    one.panel = make("section", { role: "tabpanel", id, "aria-labelledby": `tab-${id}`, class: id });
    if (one !== views[0])
      one.panel.append(make("p", { class: "notice" },
        "Printed elsewhere, not measured here: who asked, how, and over which questions differs. ‡: does not add up, or a person found it wrong; open it for the reason."));
    for (const table of one.tables) {
      const notes = table.data.notes.map((note) => make("li", {}, note));
      table.block = make("div", { class: "block" }, table.frame, make("ul", { class: "notes" }, ...notes));
      one.panel.append(table.block);
    }
    one.tab.addEventListener("click", () => show(one));
    byId("tabs").append(one.tab);
    byId("tables").append(one.panel);
  }
  byId("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    show(views[(views.indexOf(view) + step + views.length) % views.length]);
    view.tab.focus();
  });
}

function show(chosen) {
  view = chosen;
  for (const one of views) {
    const isOwn = one === view;
    one.tab.setAttribute("aria-selected", isOwn);
    one.tab.tabIndex = isOwn ? 0 : -1;
    one.panel.hidden = !isOwn;
  }
  for (const label of document.querySelectorAll("label.measured")) label.hidden = view !== views[0];
  filter();
}

/** Offer what there is, in the order of the data. */
function fillFilters() {
  const tables = views.flatMap((one) => one.tables);
  const columns = tables.flatMap((table) => table.data.columns);
  const rows = views[0].tables.flatMap((table) => table.data.rows);
  const options = (id, all, values, name = (value) => value) =>
    byId(id).replaceChildren(make("option", { value: "" }, all),
      ...[...new Set(values)].filter(Boolean).map((value) => make("option", { value }, name(value))));
  options("benchmark", "All", columns.map((column) => column.benchmark));
  options("language", "All", columns.map((column) => column.language), (code) => LANGUAGES[code] ?? code);
  const known = SIZES.filter((size) => rows.some((row) => isOfSize(row, size))).map(([name]) => name);
  options("size", "All", known.concat(rows.some((row) => !row.parameters) ? UNKNOWN : []));
  options("method", "All", rows.map((row) => row.method || UNKNOWN));
}

const isOfSize = (row, [, low, high]) => row.parameters > low && row.parameters <= high;

function filter() {
  const [name, benchmark, language, size, method] =
    ["name", "benchmark", "language", "size", "method"].map((id) => byId(id).value);
  const words = name.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean);
  const range = SIZES.find((one) => one[0] === size);
  const acceptsColumn = (column) =>
    (!benchmark || column.benchmark === benchmark) && (!language || column.language === language);
  const acceptsRow = (row) => {
    const text = `${row.name} ${row.detail}`.normalize("NFKC").toLowerCase();
    if (!words.every((word) => text.includes(word))) return false;
    if (view !== views[0]) return true;
    if (size && !(range ? isOfSize(row, range) : !row.parameters)) return false;
    return !method || (row.method || UNKNOWN) === method;
  };
  const columns = `${benchmark}\n${language}`;
  for (const table of view.tables) {
    if (table.columnFilter !== columns) table.showColumns(acceptsColumn);
    table.columnFilter = columns;
    table.showRows(acceptsRow);
    table.block.hidden = table.frame.hidden;
  }
  tell();
}

/** Say what is shown, also to those who do not see it. */
function tell() {
  const visible = view.tables.filter((table) => !table.frame.hidden);
  const count = (of) => visible.reduce((sum, table) => sum + of(table), 0);
  const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  const shown = `${plural(count((table) => table.shownRows.length), view === views[0] ? "model" : "row")}, ` +
    `${plural(count((table) => table.columns.length), "column")}.`;
  const order = view === views[0] && visible.length ? visible[0].order : "";
  byId("status").textContent = visible.length ? `${shown} ${order}` : "Nothing matches these filters.";
}

/** Show a cell's interval beside it while the pointer or the focus is on it. */
function followCells() {
  const tip = byId("tip");
  const hide = () => { tip.hidden = true; };
  const point = (event) => {
    const button = event.target.closest?.("tbody button");
    if (!button) return hide();
    tip.textContent = button.ariaLabel.split("; ")[0];
    tip.hidden = false;
    const at = button.getBoundingClientRect();
    const left = Math.min(at.right - tip.offsetWidth, innerWidth - tip.offsetWidth - 8);
    const above = at.top - tip.offsetHeight - 6;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above < 8 ? at.bottom + 6 : above}px`;
  };
  for (const name of ["pointerover", "focusin"]) document.addEventListener(name, point);
  for (const name of ["scroll", "focusout", "click"]) document.addEventListener(name, hide, true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}

function followControls() {
  const form = byId("filters");
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter)); // once the fields are empty
  document.addEventListener("sorted", tell);
  const dialog = byId("details");
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const themes = ["System", "Light", "Dark"];
  byId("theme").addEventListener("click", ({ currentTarget }) => {
    const word = currentTarget.lastElementChild;
    word.textContent = themes[(themes.indexOf(word.textContent) + 1) % themes.length];
    currentTarget.ariaLabel = `Colours: ${word.textContent === "System" ? "as the system" : word.textContent}`;
    document.documentElement.dataset.theme = word.textContent.toLowerCase();
  });
}

byId("version").textContent = board.version;
drawViews();
fillFilters();
followCells();
followControls();
show(views[0]);
