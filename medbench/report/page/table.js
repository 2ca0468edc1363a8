// One table of models and columns: sorted by a column, filtered by rows and by columns.
// Cells are made once and moved afterwards; arrow keys walk through them, so that Tab leaves them.

const BAR = 84; // px, as in page.css
const AT_ONCE = 40; // rows

/** Return the number that a cell is sorted by; `~90`, about ninety, is 90. */
const numberOf = (cell) => (cell ? parseFloat(cell.text.replace("~", "")) : NaN);

class BoardTable {
  /**
   * @param data a PageTable (form.py)
   * @param ranked whether models are ranked; published tables are not
   * @param open called with (row, column, cell) of a cell that is to be explained
   */
  constructor(data, ranked, open) {
    this.data = data;
    this.ranked = ranked;
    this.open = open;
    this.rows = data.rows.map((row, place) => this.makeRow(row, place));
    this.shownRows = this.rows;
    this.head = make("thead");
    this.body = make("tbody");
    this.caption = make("caption", {}, make("span", {}, data.title));
    this.element = make("table", {}, this.caption, this.head, this.body);
    this.frame = make("div", { class: "frame", role: "region", tabindex: "0", "aria-label": data.title },
      this.element);
    this.body.addEventListener("click", (event) => this.onClick(event));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
    this.sorting = ranked ? this.firstSorting() : null;
    this.columns = []; // until showColumns: a table behind a tab costs nothing
  }

  /** Begin with the first mean, or else the first column. */
  firstSorting() {
    const means = this.data.columns.findIndex((column) => column.label === "Avg");
    return this.data.columns.length ? { column: Math.max(0, means), best: true } : null;
  }

  makeRow(row, place) {
    const label = make("th", { scope: "row" }, make("span", { class: "model" }, row.name));
    if (row.detail) label.append(make("small", {}, row.detail));
    const rank = make("td", { class: "rank" });
    return { row, place, label, rank, cells: [], tr: make("tr") };
  }

  cellOf(own, column) {
    return (own.cells[column] ??= this.makeCell(own, column));
  }

  makeCell(own, column) {
    const cell = this.data.cells[own.place][column];
    if (!cell) return make("td", { class: "missing" }, this.ranked ? "—" : "");
    const classes = [];
    if (cell.rank?.[0] === 1 && this.data.rows.length > 1) classes.push("best");
    const button = make("button", { type: "button", tabindex: "-1", "data-column": column }, cell.text);
    if (cell.is_marked) button.append(make("span", { class: "mark" }, this.ranked ? "†" : "‡"));
    const { ends, label, group } = this.data.columns[column];
    if (ends) classes.push(...this.drawBar(button, cell, ends));
    for (const [name, share] of Object.entries(cell.rates ?? {}))
      button.append(make("small", {}, `${name} ${share} %`));
    if (cell.rates) classes.push("rated");
    if (classes.length) button.className = classes.join(" ");
    button.ariaLabel = `${cellWords(cell)}; ${own.row.name}, ${group} ${label}`;
    return make("td", { class: cell.is_marked ? "marked" : null }, button);
  }

  /** Draw a bar up to the score, and a whisker over the interval, as the button's backgrounds. */
  drawBar(button, cell, [low, high]) {
    const place = (text) => `${((parseFloat(text) - low) / (high - low)) * BAR}px`;
    button.style.setProperty("--value", place(cell.text));
    if (!cell.interval) return ["bar"];
    button.style.setProperty("--low", place(cell.interval[0]));
    button.style.setProperty("--high", place(cell.interval[1]));
    return ["bar", "whisker"];
  }

  /** Show the columns that a test accepts. */
  showColumns(accepts) {
    this.columns = this.data.columns.map((_, place) => place).filter((place) => accepts(this.data.columns[place]));
    if (this.sorting && this.sorting.column !== "name" && !this.columns.includes(this.sorting.column))
      this.sorting = this.columns.length ? { column: this.columns[0], best: true } : null;
    this.drawHead();
    for (const own of this.rows) {
      const cells = this.columns.map((column) => this.cellOf(own, column));
      own.tr.replaceChildren(...(this.ranked ? [own.rank] : []), own.label, ...cells);
    }
    this.drawBody();
  }

  /** Show the rows that a test accepts. */
  showRows(accepts) {
    this.shownRows = this.rows.filter((own) => accepts(own.row));
    this.drawBody();
  }

