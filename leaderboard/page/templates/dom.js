// Elements. Texts, many of them strangers', only ever become text nodes and attribute values.

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// A name from a record, kept apart from the direction of the writing around it.
const name = (text) => el("bdi", {}, text);

let ids = 0;
const fresh = (stem) => `${stem}-${++ids}`;

// A labelled choice of one among [value, text]; nothing where there is nothing to choose.
function select(label, options, chosen, change) {
  if (options.length < 2) return null;
  const box = el("select", { onchange: () => change(options[box.selectedIndex][0]) },
    options.map(([value, text]) => el("option", { selected: value === chosen }, text)));
  return el("label", { class: "choice" }, el("span", {}, label), box);
}

// The same, with all options in view.
function radios(legend, options, chosen, change) {
  if (options.length < 2) return null;
  const group = fresh("radio");
  return el("fieldset", { class: "radios" }, el("legend", {}, legend),
    options.map(([value, text]) => el("label", {},
      el("input", {
        type: "radio", name: group, checked: value === chosen, onchange: () => change(value),
      }), el("span", {}, name(text)))));
}

// What is read only by whoever asks for it.
const folded = (title, ...content) =>
  el("details", { class: "folded" }, el("summary", {}, title), content);

// A part of the page below a heading; `redraw` makes its content anew and keeps the focus.
function section(id, title, draw) {
  const body = el("div");
  const heading = fresh("heading");
  const whole = el("section", { id, "aria-labelledby": heading },
    el("h3", { id: heading }, title), body);
  const redraw = () => {
    const path = place(body, document.activeElement);
    const open = [...body.querySelectorAll("details.folded")].map((one) => one.open);
    body.replaceChildren(...[draw()].flat().filter(Boolean));
    body.querySelectorAll("details.folded").forEach((one, i) => { one.open = open[i] ?? false; });
    if (path) path.reduce((node, i) => node?.children[i], body)?.focus({ preventScroll: true });
  };
  return { whole, redraw };
}

// Where a node lies below another: the number of each child on the way.
function place(root, node) {
  const path = [];
  for (; node && node !== root; node = node.parentElement) {
    if (!node.parentElement) return null;
    path.unshift([...node.parentElement.children].indexOf(node));
  }
  return node ? path : null;
}

// Text in which the addresses are links.
function linked(text) {
  return text.split(/(https?:\/\/[^\s,;)]+)/).map((piece, i) =>
    i % 2 ? el("a", { href: piece, rel: "noreferrer" }, piece) : piece);
}

const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
