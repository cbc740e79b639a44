// What the pages need beside htmx: live parts leave whoever reads them in peace, and plain forms cannot be sent twice.
"use strict";

document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.id !== "live") return;
  const menu = part.querySelector("details[open]");
  const selected = String(window.getSelection() || "");
  if (document.hidden || menu || selected || part.contains(document.activeElement)) event.preventDefault();
});

// A part that gets no answer says since when: what stands there is old, "All is well" too.
let answered = new Date();
const warning = () => document.getElementById("silent");
document.addEventListener("htmx:afterRequest", (event) => {
  // Not `elt`: the part that asked has been replaced by now.
  if (event.detail.target.id !== "live" || !event.detail.successful) return;
  answered = new Date();
  if (warning()) warning().remove();
});
const silent = (event) => {
  const part = document.getElementById("live");
  if (event.detail.elt.id !== "live" || !part || warning()) return;
  const said = document.createElement("p");
  said.id = "silent";
  said.className = "said bad";
  said.setAttribute("role", "alert");
  said.textContent = `No answer since ${answered.toISOString().slice(11, 16)} UTC: what stands here is old. It is tried again; loading the page says more.`;
  part.before(said);
};
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) document.addEventListener(name, silent);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  form.setAttribute("aria-busy", "true");
});

// Back from the next page: a form may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});

// On a phone the navigation is wider than the screen: show where we are.
const here = document.querySelector("nav a[aria-current=page]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - 48;