  drawHead() {
    const groups = make("tr", { class: "groups" });
    const labels = make("tr");
    if (this.ranked) labels.append(make("th", { scope: "col", class: "rank" }, "Rank"));
    labels.append(this.makeHeader("name", { label: "Model", detail: "" }));
    groups.append(make("td", { colspan: this.ranked ? 2 : 1, class: "corner" }));
    let last = null;
    for (const place of this.columns) {
      const column = this.data.columns[place];
      if (last?.group === column.group) last.th.colSpan += 1;
      else {
        const isSaid = column.group === column.label; // by the label below
        last = { group: column.group, th: isSaid ? make("td") :
          make("th", { scope: "colgroup" }, make("span", {}, column.group)) };
        groups.append(last.th);
      }
      labels.append(this.makeHeader(place, column));
    }
    this.head.replaceChildren(groups, labels);
  }

  makeHeader(place, column) {
    const button = make("button", { type: "button" }, make("span", {}, column.label),
      make("span", { class: "arrow", "aria-hidden": "true" }));
    button.addEventListener("click", () => this.sort(place));
    const header = make("th", { scope: "col", "data-place": place }, button);
    if (column.detail) header.append(make("small", {}, column.detail));
    return header;
  }

  /** Sort by a column, its best first; once more turns the order round. */
  sort(column) {
    const again = this.sorting?.column === column;
    this.sorting = { column, best: again ? !this.sorting.best : true };
    this.drawBody();
    this.element.dispatchEvent(new Event("sorted", { bubbles: true }));
  }

  /** Whether larger values, or later names, come first. */
  get isDescending() {
    const { column, best } = this.sorting;
    return column === "name" ? !best : best === this.data.columns[column].higher_is_better;
  }

  drawBody() {
    const column = this.sorting?.column;
    const rows = [...this.shownRows];
    if (this.sorting) {
      const sign = this.isDescending ? -1 : 1;
      const names = new Intl.Collator(undefined, { numeric: true });
      const byName = (a, b) => names.compare(a.row.name, b.row.name);
      const value = new Map(rows.map((own) => [own, numberOf(this.data.cells[own.place][column])]));
      rows.sort((a, b) => {
        if (column === "name") return sign * byName(a, b);
        const [x, y] = [value.get(a), value.get(b)];
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y) || byName(a, b); // not run: last
        return sign * (x - y) || byName(a, b);
      });
    }
    for (const own of rows) own.rank.textContent = rankText(this.data.cells[own.place][column]?.rank);
    this.placeRows(rows.map((own) => own.tr));
    for (const header of this.head.querySelectorAll("[data-place]")) {
      const isOwn = header.dataset.place === String(column);
      if (isOwn) header.setAttribute("aria-sort", this.isDescending ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    }
    this.frame.hidden = !rows.length || !this.columns.length;
    this.rest(this.body.querySelector("button"));
  }

  /** Put rows in order: what fits a screen at once, the others when that has been painted. */
  placeRows(rows) {
    clearTimeout(this.later);
    this.body.replaceChildren(...rows.slice(0, AT_ONCE));
    if (rows.length > AT_ONCE)
      this.later = setTimeout(() => this.body.append(...rows.slice(AT_ONCE)), 30);
  }

  /** What a reader should know about the order. */
  get order() {
    if (!this.sorting) return "";
    const column = this.data.columns[this.sorting.column];
    if (!column) return "Sorted by name.";
    const basis = column.ranks ? `ranks from ${column.ranks}` : "not ranked";
    return `Sorted by ${[...new Set([column.group, column.label])].join(", ")}; ${basis}.`;
  }

  /** Let Tab come to one cell only. */
  rest(button) {
    if (this.resting) this.resting.tabIndex = -1;
    this.resting = button;
    if (button) button.tabIndex = 0;
  }

  onClick(event) {
    const button = event.target.closest("button");
    if (!button) return;
    this.rest(button);
    const own = this.rows.find((one) => one.tr === button.closest("tr"));
    const column = Number(button.dataset.column);
    this.open(own.row, this.data.columns[column], this.data.cells[own.place][column]);
  }

  onKey(event) {
    const button = event.target.closest("button");
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[event.key];
    if (!button || !step) return;
    event.preventDefault();
    let row = button.closest("tr");
    let place = [...row.cells].indexOf(button.closest("td"));
    for (;;) {
      if (step[0]) row = step[0] > 0 ? row.nextElementSibling : row.previousElementSibling;
      place += step[1];
      const cell = row?.cells[place];
      if (!cell) return;
      const next = cell.querySelector("button");
      if (!next) continue; // not run: the next one
      this.rest(next);
      next.focus();
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
      return;
    }
  }
}
