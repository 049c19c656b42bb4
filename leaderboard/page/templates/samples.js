// Pictures of samples: one run's, all of it or what was drawn from one subset.

function samples(dataset, shown) {
  const state = { row: null, seed: null, given: undefined };
  return section("samples", "Samples", (redraw) => {
    const set = (key) => (value) => { state[key] = value; redraw(); };
    const found = dataset.runs.filter((run) => run.grid && shown(run.row));
    if (!found.length) {
      return el("p", { class: "hint" }, dataset.runs.some((run) => run.grid)
        ? "No model that is shown has a picture of samples."
        : "No pictures of samples lie beside these records. A run writes one next to its record, "
          + "with the ending .png; there it is found.");
    }
    const rows = [...new Set(found.map((run) => run.row))];
    if (!rows.includes(state.row)) state.row = rows[0];
    const seeds = found.filter((run) => run.row === state.row);
    const run = seeds.find(({ seed }) => seed === state.seed) ?? seeds[0];
    const { grid } = run;
    const subsets = grid.panels.map(({ given }) => given.join(", "));
    // What is given says most at a glance; whoever wants it all picks it.
    if (state.given === undefined) state.given = subsets[1] ?? subsets[0];
    const panel = grid.panels[subsets.indexOf(state.given)];
    const box = panel ? panel.box : [0, 0, grid.width, grid.height];
    const words = !panel ? "all subsets" : state.given ? `given ${state.given}` : "joint";
    const label = dataset.rows[run.row].label;
    return [
      el("div", { class: "controls" },
        choice("Model", rows.map((i) => [i, dataset.rows[i].label]), state.row, set("row")),
        choice("Seed", seeds.map(({ seed }) => [seed, String(seed)]), run.seed, set("seed")),
        choice("Given", [[null, "all subsets"],
          ...subsets.map((given) => [given, given || "nothing: joint"])],
        panel ? state.given : null, set("given"))),
      el("figure", { class: "grid" },
        picture(grid, box, `Samples of ${label} on ${dataset.name}, seed ${run.seed}, ${words}`),
        el("figcaption", {}, name(label), `, seed ${run.seed}, ${words}. `,
          "On a tinted ground what was given, below it what was generated. ",
          el("a", { href: grid.file }, "The whole picture"))),
    ];
  });
}

// A part of a picture, at most as large as half its pixels.
function picture(grid, [left, top, width, height], label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const image = document.createElementNS("http://www.w3.org/2000/svg", "image");
  const put = (node, values) => Object.entries(values)
    .forEach(([key, value]) => node.setAttribute(key, value));
  put(svg, { viewBox: `${left} ${top} ${width} ${height}`, role: "img", "aria-label": label,
    width: width / 2, height: height / 2 });
  put(image, { href: grid.file, width: grid.width, height: grid.height });
  svg.append(image);
  return svg;
}
