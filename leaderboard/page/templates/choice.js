// What the reader chose of a data set, and the address that says it to others:
// "#/data set/part?metric=…&self=1&of=…&model=…&sample=…&sample=…&given=…", each part of it optional.

const address = (dataset) => `#/${encodeURIComponent(dataset.name)}`;

// Rows, metrics and pictures go by the names that the page shows; what it does not know is ignored.
function chosen(dataset, part, query) {
  const asked = new URLSearchParams(query);
  const wanted = asked.getAll("model");
  return {
    part,
    metric: asked.get("metric"),
    itself: asked.has("self"),
    target: asked.get("of") ?? "",
    hidden: new Set(d3.range(dataset.rows.length).filter((i) =>
      wanted.length && !wanted.includes(dataset.rows[i].label))),
    samples: asked.getAll("sample"),
    given: asked.get("given"),
  };
}

// Puts a choice into the address bar, without a step in the browser's history.
function keep(dataset, choice) {
  const query = new URLSearchParams();
  if (choice.metric != null) query.append("metric", choice.metric);
  if (choice.itself) query.append("self", "1");
  if (choice.target) query.append("of", choice.target);
  if (choice.hidden.size) {
    const shown = dataset.rows.filter((_, i) => !choice.hidden.has(i));
    for (const label of shown.length ? shown.map((row) => row.label) : [""]) {
      query.append("model", label);
    }
  }
  for (const sample of choice.samples) query.append("sample", sample);
  if (choice.given != null) query.append("given", choice.given);
  history.replaceState(null, "", address(dataset)
    + (choice.part ? `/${choice.part}` : "") + (query.size ? `?${query}` : ""));
}
