// The page: the data set and the choice that the address names, and the theme.

const data = JSON.parse(document.getElementById("data").textContent);

const PARTS = ["summary", "scores", "charts", "samples", "claims", "runs"];

let current = null; // the data set that is shown
let choice = null;
let parts = [];

function seeds(dataset) {
  const names = new Set(dataset.runs.map((run) => dataset.rows[run.row].model));
  const single = dataset.rows.filter((row) => row.seeds.length === 1).length;
  const most = d3.max(dataset.rows, (row) => row.seeds.length);
  return `${plural(dataset.runs.length, "run")} of ${plural(names.size, "model")}`
    + (most === 1 ? ", one seed each: differences may be chance."
      : single ? `; ${plural(single, "row")} of one seed only.` : ".");
}

function open(dataset) {
  const change = () => { redraw(); keep(dataset, choice); };
  const redraw = () => parts.forEach((part) => part.redraw());
  parts = [
    summary(dataset, choice, models(dataset, choice, change)), scores(dataset, choice, change),
    charts(dataset, choice, change), samples(dataset, choice, change), claims(dataset),
    runs(dataset, choice),
  ];
  redraw();
  const contents = el("nav", { class: "contents", "aria-label": `Parts of ${dataset.name}` },
    el("ul", {}, PARTS.map((part) =>
      el("li", {}, el("a", { href: `${address(dataset)}/${part}` }, capital(part))))));
  document.getElementById("main").replaceChildren(
    el("div", { class: "title" }, el("h2", {}, name(dataset.name)), contents,
      el("p", {}, capital(`${dataset.about ? `${dataset.about}. ` : ""}${seeds(dataset)}`))),
    ...parts.map(({ whole }) => whole));
  document.title = `${dataset.name} – mmbench leaderboard`;
}

// Follows the address. One that names a part and no choice keeps the choice.
function navigate() {
  if (current && !location.hash.startsWith("#/")) return;
  const [path, query = ""] = location.hash.split("?");
  const [, wish, asked] = path.split("/");
  const part = PARTS.includes(asked) ? asked : null;
  const wanted = data.datasets.find((dataset) => address(dataset) === `#/${wish}`);
  const dataset = wanted ?? d3.greatest(data.datasets, (one) => one.runs.length);
  if (dataset === current && part && !query) choice.part = part;
  else {
    choice = chosen(dataset, part, query);
    open(dataset);
    tell(dataset);
  }
  keep(dataset, choice);
  if (part) document.getElementById(part).scrollIntoView();
}

function tell(dataset) {
  document.getElementById("datasets").querySelectorAll("a").forEach((a, i) => {
    if (data.datasets[i] === dataset) {
      a.setAttribute("aria-current", "page");
      const strip = a.closest("ul");
      strip.scrollLeft = a.offsetLeft - strip.offsetLeft - (strip.clientWidth - a.offsetWidth) / 2;
    } else a.removeAttribute("aria-current");
  });
  if (current) document.getElementById("status").textContent = `${dataset.name} is shown`;
  current = dataset;
}

// The theme: the system's, until the reader asks for the other one.
function theme() {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  const tell = () => { button.textContent = dark() ? "Light theme" : "Dark theme"; };
  const stored = (chosen) => {
    try {
      if (chosen) localStorage.setItem("mmbench-theme", chosen);
      return localStorage.getItem("mmbench-theme");
    } catch { return chosen; } // a browser that keeps nothing
  };
  const kept = stored();
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    stored(root.dataset.theme);
    tell();
  });
  system.addEventListener("change", tell);
  tell();
}

theme();
document.getElementById("datasets").append(el("ul", {}, data.datasets.map((dataset) =>
  el("li", {}, el("a", { href: address(dataset) }, name(dataset.name))))));
document.getElementById("footer").append(el("p", {}, `Made by mmbench ${data.version} from `
  + `${plural(d3.sum(data.datasets, (one) => one.runs.length), "record")}. Charts by D3 (ISC `
  + "licence). This page loads nothing from the network."));
addEventListener("hashchange", navigate);
addEventListener("click", (event) => { // on the address where one is already
  if (event.target.closest("a")?.getAttribute("href") === location.hash) navigate();
});
navigate();
