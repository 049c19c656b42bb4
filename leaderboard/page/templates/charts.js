// The coherence-quality plane and the curves over the number of given modalities. Every row's name
// stands beside its points, in the row's colour.

const titled = (axis) => axis.title + (axis.unit ? ` (${axis.unit})` : "")
  + (axis.better ? `, ${axis.better} is better` : "");
const targets = (of) => of.series.map(({ target }) => [target, target || "mean over all"]);
const counted = (given) => Number(given) ? `given ${given}` : String(given || "joint");

function shortly(x) {
  const digits = Math.abs(x) >= 1000 ? 0 : Math.abs(x) >= 10 ? 1 : Math.abs(x) >= 0.1 ? 2 : 4;
  return x.toLocaleString("en", { maximumFractionDigits: digits });
}
const spread = ({ mean, std }) => shortly(mean) + (std == null ? "" : ` ± ${shortly(std)}`);

function charts(dataset, choice, change) {
  const { curves, planes, remarks } = dataset.charts;
  const usual = ["fid", "fmd"].map((m) => planes.find(({ x }) => x.metric === m)).find(Boolean);
  const plane = { of: usual ?? planes[0], target: null, given: null };
  const part = section("charts", "Charts", () => !curves.length
    ? el("p", { class: "hint" }, "No record of this data set holds a value.") : [
      el("div", { class: "figures" },
        planes.length > 0 && drawPlane(dataset, choice, plane, part.redraw),
        drawCurves(dataset, choice, change)),
      el("p", { class: "hint" }, "Bars: ± one standard deviation over seeds, where there are ",
        "several. The arrow keys go from point to point."),
      remarks.length > 0 && folded(`Not drawn: ${remarks.length}`,
        el("ul", {}, remarks.map((text) => el("li", {}, text)))),
    ]);
  return part;
}

function drawPlane(dataset, choice, state, redraw) {
  const set = (key) => (value) => { state[key] = value; redraw(); };
  const { x: across, y: up, series } = state.of;
  const found = series.find(({ target }) => target === state.target) ?? series[0];
  const givens = [...new Set(found.points.map(({ given }) => given))];
  const given = givens.includes(state.given) ? state.given : givens[0];
  const points = found.points.filter((p) => p.given === given && !choice.hidden.has(p.row));
  const row = described(dataset, choice, (p) => `${counted(p.given)}, ${up.title} ${spread(p.y)}, `
    + `${across.title} ${spread(p.x)}`);
  return figure(`${up.title} and ${across.title}`, [
    select("Quality", dataset.charts.planes.map((plane) => [plane, plane.x.title]), state.of,
      set("of")),
    select("Generated", targets(state.of), found.target, set("target")),
    select("From", givens.map((one) => [one, counted(one)]), given, set("given")),
  ], points.length && ((width) => {
    const frame = { width, height: Math.max(300, Math.min(440, width * 0.7)), right: 12 };
    const [x, y] = [horizontal(frame, across, points), vertical(frame, up, points)];
    const places = points.map((p) => ({ p, x: x.scale(p.x.mean), y: y.scale(p.y.mean) }));
    return canvas(frame, [x.axis, y.axis], [
      ...places.map((at) => row(at.p, "bar",
        bar(x.ends(at.p.x), (end) => ({ x1: end, x2: end, y1: at.y, y2: at.y }), "x"),
        bar(y.ends(at.p.y), (end) => ({ y1: end, y2: end, x1: at.x, x2: at.x }), "y"))),
      ...beside(places, frame, (p) => dataset.rows[p.row].label).map(({ p, lead, text }) =>
        row(p, "label", lead && svg("line", lead), text)),
      ...places.map((at) => row.point(at)),
    ]);
  }));
}

