// The numbers beside entries of the side bar. What the figures say enters; the entries are changed where they stand.

const shown = new Map();

// `badges`: number and variant by the name of a page, such as ingest_feed.
export function show(badges) {
  for (const link of document.querySelectorAll("#nav-sidebar-apps a[href]")) {
    const page = link.getAttribute("href").match(/\/(\w+)\/(\w+)\/$/)?.slice(1).join("_");
    const found = badges[page];
    const old = shown.get(link) ?? link.querySelector("span.ml-2");
    if (!found) { old?.remove(); shown.delete(link); continue; }
    const mark = old ?? link.appendChild(document.createElement("span"));
    mark.className = `desk-mark ml-2 ${found.variant}`;
    mark.textContent = found.number.toLocaleString("en-US");
    shown.set(link, mark);
  }
}
