// Elements out of data: attributes and text nodes only, so that no text is ever read as markup.

/** Make an element; an attribute that is null or false is left out, children may be strings. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Return the element with an id. */
const byId = (id) => document.getElementById(id);

/** Return `1–3`, `2`, or nothing for a place in a ranking that is not known. */
const rankText = (rank) => (!rank ? "" : rank[0] === rank[1] ? `${rank[0]}` : rank.join("–"));

/** Return what a cell says in words: `24.5 [19.1, 30.9], rank 1–3, unparsed 3.0 %`. */
function cellWords(cell) {
  const words = [cell.interval ? `${cell.text} [${cell.interval.join(", ")}]` : cell.text];
  if (cell.rank) words.push(`rank ${rankText(cell.rank)}`);
  for (const [name, share] of Object.entries(cell.rates ?? {})) words.push(`${name} ${share} %`);
  return words.concat(cell.reasons ?? []).join(", ");
}
