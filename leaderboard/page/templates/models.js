// The rows of a data set, which of them are shown, and the colour and shape of each in charts.

const HUES = 8;
const SHAPES = [d3.symbolCircle, d3.symbolSquare, d3.symbolTriangle, d3.symbolDiamond,
  d3.symbolStar, d3.symbolCross, d3.symbolWye];
const hue = (i) => `var(--hue-${i % HUES})`;
const shape = (i) => SHAPES[i % SHAPES.length];

function swatch(i) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", d3.symbol(shape(i), 60)());
  path.setAttribute("fill", hue(i));
  svg.setAttribute("viewBox", "-8 -8 16 16");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

// A filter by name and a box for each row; `change` is called when what is shown changes.
function models(dataset, change) {
  const unticked = new Set();
  let wanted = [];
  const matches = (i) => {
    const label = dataset.rows[i].label.toLowerCase();
    return !wanted.length || wanted.some((word) => label.includes(word));
  };
  const shown = (i) => matches(i) && !unticked.has(i);
  const boxes = dataset.rows.map((row, i) => el("label", { class: "model" },
    el("input", {
      type: "checkbox", checked: true,
      onchange: (event) => {
        if (event.target.checked) unticked.delete(i);
        else unticked.add(i);
        changed();
      },
    }), swatch(i), name(row.label)));
  const count = el("span", { class: "count", role: "status" });
  const search = el("input", {
    type: "search", placeholder: "e.g. mld, mopoe", autocomplete: "off",
    oninput: () => {
      wanted = search.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
      changed();
    },
  });
  const tell = () => {
    boxes.forEach((box, i) => { box.hidden = !matches(i); });
    const n = dataset.rows.filter((_, i) => shown(i)).length;
    count.textContent = `${n} of ${plural(dataset.rows.length, "row")} shown`;
  };
  const tick = (text, on) => el("button", {
    type: "button", class: "tick",
    onclick: () => {
      dataset.rows.forEach((_, i) => {
        if (matches(i)) boxes[i].querySelector("input").checked = on;
        if (matches(i)) unticked[on ? "delete" : "add"](i);
      });
      changed();
    },
  }, text);
  const changed = () => { tell(); change(); };
  tell();
  const panel = el("fieldset", { class: "models" }, el("legend", {}, "Models"),
    el("div", { class: "controls" },
      el("label", { class: "choice" }, el("span", {}, "Filter by name"), search),
      tick("All", true), tick("None", false), count),
    el("div", { class: "boxes" }, boxes));
  return { panel, shown };
}
