// Tables that sort, of scores and of runs.

const APART = [null, "Stale: of other versions, without rank", null];

// Columns: {title, group, label, first, text, width, value(row), cell(row)}; `first` is the
// direction of the first click. Rows without a value come last, then rows that are stale, then
// those of no run: what real examples score, and what papers print.
function sortable(caption, columns, rows, sort, redraw) {
  const sign = sort.direction === "ascending" ? 1 : -1;
  const compare = (a, b) => {
    const [x, y] = [a, b].map((row) => columns[sort.column].value(row));
    if (x == null || y == null) return (x == null) - (y == null);
    return sign * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
  };
  if (columns[sort.column]) rows = [...rows].sort(compare);
  const heads = columns.map((column, i) => {
    const now = sort.column === i ? sort.direction : null;
    const button = el("button", {
      type: "button", class: "sort", "aria-label": column.label,
      onclick: () => {
        const other = { ascending: "descending", descending: "ascending" };
        sort.direction = now ? other[now] : column.first;
        sort.column = i;
        redraw();
      },
    }, name(column.title), el("span", { class: "mark", "aria-hidden": "true" },
      now === "ascending" ? "▲" : now === "descending" ? "▼" : "↕"));
    return el("th", { scope: "col", "aria-sort": now, class: kind(columns, i) }, button);
  });
  const groups = [];
  columns.forEach(({ group = "" }, i) => {
    const last = groups.at(-1);
    if (last && last.group === group) last.span += 1;
    else groups.push({ group, span: 1, start: i });
  });
  const above = groups.some(({ group }) => group) && el("tr", {}, groups.map((g) => g.group
    ? el("th", { scope: "colgroup", colspan: g.span, class: kind(columns, g.start) },
      name(g.group))
    : el("td", { colspan: g.span })));
  const bodies = APART.map((said, i) => [said, rows.filter(({ apart = 0 }) => apart === i)])
    .filter(([, some]) => some.length).map(([said, some], i) => el("tbody", {},
      said && el("tr", { class: "said" }, el("th", { colspan: columns.length, scope: "rowgroup" },
        el("span", {}, said))),
      some.map((row) => el("tr", { class: row.apart && "apart" },
        columns.map((column, i) => sized(column, el(i ? "td" : "th",
          { scope: i ? null : "row", class: kind(columns, i) }, column.cell(row))))))));
  if (!rows.length) {
    bodies.push(el("tbody", {}, el("tr", {}, el("td", { colspan: columns.length, class: "text" },
      "No model is ticked."))));
  }
  const title = el("caption", { id: fresh("caption") }, name(caption));
  const room = el("div", {
    class: "scroll", role: "region", tabindex: "0", "aria-labelledby": title.id,
    onscroll: () => edge(),
  }, el("table", {}, title, el("thead", {}, above, el("tr", {}, heads)), bodies));
  const edge = () => room.classList.toggle("more",
    room.scrollLeft + room.clientWidth < room.scrollWidth - 2);
  new ResizeObserver(edge).observe(room);
  return room;
}

// Classes of the cells of a column: text to the left, and a space before a group.
function kind(columns, i) {
  const begins = i > 0 && columns[i].group && columns[i].group !== columns[i - 1].group;
  return [columns[i].text && "text", begins && "begins"].filter(Boolean).join(" ") || null;
}

// Gives the deviations of a column one width, so that its numbers stand below each other.
function sized(column, cell) {
  const spread = cell.querySelector("small");
  if (spread) spread.style.minWidth = `${column.width}ch`;
  return cell;
}

const spreads = (lines, i) =>
  d3.max(lines, ({ row, cells }) => row == null ? 0 : cells[i].spread.length);

// A number as it is written. In rows to compare with the interval is only told when asked for.
function score(line, i, footnotes = []) {
  const cell = line.cells[i];
  const own = cell.footnotes.filter((mark) => !common(line).includes(mark));
  const aside = line.row == null && cell.spread;
  return [el([null, "strong", "u"][cell.rank] ?? "span", { title: aside || null }, cell.text),
    el("small", {}, aside ? "" : cell.spread), marks(own, footnotes)];
}

const marks = (some, footnotes) => some.length > 0 && el("sup", {
  title: some.map((i) => footnotes[i - 1]).join("\n"),
}, some.join(","));

// The footnotes of all scores of a row stand once, by its name.
const common = ({ cells }) => {
  const scores = cells.filter((cell) => cell.value != null);
  return scores.length < 2 ? [] : scores[0].footnotes.filter((mark) =>
    scores.every((cell) => cell.footnotes.includes(mark)));
};
const labelled = (line, footnotes) => [name(line.label), marks(common(line), footnotes)];

// What the other rows of a table are: 0 for those that rank, 1 for stale ones, 2 for no runs.
const apart = (dataset, line) => line.row == null ? 2 : dataset.rows[line.row].stale ? 1 : 0;

