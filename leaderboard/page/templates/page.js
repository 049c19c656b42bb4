// The page: the data set that the address names, and the theme.

const data = JSON.parse(document.getElementById("data").textContent);
const PARTS = ["scores", "charts", "samples", "claims", "runs"];

// The state's first word is its class: holds, fails, undecided or not.
function claims(dataset) {
  return section("claims", "Claims of the papers", () => {
    const listed = (some) => el("ul", { class: "claims" }, some.map((claim) => el("li", {},
      el("p", {}, el("span", { class: `verdict ${claim.state.split(" ")[0]}` },
        claim.words[0].toUpperCase() + claim.words.slice(1)), " ", claim.statement),
      [...claim.evidence, ...claim.published].map((line) => el("p", { class: "hint" },
        el("span", {}, line))),
      el("p", { class: "hint" }, linked(claim.source)))));
    const absent = dataset.claims.filter((claim) => claim.state === "not run");
    if (!dataset.claims.length) return el("p", {}, "No claim concerns what was scored here.");
    const told = dataset.claims.filter((claim) => claim.state !== "not run");
    return [told.length ? listed(told) : null, absent.length ? el("details", {},
      el("summary", {}, `${plural(absent.length, "claim")} not run: results are missing`),
      listed(absent)) : null];
  });
}

function summary(dataset) {
  const names = new Set(dataset.runs.map((run) => dataset.rows[run.row].model));
  const single = dataset.rows.filter((row) => row.seeds.length === 1).length;
  const most = d3.max(dataset.rows, (row) => row.seeds.length);
  return `${plural(dataset.runs.length, "run")} of ${plural(names.size, "model")}`
    + (most === 1 ? ", one seed each: differences may be chance."
      : single ? `; ${plural(single, "row")} of one seed only.` : ".");
}

function open(dataset) {
  const parts = [];
  const redraw = () => parts.forEach((part) => part.redraw());
  const picked = models(dataset, redraw);
  parts.push(scores(dataset, picked.shown), charts(dataset, picked.shown),
    samples(dataset, picked.shown), claims(dataset), runs(dataset, picked.shown));
  redraw();
  const contents = el("nav", { class: "contents", "aria-label": `Parts of ${dataset.name}` },
    el("ul", {}, PARTS.map((part) => el("li", {}, el("a", { href: `${address(dataset)}/${part}` },
      part[0].toUpperCase() + part.slice(1))))));
  document.getElementById("main").replaceChildren(
    el("h2", {}, name(dataset.name)),
    el("p", {}, dataset.about && `${dataset.about}. `, summary(dataset)), contents, picked.panel,
    ...parts.map(({ whole }) => whole));
  document.title = `${dataset.name} – mmbench leaderboard`;
}

// An address is "#/data set" or "#/data set/part".
const address = (dataset) => `#/${encodeURIComponent(dataset.name)}`;
let current = null;

function navigate() {
  if (current && !location.hash.startsWith("#/")) return;
  const [, wish, part] = location.hash.split("/");
  const wanted = data.datasets.find((dataset) => address(dataset) === `#/${wish}`);
  const dataset = wanted ?? d3.greatest(data.datasets, (one) => one.runs.length);
  if (dataset !== current) choose(dataset);
  if (PARTS.includes(part)) document.getElementById(part).scrollIntoView();
}

function choose(dataset) {
  document.getElementById("datasets").querySelectorAll("a").forEach((a, i) => {
    if (data.datasets[i] === dataset) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  });
  open(dataset);
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
  const keep = (chosen) => {
    try {
      if (chosen) localStorage.setItem("mmbench-theme", chosen);
      return localStorage.getItem("mmbench-theme");
    } catch { return chosen; } // a browser that keeps nothing
  };
  const kept = keep();
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    keep(root.dataset.theme);
    tell();
  });
  system.addEventListener("change", tell);
  tell();
}

theme();
document.getElementById("datasets").append(el("ul", {}, data.datasets.map((dataset) =>
  el("li", {}, el("a", { href: address(dataset) }, name(dataset.name))))));
document.getElementById("footer").append(el("p", {}, `Made by mmbench ${data.version} from `
  + `${plural(d3.sum(data.datasets, (one) => one.runs.length), "record")}. Charts by Observable `
  + "Plot and D3 (ISC licence). This page loads nothing from the network."));
addEventListener("hashchange", navigate);
addEventListener("click", (event) => { // on the address where one is already
  if (event.target.closest("a")?.getAttribute("href") === location.hash) navigate();
});
navigate();