function drawCurves(dataset, choice, change) {
  const { curves } = dataset.charts;
  const of = curves.find(({ y }) => y.metric === choice.metric) ?? curves[0];
  const { y: up, series } = of;
  const found = series.find(({ target }) => target === choice.target) ?? series[0];
  const points = found.points.filter((p) => !choice.hidden.has(p.row));
  const row = described(dataset, choice, (p) => `${counted(p.given)}, ${up.title} ${spread(p.y)}`);
  return figure(`${up.title} by number of given modalities`, [
    select("Metric", curves.map(({ y }) => [y.metric, y.title]), up.metric,
      (metric) => { choice.metric = metric; change(); }),
    select("Generated", targets(of), found.target,
      (target) => { choice.target = target; change(); }),
  ], points.length && ((width) => {
    const lines = d3.groups(points, (p) => p.row).map(([, some]) => d3.sort(some, (p) => p.given));
    const label = (p) => dataset.rows[p.row].label;
    const height = Math.max(300, Math.min(440, width * 0.7), lines.length * LINE + 70);
    const names = d3.max(lines, ([p]) => wide(label(p)));
    const frame = { width, height, right: Math.min(width / 3, names) + 22 };
    const edge = width - frame.right;
    const numbers = d3.sort(new Set(points.map((p) => p.given)));
    const x = d3.scalePoint(numbers, [LEFT + 14, edge - 6]);
    const y = vertical(frame, up, points);
    const place = (p) => ({ p, x: x(p.given) ?? 0, y: y.scale(p.y.mean) });
    const path = d3.line((p) => place(p).x, (p) => place(p).y);
    const axis = svg("g", {}, numbers.map((k) => svg("text", {
      class: "tick", "text-anchor": "middle", x: x(k), y: height - BOTTOM + 18 }, k || "joint")),
    svg("text", { class: "axis", "text-anchor": "end", x: edge, y: height - 6 }, "Given modalities"));
    const ends = apartly(lines.map((some) => place(some.at(-1))), frame);
    return canvas(frame, [y.axis, axis], [
      // Joint generation stands apart: scored as a whole, it is not the same quantity.
      ...lines.map((some) => row(some[0], "curve",
        svg("path", { d: path(some.filter((p) => p.given)) ?? "", fill: "none" }))),
      ...points.map(place).map((at) => row(at.p, "bar",
        bar(y.ends(at.p.y), (end) => ({ y1: end, y2: end, x1: at.x, x2: at.x }), "y"))),
      ...ends.map(({ p, x, y, to }) => row(p, "label",
        svg("polyline", { points: [x + 6, y, edge + 8, to, edge + 12, to] }),
        written(label(p), edge + 15, to + 4))),
      ...points.map((p) => row.point(place(p))),
    ]);
  }));
}

const [LEFT, TOP, BOTTOM, LINE] = [44, 34, 44, 14];

// The scale of an axis for some points, with its ticks; one of percentages begins at 0.
function scaled(axis, points, key, range) {
  const zero = axis.unit === "%";
  const means = points.map((p) => p[key].mean);
  const log = !zero && d3.min(means) > 0 && d3.max(means) > 30 * d3.min(means);
  const ends = ({ mean, std }) => [log ? Math.max(mean - std, mean / 10) : mean - std, mean + std];
  let [low, high] = d3.extent([...means, ...points.flatMap((p) => ends(p[key]))]);
  if (zero) low = Math.min(0, d3.min(means));
  // One value alone has no extent that an axis could show.
  if (low === high) [low, high] = [low - (Math.abs(low) / 2 || 1), high + (Math.abs(high) / 2 || 1)];
  const scale = (log ? d3.scaleLog : d3.scaleLinear)([low, high], range).nice();
  scale.clamp(true);
  const format = scale.tickFormat(5, log ? "~s" : undefined);
  return {
    scale, ends: (one) => one.std == null ? null : ends(one).map(scale),
    ticks: scale.ticks(5).map((at) => [scale(at), format(at)]).filter(([, text]) => text),
    title: titled(axis) + (log ? ", logarithmic" : ""),
  };
}

function horizontal({ width, height, right }, axis, points) {
  const found = scaled(axis, points, "x", [LEFT + 10, width - right]);
  return { ...found, axis: svg("g", {}, found.ticks.map(([x, text]) => svg("g", {},
    svg("line", { class: "rule", x1: x, x2: x, y1: TOP - 8, y2: height - BOTTOM }),
    svg("text", { class: "tick", "text-anchor": "middle", x, y: height - BOTTOM + 18 }, text))),
  svg("text", { class: "axis", "text-anchor": "end", x: width - right, y: height - 6 },
    found.title)) };
}

function vertical({ width, height, right }, axis, points) {
  const found = scaled(axis, points, "y", [height - BOTTOM - 8, TOP]);
  return { ...found, axis: svg("g", {}, found.ticks.map(([y, text]) => svg("g", {},
    svg("line", { class: "rule", x1: LEFT, x2: width - right, y1: y, y2: y }),
    svg("text", { class: "tick", "text-anchor": "end", x: LEFT - 6, y: y + 4 }, text))),
  svg("text", { class: "axis", x: 0, y: 12 }, found.title)) };
}

const bar = (ends, line, along) => ends && svg("line", {
  ...line(0), [`${along}1`]: ends[0], [`${along}2`]: ends[1] });

// Makes what a chart shows of a row: its parts, in its colour, and its points, which say `words`.
function described(dataset, choice, words) {
  const colour = hues(dataset, choice);
  const row = (p, kind, ...parts) => {
    const made = svg("g", { class: kind, "data-row": p.row, "aria-hidden": "true" }, ...parts);
    made.style.color = colour(p.row);
    return made;
  };
  row.point = ({ p, x, y }) => {
    const made = svg("circle", { class: "point", r: 4.5, cx: x, cy: y, "data-row": p.row,
      role: "img", "aria-label": `${dataset.rows[p.row].label}, ${words(p)}` });
    made.style.color = colour(p.row);
    return made;
  };
  return row;
}

