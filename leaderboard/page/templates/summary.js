// Who is best at what: the leader of every column of the summary, and the summary itself.

function summary(dataset, choice, panel) {
  const { columns, rows, footnotes, notes } = dataset.summary;
  const lead = first(dataset);
  const sort = { column: lead + 1, direction: columns[lead]?.better === "lower" ? "ascending"
    : "descending" };
  const part = section("summary", "Who is best at what", () => {
    if (lead < 0) return el("p", {}, "No record of this data set holds a score.");
    const shown = rows.filter((line) => line.row == null || !choice.hidden.has(line.row))
      .map((line) => ({ ...line, apart: apart(dataset, line) }));
    const heads = [
      { title: "Model", label: "Model", first: "ascending", text: true,
        value: (line) => line.label, cell: (line) => labelled(line, footnotes) },
      ...columns.map((column, i) => ({
        title: column.title, group: column.group, label: `${column.group} ${column.title}`,
        first: column.better === "higher" ? "descending" : "ascending",
        value: (line) => line.cells[i].value, cell: (line) => score(line, i, footnotes),
        width: spreads(rows, i),
      })),
      { title: "seconds", label: "Seconds of a run", first: "ascending",
        value: (line) => line.seconds, cell: (line) => line.seconds && whole(line.seconds) },
      { title: "seeds", label: "Seeds", first: "descending", value: (line) => line.seeds || null,
        cell: (line) => line.seeds || null },
    ];
    return el("div", { class: "answer" }, leaders(dataset), el("div", {}, panel,
      sortable(`Results on ${dataset.name}, means over what is generated`, heads, shown, sort,
        part.redraw),
      el("p", { class: "hint" }, "Best ", el("strong", {}, "bold"), ", second ",
        el("u", {}, "underlined"), "; ± one standard deviation over seeds. Joint: all is generated ",
        "from nothing; 1 given: the others from one; self: what is given itself."),
      below(footnotes, notes)));
  });
  return part;
}

const whole = (x) => x.toLocaleString("en", { maximumFractionDigits: 0 });

// For each metric the best row of each of its columns.
function leaders(dataset) {
  const { columns, rows } = dataset.summary;
  const best = columns.map((column, i) => {
    const of = rows.filter((line) => line.cells[i].rank === 1);
    const cells = of.map((line) => ({ ...line.cells[i], rank: 0, footnotes: [] }));
    return { ...column, of, line: { ...of[0], cells } };
  }).filter(({ of }) => of.length);
  if (!best.length) {
    return el("p", { class: "hint" },
      "Fewer than two rows are of the versions installed, so none is best.");
  }
  const width = spreads(best.map(({ line }) => line), 0);
  return el("table", { class: "leaders" }, d3.groups(best, ({ group }) => group).map(
    ([group, some]) => el("tbody", {},
      el("tr", {}, el("th", { colspan: 3, scope: "rowgroup" }, name(group))),
      some.map(({ title, of, line }) => el("tr", {},
        el("th", { scope: "row" }, title),
        el("td", { class: "text" }, of.length > 2 ? `${of.length} models`
          : of.flatMap((one, k) => [k ? ", " : null, name(one.label)])),
        sized({ width }, el("td", {}, score(line, 0))))))));
}

// Footnotes and notes of a table, folded.
function below(footnotes, notes) {
  const count = footnotes.length ? ` and ${plural(footnotes.length, "footnote")}` : "";
  return el("div", { class: "notes" },
    folded(`Notes${count}`, el("ul", {},
      footnotes.map((text, i) => el("li", {}, el("sup", {}, String(i + 1)), " ", text)),
      notes.map((text) => el("li", {}, text)))));
}