function scores(dataset, choice, change) {
  const { tables } = dataset;
  let sort = {};
  return section("scores", "Scores in full", () => {
    if (!tables.length) return el("p", {}, "No record of this data set holds a score.");
    const set = (key) => (value) => { choice[key] = value; sort = {}; change(); };
    const metrics = [...new Map(tables.map((one) => [one.metric, one.name]))];
    const known = metrics.some(([metric]) => metric === choice.metric);
    const metric = known ? choice.metric : tables[0].metric;
    const own = tables.filter((one) => one.metric === metric);
    const table = own.find((one) => one.itself === choice.itself) ?? own[0];
    const targets = [...new Set(table.columns.map((column) => column.target).filter(Boolean))];
    const picked = targets.includes(choice.target) ? choice.target : "";
    const columns = [{
      title: "Model", label: "Model", first: "ascending", text: true,
      value: (row) => row.label, cell: (row) => labelled(row, table.footnotes),
    }, {
      title: "Runs", label: "Runs", first: "descending", value: (row) => row.seeds,
      cell: (row) => row.seeds > 0
        && el("a", { href: `${address(dataset)}/runs` }, plural(row.seeds, "seed")),
    }];
    table.columns.forEach((column, i) => {
      if (picked && column.target !== picked) return;
      columns.push({
        title: column.given, group: column.target && `${column.target} ←`, label: column.title,
        first: table.better === "lower" ? "ascending" : "descending",
        value: (row) => row.cells[i].value,
        cell: (row) => score(row, i, table.footnotes), width: spreads(table.rows, i),
      });
    });
    const rows = table.rows.filter((row) => row.row == null || !choice.hidden.has(row.row))
      .map((row) => ({ ...row, apart: apart(dataset, row) }));
    return [
      el("div", { class: "controls" },
        radios("Metric", metrics, metric, set("metric")),
        radios("Given", own.map(({ itself }) => [itself, itself ? "itself too" : "others"]),
          table.itself, set("itself")),
        select("Generated", [["", "all modalities"], ...targets.map((one) => [one, one])],
          picked, set("target"))),
      sortable(table.title, columns, rows, sort, change),
      below(table.footnotes, table.notes),
    ];
  });
}

function runs(dataset, choice) {
  const sort = {};
  const code = (text, length) => text == null ? "–"
    : el("code", { title: text }, text.length > length ? `${text.slice(0, length)}…` : text);
  const versions = (run) => Object.entries(run.versions).map((one) => one.join(" ")).join(", ");
  const number = (x) => x == null ? "–" : x.toLocaleString("en");
  const columns = [
    { title: "Model", first: "ascending", text: true, value: (run) => run.label,
      cell: (run) => name(run.label) },
    { title: "Seed", first: "ascending", value: (run) => run.seed, cell: (run) => run.seed },
    { title: "Record", first: "ascending", text: true, value: (run) => run.record,
      cell: (run) => run.link == null ? name(run.record)
        : el("a", { href: run.link }, name(run.record)) },
    { title: "Minutes", first: "ascending", value: (run) => run.minutes,
      cell: (run) => el("details", {}, el("summary", {}, run.minutes.toFixed(1)),
        Object.entries(run.stages).map(([stage, minutes]) =>
          el("div", {}, `${stage}: ${minutes.toFixed(1)}`))) },
    { title: "Evaluations", label: "Network evaluations a sample", first: "ascending",
      value: (run) => run.evaluations, cell: (run) => number(run.evaluations) },
    { title: "Parameters", first: "ascending", value: (run) => run.parameters,
      cell: (run) => number(run.parameters) },
    { title: "Hardware", first: "ascending", text: true, value: (run) => run.device,
      cell: (run) => name(run.device) },
    { title: "Protocol", first: "ascending", text: true, value: (run) => run.protocol,
      cell: (run) => code(run.protocol, 8) },
    { title: "Data", first: "ascending", text: true, value: (run) => run.data,
      cell: (run) => code(run.data, 8) },
    { title: "Commit", first: "ascending", text: true, value: (run) => run.commit,
      cell: (run) => code(run.commit, 8) },
    { title: "Versions", first: "ascending", text: true,
      value: (run) => versions(run), cell: (run) => name(versions(run)) },
  ].map((column) => ({ label: column.title, ...column }));
  const part = section("runs", "Runs", () => {
    const rows = dataset.runs.filter((run) => !choice.hidden.has(run.row))
      .map((run) => ({ ...run, label: dataset.rows[run.row].label }));
    const foreign = rows.some((run) => run.samples != null);
    return [
      el("p", { class: "hint" }, "Where each number comes from. A record holds its run’s whole ",
        "protocol and every score; the hash of the protocol says which runs may be compared.",
        foreign && " A dash: the samples came from another program, and what made them is not "
          + "known."),
      sortable(`Runs on ${dataset.name}`, columns, rows, sort, part.redraw),
    ];
  });
  return part;
}
