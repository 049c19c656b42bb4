// The rows of a data set: which is best, which are shown, and the colour of each in charts.

const HUES = 8;

// The first column of the summary that has values, by which rows are sorted; -1 if there is none.
const first = ({ summary: { columns, rows } }) => columns.findIndex((_, i) =>
  rows.some((line) => line.row != null && line.cells[i].value != null));

// All rows, the best first and the stale ones last.
function ranking(dataset) {
  const lead = first(dataset);
  const sign = dataset.summary.columns[lead]?.better === "lower" ? 1 : -1;
  const values = new Map(dataset.summary.rows.map(({ row, cells }) => [row, cells[lead]?.value]));
  const worth = (i) => values.get(i) == null ? Infinity : sign * values.get(i);
  return d3.sort(d3.range(dataset.rows.length), (i) => dataset.rows[i].stale ? 1 : 0, worth);
}

// Row -> colour. Of many that are shown only the best have one, since more than that no eye tells
// apart. A row keeps its hue whichever others are shown, unless a better one of these has the same.
function hues(dataset, choice) {
  const order = ranking(dataset);
  const best = order.filter((row) => !choice.hidden.has(row)).slice(0, HUES);
  const own = new Map(order.map((row, rank) => [row, rank % HUES]));
  const keeping = d3.group(best, (row) => own.get(row));
  const free = d3.range(HUES).filter((hue) => !keeping.has(hue));
  const colours = new Map(best.map((row) =>
    [row, keeping.get(own.get(row))[0] === row ? own.get(row) : free.shift()]));
  return (row) => `var(--hue-${colours.get(row) ?? "none"})`;
}

// A filter by name and a box for each row, folded below how many are shown.
function models(dataset, choice, change) {
  const count = el("span", { role: "status" });
  const boxes = dataset.rows.map((row, i) => el("label", { class: "model" },
    el("input", {
      type: "checkbox", checked: !choice.hidden.has(i),
      onchange: ({ target }) => set((row) => row === i ? target.checked : !choice.hidden.has(row)),
    }), name(row.label)));
  const set = (wanted) => {
    dataset.rows.forEach((_, i) => {
      choice.hidden[wanted(i) ? "delete" : "add"](i);
      boxes[i].querySelector("input").checked = wanted(i);
    });
    tell();
    change();
  };
  const tell = () => {
    const all = dataset.rows.length;
    const hidden = choice.hidden.size;
    count.textContent = hidden ? `${all - hidden} of ${all} shown` : `all ${all} shown`;
  };
  const search = el("input", {
    type: "search", placeholder: "e.g. mld, mopoe", autocomplete: "off",
    oninput: () => {
      const words = search.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
      set((i) => !words.length
        || words.some((word) => dataset.rows[i].label.toLowerCase().includes(word)));
    },
  });
  const tick = (text, on) => el("button", { type: "button", onclick: () => set(() => on) }, text);
  tell();
  return dataset.rows.length < 2 ? null : el("details", { class: "models" },
    el("summary", {}, "Models: ", count),
    el("fieldset", {}, el("legend", { class: "unseen" }, "Models that are shown"),
      el("div", { class: "controls" },
        el("label", { class: "choice" }, el("span", {}, "Only names with"), search),
        tick("All", true), tick("None", false)),
      el("div", { class: "boxes" }, boxes)));
}
