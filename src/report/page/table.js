"use strict";
// Sorting and filtering of tables. Without it, each table is there as it was written: best first.
(() => {
  const UNITS = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, "%": 0.01, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
  const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const PREFIXES = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 };

  // The number that a cell begins with, in the base of its unit: "−$1,200" is −1200, "1.5 ms" 0.0015.
  const numberOf = (text) => {
    const found = /^([-−])?\$?(\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)(?:×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?×?\s*([^\s\d]*)/.exec(text);
    if (!found) return null;
    const power = [...(found[3] ?? "")].map((c) => (c === "⁻" ? "-" : RAISED.indexOf(c))).join("");
    const value = Number(`${found[2].replaceAll(",", "")}${power && `e${power}`}`) * (found[1] ? -1 : 1);
    const unit = found[4];
    if (unit in UNITS) return value * UNITS[unit];
    const prefixed = /\/|CUPS$|Hz$/.test(unit) && unit[0] in PREFIXES;
    return prefixed ? value * PREFIXES[unit[0]] : value;
  };

  const say = (table, text) => { table.status.textContent = text; };

  // Unknown cells stay last, whichever way; so do words in a column of numbers.
  const sort = (table, column, up) => {
    const told = table.element.tHead.rows[0].cells[column].classList.contains("n");
    const key = (row) => {
      const text = row.cells[column].textContent.trim();
      const number = numberOf(text);
      return { text, number, unknown: text === "–" || text === "" || (told && number === null) };
    };
    const rows = [...table.body.rows].map((row) => ({ row, key: key(row) }));
    const numbers = told || rows.every(({ key }) => key.unknown || key.number !== null);
    const compare = ({ key: a }, { key: b }) => {
      if (a.unknown !== b.unknown) return a.unknown ? 1 : -1;
      const order = numbers && !a.unknown ? a.number - b.number : a.text.localeCompare(b.text, "en", { numeric: true });
      return up ? order : -order;
    };
    rows.sort(compare);
    table.body.append(...rows.map(({ row }) => row));
  };

  const sortable = (table) => {
    const headings = [...table.element.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const up = heading.getAttribute("aria-sort") !== "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", up ? "ascending" : "descending");
        sort(table, column, up);
        say(table, `Sorted by ${button.textContent}, ${up ? "ascending" : "descending"}`);
      });
    });
  };

  const filterable = (table, box) => {
    const tools = document.createElement("div");
    const label = document.createElement("label");
    const input = document.createElement("input");
    tools.className = "tools";
    input.type = "search";
    label.append("Filter rows", input);
    tools.append(label, table.status);
    box.before(tools);
    const caption = table.element.caption ? table.element.caption.textContent : "";
    input.setAttribute("aria-label", `Filter rows: ${caption}`);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of table.body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) shown += 1;
      }
      say(table, words.length ? `${shown} of ${table.body.rows.length} rows` : "");
    });
  };

  // On paper a table's head stands on every page, but browsers leave buttons out of all but the first.
  const taken = [];
  addEventListener("beforeprint", () => {
    for (const button of document.querySelectorAll("thead th > button")) {
      const nodes = [...button.childNodes];
      taken.push({ button, heading: button.parentElement, nodes });
      button.replaceWith(...nodes);
    }
  });
  addEventListener("afterprint", () => {
    for (const { button, heading, nodes } of taken.splice(0)) {
      button.append(...nodes);
      heading.append(button);
    }
  });

  for (const box of document.querySelectorAll(".scroll")) {
    const element = box.querySelector("table");
    if (!element || !element.tHead || element.tBodies.length !== 1 || element.tBodies[0].rows.length < 4) continue;
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    const table = { element, body: element.tBodies[0], status };
    sortable(table);
    if (table.body.rows.length > 8) filterable(table, box);
    else { status.className = "unseen"; box.after(status); }
  }
})();
