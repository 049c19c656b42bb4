// Tables that sort, of scores and of runs.

// Columns: {title, group, label, first, value(row), cell(row)}; `first` is the direction of the
// first click. Rows with `pinned` stay last, rows without a value come last before them.
function sortable(caption, columns, rows, sort, redraw) {
  const order = columns[sort.column];
  if (order) {
    const sign = sort.direction === "ascending" ? 1 : -1;
    const key = (row) => order.value(row);
    rows = [...rows].sort((a, b) => {
      if (!a.pinned !== !b.pinned) return a.pinned ? 1 : -1;
      const [x, y] = [key(a), key(b)];
      if (x == null || y == null) return (x == null) - (y == null);
      return sign * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
    });
  }
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
      name(g.group), " ←")
    : el("td", { colspan: g.span })));
  const body = rows.map((row) => el("tr", { class: row.pinned && "pinned" },
    columns.map((column, i) => el(i ? "td" : "th",
      { scope: i ? null : "row", class: kind(columns, i) }, column.cell(row)))));
  if (!rows.length) {
    body.push(el("tr", {}, el("td", { colspan: columns.length, class: "text" },
      "No row matches the filter.")));
  }
  const title = el("caption", { id: fresh("caption") }, name(caption));
  const room = el("div", {
    class: "scroll", role: "region", tabindex: "0", "aria-labelledby": title.id,
    onscroll: () => edge(),
  }, el("table", {}, title, el("thead", {}, above, el("tr", {}, heads)), el("tbody", {}, body)));
  const edge = () => room.classList.toggle("more",
    room.scrollLeft + room.clientWidth < room.scrollWidth - 2);
  new ResizeObserver(edge).observe(room);
  return room;
}

// Classes of the cells of a column: text to the left, and a rule before a group.
function kind(columns, i) {
  const begins = i > 0 && columns[i].group && columns[i].group !== columns[i - 1].group;
  return [columns[i].text && "text", begins && "begins"].filter(Boolean).join(" ") || null;
}

function scores(dataset, shown) {
  let table = dataset.tables[0];
  let target = "";
  let sort = {};
  return section("scores", "Scores", (redraw) => {
    if (!table) return el("p", {}, "No record of this data set holds a score.");
    const targets = [...new Set(table.columns.map((column) => column.target).filter(Boolean))];
    const picked = targets.includes(target) ? target : "";
    const columns = [
      { title: "Model", label: "Model", first: "ascending", text: true,
        value: (row) => row.label, cell: (row) => [row.row != null && swatch(row.row),
          name(row.label)] },
      { title: "Runs", label: "Runs", first: "descending", value: (row) => row.seeds,
        cell: (row) => row.seeds > 0
          && el("a", { href: `${address(dataset)}/runs` }, plural(row.seeds, "seed")) },
    ];
    table.columns.forEach((column, i) => {
      if (picked && column.target !== picked) return;
      columns.push({
        title: column.given, group: column.target, label: column.title,
        first: table.better === "lower" ? "ascending" : "descending",
        value: (row) => row.cells[i].value, cell: (row) => score(row.cells[i]),
      });
    });
    const rows = table.rows.filter((row) => row.row == null || shown(row.row))
      .map((row) => ({ ...row, pinned: row.row == null }));
    const ranked = table.rows.some((row) => row.cells.some((cell) => cell.rank));
    return [
      el("div", { class: "controls" },
        radios("Metric", dataset.tables.map((one) => [one, name(one.name)]), table, (one) => {
          [table, sort] = [one, {}];
          redraw();
        }),
        choice("Generated", [["", "all modalities"], ...targets.map((one) => [one, one])],
          picked, (one) => { [target, sort] = [one, {}]; redraw(); })),
      sortable(table.title, columns, rows, sort, redraw),
      el("ul", { class: "notes" },
        table.footnotes.map((text, i) => el("li", {}, el("sup", {}, String(i + 1)), " ", text)),
        ranked && el("li", {}, "Best ", el("strong", {}, "bold"), ", second ",
          el("u", {}, "underlined"), "."),
        table.notes.map((text) => el("li", {}, text))),
    ];
  });
}

function score(cell) {
  const mean = el([null, "strong", "u"][cell.rank] ?? "span", {}, cell.text);
  const marks = cell.footnotes.join(",");
  return [mean, cell.spread && el("small", {}, ` ${cell.spread}`), marks && el("sup", {}, marks)];
}

function runs(dataset, shown) {
  const sort = {};
  const code = (text, length) => text == null ? "–"
    : el("code", { title: text }, text.length > length ? `${text.slice(0, length)}…` : text);
  const versions = (run) => Object.entries(run.versions).map((one) => one.join(" ")).join(", ");
  const number = (x) => x == null ? "–" : x.toLocaleString("en");
  const columns = [
    { title: "Model", first: "ascending", text: true, value: (run) => run.label,
      cell: (run) => [swatch(run.row), name(run.label)] },
    { title: "Seed", first: "ascending", value: (run) => run.seed, cell: (run) => run.seed },
    { title: "Record", first: "ascending", text: true, value: (run) => run.record,
      cell: (run) => run.link == null ? name(run.record)
        : el("a", { href: run.link }, name(run.record)) },
    { title: "Minutes", first: "ascending", value: (run) => run.minutes,
      cell: (run) => el("details", {}, el("summary", {}, run.minutes.toFixed(1)),
        Object.entries(run.stages).map(([stage, minutes]) =>
          el("div", {}, `${stage}: ${minutes.toFixed(1)}`))) },
    { title: "Evaluations a sample", first: "ascending", value: (run) => run.evaluations,
      cell: (run) => number(run.evaluations) },
    { title: "Parameters", first: "ascending", value: (run) => run.parameters,
      cell: (run) => number(run.parameters) },
    { title: "Hardware", first: "ascending", text: true, value: (run) => run.device,
      cell: (run) => name(run.device) },
    { title: "Protocol", first: "ascending", text: true, value: (run) => run.protocol,
      cell: (run) => code(run.protocol, 16) },
    { title: "Data", first: "ascending", text: true, value: (run) => run.data,
      cell: (run) => code(run.data, 12) },
    { title: "Commit", first: "ascending", text: true, value: (run) => run.commit,
      cell: (run) => code(run.commit, 12) },
    { title: "Versions", first: "ascending", text: true,
      value: (run) => versions(run), cell: (run) => name(versions(run)) },
  ].map((column) => ({ label: column.title, ...column }));
  return section("runs", "Runs", (redraw) => {
    const rows = dataset.runs.filter((run) => shown(run.row))
      .map((run) => ({ ...run, label: dataset.rows[run.row].label }));
    const foreign = rows.some((run) => run.samples != null);
    return [
      el("p", { class: "hint" }, "Where each number comes from. A record holds its run’s whole ",
        "protocol and every score; the hash of the protocol says which runs may be compared."),
      sortable(`Runs on ${dataset.name}`, columns, rows, sort, redraw),
      foreign && el("p", { class: "hint" }, "A dash under evaluations and parameters: the samples ",
        "came from another program, and what made them is not known."),
    ];
  });
}
