// Keys, ticking of rows, and the patience of a page that refreshes while a person works in it.
"use strict";

const typing = (target) => target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]");
let awaitsPage = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (awaitsPage) {
    awaitsPage = false;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) link.click();
    return;
  }
  if (event.key === "g") awaitsPage = true;
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  }
  if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("tbody a.row")];
    const at = links.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1);
    if (links.length) links[Math.min(Math.max(at, 0), links.length - 1)].focus();
  }
});

function count() {
  const boxes = [...document.querySelectorAll("input.tick")];
  const ticked = boxes.filter((box) => box.checked).length;
  for (const place of document.querySelectorAll("[data-ticked]")) place.textContent = ticked ? `${ticked} chosen` : "";
  for (const button of document.querySelectorAll("[data-needs-tick]")) button.disabled = !ticked;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input.tick-all")) {
    for (const box of document.querySelectorAll("input.tick")) box.checked = event.target.checked;
  }
  if (event.target.matches("input.tick, input.tick-all")) count();
  if (event.target.matches("select[data-go]")) event.target.form.submit();
});

// A region is not taken away from under a hand: while rows are ticked or something in it has the focus, it stays.
document.addEventListener("htmx:beforeRequest", (event) => {
  const region = event.detail.elt;
  if (!region.matches("[data-live]")) return;
  const isBusy = region.querySelector("input:checked:not([type=radio])") || region.contains(document.activeElement);
  if (isBusy || document.hidden) event.preventDefault();
});
document.addEventListener("htmx:afterSwap", count);
count();
