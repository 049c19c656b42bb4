// The coherence-quality plane and the curves over the number of given modalities.

const titled = (axis) => axis.title + (axis.unit ? ` (${axis.unit})` : "")
  + (axis.better ? `, ${axis.better} is better` : "");
const targets = (of) => of.series.map(({ target }) => [target, target || "mean over all"]);
const counted = (given) => Number(given) ? `given ${given}` : String(given || "joint");

function shortly(x) {
  const digits = Math.abs(x) >= 1000 ? 0 : Math.abs(x) >= 10 ? 1 : Math.abs(x) >= 0.1 ? 2 : 4;
  return x.toLocaleString("en", { maximumFractionDigits: digits });
}
const spread = ({ mean, std }) => shortly(mean) + (std == null ? "" : ` ± ${shortly(std)}`);

// How an axis is scaled for some points, and where their bars end. One of percentages begins at 0.
function scaled(points, key, axis) {
  const values = points.map((p) => p[key].mean);
  const zero = axis.unit === "%";
  const log = !zero && d3.min(values) > 0 && d3.max(values) > 30 * d3.min(values);
  // One value alone has no extent that an axis could show.
  const [first, last] = d3.extent(values);
  const domain = first === last && !log ? [first - (Math.abs(first) / 2 || 1),
    first + (Math.abs(first) / 2 || 1)] : undefined;
  const low = ({ [key]: { mean, std } }) => log ? Math.max(mean - std, mean / 10) : mean - std;
  return {
    mean: (p) => p[key].mean, low, high: (p) => p[key].mean + p[key].std,
    bars: points.filter((p) => p[key].std != null),
    label: titled(axis) + (log ? ", logarithmic" : ""),
    options: { grid: true, nice: true, zero, domain, type: log ? "log" : "linear",
      tickFormat: log ? "~s" : undefined },
  };
}

function charts(dataset, shown) {
  const { curves, planes, remarks } = dataset.charts;
  const usual = ["fid", "fmd"].map((m) => planes.find(({ x }) => x.metric === m)).find(Boolean);
  const plane = { of: usual ?? planes[0], target: null, given: null };
  const curve = { of: curves[0], target: null };
  return section("charts", "Charts", (redraw) => !curves.length
    ? el("p", { class: "hint" }, "No record of this data set holds a value.") : [
      el("div", { class: "figures" },
        planes.length > 0 && drawPlane(dataset, shown, plane, redraw),
        drawCurves(dataset, shown, curve, redraw)),
      el("ul", { class: "legend" }, dataset.rows.map((row, i) => shown(i)
        && el("li", {}, swatch(i), " ", name(row.label)))),
      el("p", { class: "hint" }, "Bars: ± one standard deviation over seeds, where there are ",
        "several. The arrow keys go from point to point."),
      remarks.length > 0 && el("details", { class: "hint" },
        el("summary", {}, `Not drawn: ${remarks.length}`),
        el("ul", {}, remarks.map((text) => el("li", {}, text)))),
    ]);
}

function drawPlane(dataset, shown, state, redraw) {
  const set = (key) => (value) => { state[key] = value; redraw(); };
  const { x: across, y: up, series } = state.of;
  const found = series.find(({ target }) => target === state.target) ?? series[0];
  const givens = [...new Set(found.points.map(({ given }) => given))];
  const given = givens.includes(state.given) ? state.given : givens[0];
  const points = found.points.filter((p) => p.given === given && shown(p.row));
  const [x, y] = [scaled(points, "x", across), scaled(points, "y", up)];
  const say = (p) => `${dataset.rows[p.row].label}, ${counted(given)}\n`
    + `${up.title} ${spread(p.y)}\n${across.title} ${spread(p.x)}`;
  return figure(`${up.title} and ${across.title}`, [
    choice("Quality", dataset.charts.planes.map((plane) => [plane, plane.x.title]), state.of,
      set("of")),
    choice("Generated", targets(state.of), found.target, set("target")),
    choice("From", givens.map((one) => [one, counted(one)]), given, set("given")),
  ], points.length && ((width) => Plot.plot({
    ...frame(width, dataset),
    x: { ...x.options, label: `${x.label} →`, ticks: Math.max(2, width / 100) },
    y: { ...y.options, label: `↑ ${y.label}`, ticks: 5 },
    marks: [
      Plot.ruleY(x.bars, { x1: x.low, x2: x.high, y: y.mean, stroke: (p) => p.row }),
      Plot.ruleX(y.bars, { y1: y.low, y2: y.high, x: x.mean, stroke: (p) => p.row }),
      dots(points, x.mean, y.mean, say),
    ],
  })));
}

