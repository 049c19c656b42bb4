// Pictures of samples: two runs side by side, all of each or what was drawn from one subset.

function samples(dataset, choice, change) {
  const order = ranking(dataset);
  const pictured = dataset.runs.filter((run) => run.grid)
    .sort((a, b) => order.indexOf(a.row) - order.indexOf(b.row) || a.seed - b.seed);
  const several = d3.rollup(pictured, (runs) => runs.length, (run) => run.row);
  const title = ({ row, seed }) =>
    dataset.rows[row].label + (several.get(row) > 1 ? `, seed ${seed}` : "");
  return section("samples", "Samples", () => {
    const found = pictured.filter((run) => !choice.hidden.has(run.row));
    if (!found.length) {
      return el("p", { class: "hint" }, pictured.length
        ? "No model that is shown has a picture of samples."
        : "No pictures of samples lie beside these records. A run writes one next to its record, "
          + "with the ending .png; there it is found.");
    }
    // Those that are asked for, else the best: another model each, while there is one.
    const pair = choice.samples.map((wish) => found.find((run) => title(run) === wish));
    for (const side of [0, 1]) {
      const other = pair[1 - side];
      pair[side] ??= found.find((run) => run.row !== other?.row)
        ?? found.find((run) => run !== other);
    }
    const shown = pair.filter(Boolean).slice(0, 2);
    const subsets = [...new Set(shown.flatMap(({ grid }) =>
      grid.panels.map(({ given }) => given.join(", "))))];
    // What is given says most at a glance; whoever wants it all picks it.
    const usual = subsets[1] ?? subsets[0] ?? ALL;
    const given = [...subsets, ALL].includes(choice.given) ? choice.given : usual;
    const pick = (side) => (run) => {
      choice.samples = shown.map((one, i) => title(i === side ? run : one));
      change();
    };
    return [
      el("div", { class: "controls" },
        select("Given", [...subsets.map((one) => [one, one || "nothing: joint"]),
          [ALL, "all subsets"]], given, (one) => { choice.given = one; change(); })),
      el("div", { class: "pair" }, shown.map((run, side) => sheet(dataset, run, given,
        select(["Left", "Right"][side], found.map((one) => [one, title(one)]), run, pick(side))))),
      el("p", { class: "hint" }, "On a tinted ground what was given, below it what was generated."),
    ];
  });
}

const ALL = "*";

// One run's picture below its choice.
function sheet(dataset, run, given, chooser) {
  const { grid } = run;
  const panel = grid.panels.find((one) => one.given.join(", ") === given);
  const box = panel ? panel.box : [0, 0, grid.width, grid.height];
  const words = !panel ? "all subsets" : given ? `given ${given}` : "joint";
  const label = dataset.rows[run.row].label;
  return el("figure", { class: "grid" }, chooser,
    picture(grid, box, `Samples of ${label} on ${dataset.name}, seed ${run.seed}, ${words}`),
    el("figcaption", {}, name(label), `, seed ${run.seed}, ${words}. `,
      el("a", { href: grid.file }, "The whole picture")));
}

// A part of a picture, at most as large as half its pixels.
const picture = (grid, [left, top, width, height], label) => svg("svg", {
  viewBox: `${left} ${top} ${width} ${height}`, role: "img", "aria-label": label,
  width: width / 2, height: height / 2,
}, svg("image", { href: grid.file, width: grid.width, height: grid.height }));
