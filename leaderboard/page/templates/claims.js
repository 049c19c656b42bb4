// What the papers claim, and whether it holds here; the numbers are folded below each claim.

// The state's first word is its class: holds, fails, undecided or not.
function claims(dataset) {
  const absent = dataset.claims.filter((claim) => claim.state === "not run");
  const told = dataset.claims.filter((claim) => claim.state !== "not run");
  const listed = (some) => el("ul", { class: "claims" }, some.map((claim) => el("li", {},
    el("details", {},
      el("summary", {}, el("span", { class: `verdict ${claim.state.split(" ")[0]}` },
        capital(claim.state)), el("span", {}, claim.statement)),
      claim.words !== claim.state && el("p", {}, `${capital(claim.words)}.`),
      [...claim.evidence, ...claim.published].map((line) => el("p", {}, line)),
      el("p", {}, linked(claim.source))))));
  return section("claims", "Claims of the papers", () => {
    if (!dataset.claims.length) return el("p", {}, "No claim concerns what was scored here.");
    const states = d3.rollups(told, (some) => some.length, ({ state }) => state);
    return [
      told.length > 0 && el("p", { class: "hint" },
        `${states.map(([state, n]) => `${n} ${n > 1 ? state.replace(/s$/, "") : state}`).join(", ")}. `,
        "Each opens to its numbers."),
      told.length > 0 && listed(told),
      absent.length > 0 && folded(`${plural(absent.length, "claim")} not run: results are missing`,
        listed(absent)),
    ];
  });
}