function drawCurves(dataset, shown, state, redraw) {
  const set = (key) => (value) => { state[key] = value; redraw(); };
  const { y: up, series } = state.of;
  const found = series.find(({ target }) => target === state.target) ?? series[0];
  const points = found.points.filter((p) => shown(p.row));
  const y = scaled(points, "y", up);
  const given = (p) => p.given;
  const numbers = [...new Set(points.map(given))].sort((a, b) => a - b);
  const say = (p) => `${dataset.rows[p.row].label}, ${counted(p.given)}\n`
    + `${up.title} ${spread(p.y)}`;
  return figure(`${up.title} by number of given modalities`, [
    choice("Metric", dataset.charts.curves.map((curve) => [curve, curve.y.title]), state.of,
      set("of")),
    choice("Generated", targets(state.of), found.target, set("target")),
  ], points.length && ((width) => Plot.plot({
    ...frame(width, dataset),
    x: { label: "Given modalities →", ticks: numbers, tickFormat: (k) => k || "joint",
      domain: [numbers[0] - 0.15, numbers.at(-1) + 0.15] },
    y: { ...y.options, label: `↑ ${y.label}`, ticks: 5 },
    marks: [
      // Joint generation stands apart: scored as a whole, it is not the same quantity.
      Plot.line(points.filter(given), { x: given, y: y.mean, z: (p) => p.row,
        stroke: (p) => p.row }),
      Plot.ruleX(y.bars, { x: given, y1: y.low, y2: y.high, stroke: (p) => p.row }),
      dots(points, given, y.mean, say),
    ],
  })));
}

// What both charts share: their size, and each row's colour and shape.
function frame(width, dataset) {
  const rows = dataset.rows.map((_, i) => i);
  return {
    width, height: Math.max(260, Math.min(340, width * 0.7)), marginTop: 32, marginLeft: 48,
    marginBottom: 42, insetLeft: 8, insetRight: 8, className: "plot-d6a7b5",
    color: { type: "ordinal", domain: rows, range: rows.map(hue) },
    symbol: { domain: rows, range: rows.map(shape) },
  };
}

const dots = (points, x, y, say) => Plot.dot(points, {
  x, y, fill: (p) => p.row, symbol: (p) => p.row, r: 5, stroke: "var(--paper)", strokeWidth: 1,
  ariaLabel: (p) => say(p).replaceAll("\n", ", "), title: say,
  tip: { ariaHidden: true, lineHeight: 1.25 },
});

// A chart below its title and controls, drawn as wide as there is room.
function figure(title, controls, draw) {
  const heading = fresh("figure");
  const room = el("div", { class: "chart" });
  const whole = el("figure", { "aria-labelledby": heading },
    el("figcaption", { id: heading }, name(title)), el("div", { class: "controls" }, controls),
    room);
  if (!draw) {
    room.append(el("p", { class: "hint" }, "No row that is shown has these scores."));
    return whole;
  }
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.abs(contentRect.width - width) < 2) return;
    width = contentRect.width;
    const svg = draw(Math.max(width, 200));
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-labelledby", heading);
    reachable(svg);
    room.replaceChildren(svg);
  }).observe(room);
  return whole;
}

// Makes the points of a chart one stop of the tabulator, with arrow keys between them.
function reachable(svg) {
  const points = [...svg.querySelectorAll("[aria-label=dot] > *")];
  for (const group of svg.querySelectorAll("g[aria-label]")) { // all but points repeats the tables
    if (!group.contains(points[0])) group.setAttribute("aria-hidden", "true");
    group.removeAttribute("aria-label");
  }
  const show = (type, point) => {
    const { left, top, width, height } = point.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent(type, {
      bubbles: true, pointerType: "mouse", clientX: left + width / 2, clientY: top + height / 2,
    }));
  };
  points.forEach((point, i) => {
    point.setAttribute("role", "img");
    point.setAttribute("tabindex", i ? "-1" : "0");
    point.addEventListener("focus", () => show("pointermove", point));
    point.addEventListener("blur", () => show("pointerleave", point));
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