function canvas({ width, height }, axes, parts) {
  const frame = svg("g", { "aria-hidden": "true" }, axes);
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group" }, frame,
    parts);
}

const pen = document.createElement("canvas").getContext("2d");
const SHORTEST = 22;

function wide(text) {
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(brief(text)).width;
}
const brief = (text) => text.length > SHORTEST ? `${text.slice(0, SHORTEST - 1)}…` : text;
const written = (text, x, y) => svg("text", { x, y }, brief(text));

// Where the names of lines stand that end at some places: in their order, none upon another.
function apartly(ends, { height }) {
  const sorted = d3.sort(ends, ({ y }) => y);
  let free = TOP - 10;
  for (const end of sorted) free = (end.to = Math.max(end.y, free)) + LINE;
  free = height - BOTTOM;
  for (const end of sorted.toReversed()) free = (end.to = Math.min(end.to, free)) - LINE;
  return sorted;
}

// Names beside points: each where it covers least of the points and of the names before it.
function beside(places, { width, height }, text) {
  const taken = places.map(({ x, y }) => [x - 6, y - 6, x + 6, y + 6]);
  const covered = ([l, t, r, b], [L, T, R, B]) =>
    Math.max(0, Math.min(r, R) - Math.max(l, L)) * Math.max(0, Math.min(b, B) - Math.max(t, T));
  const angles = [0, 180, -90, 90, -45, 45, -135, 135].map((degrees) => degrees * Math.PI / 180);
  return d3.sort(places, ({ y }) => y).map(({ p, x, y }) => {
    const w = wide(text(p));
    const tries = [9, 18, 30, 44, 60, 80].flatMap((far) => angles.map((angle) => {
      const [dx, dy] = [Math.cos(angle) * far, Math.sin(angle) * far];
      const left = x + dx - (dx > 1 ? 0 : dx < -1 ? w : w / 2);
      const box = [left, y + dy - 7, left + w, y + dy + 7];
      const outside = box[0] < LEFT || box[2] > width || box[1] < 16 || box[3] > height - BOTTOM;
      return { box, far, dx, dy,
        cost: far + (outside ? 1e6 : 0) + 5 * d3.sum(taken, (other) => covered(box, other)) };
    }));
    const { box, far, dx, dy } = d3.least(tries, ({ cost }) => cost);
    taken.push(box);
    return { p, text: written(text(p), box[0], box[3] - 3),
      lead: far > 9 && { x1: x + dx / far * 5, y1: y + dy / far * 5, x2: x + dx * 0.9,
        y2: y + dy * 0.9 } };
  });
}

// A chart below its title and controls, drawn as wide as there is room; below it the numbers of
// the point that is pointed at.
function figure(title, controls, draw) {
  const heading = fresh("figure");
  const room = el("div", { class: "chart" });
  const said = el("p", { class: "readout", "aria-hidden": "true" });
  const whole = el("figure", { "aria-labelledby": heading },
    el("figcaption", { id: heading }, name(title)), el("div", { class: "controls" }, controls),
    room, said);
  if (!draw) {
    room.append(el("p", { class: "hint" }, "No row that is shown has these scores."));
    return whole;
  }
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.abs(contentRect.width - width) < 2) return;
    width = contentRect.width;
    const drawn = draw(Math.max(width, 240));
    drawn.setAttribute("aria-labelledby", heading);
    reachable(drawn, said);
    room.replaceChildren(drawn);
  }).observe(room);
  return whole;
}

// Says what is pointed at, and makes the points of a chart one stop of the tabulator, with arrow
// keys between them.
function reachable(drawn, said) {
  const points = [...drawn.querySelectorAll(".point")];
  const light = (row, words) => {
    drawn.classList.toggle("some", row != null);
    for (const part of drawn.querySelectorAll("[data-row]")) {
      part.classList.toggle("lit", part.dataset.row === row);
    }
    said.textContent = words ?? "";
  };
  const over = ({ target }) => {
    const part = target.closest("[data-row]");
    light(part?.dataset.row, part?.getAttribute("aria-label"));
  };
  drawn.addEventListener("pointerover", over);
  drawn.addEventListener("focusin", over);
  for (const left of ["pointerleave", "focusout"]) drawn.addEventListener(left, () => light());
  points.forEach((point, i) => {
    point.setAttribute("tabindex", i ? "-1" : "0");
    point.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const to = step ? (i + step + points.length) % points.length
        : { Home: 0, End: points.length - 1 }[event.key];
      if (to == null) return;
      event.preventDefault();
      point.setAttribute("tabindex", "-1");
      points[to].setAttribute("tabindex", "0");
      points[to].focus();
    });
  });
}
