// What the pages need beside htmx: live parts leave whoever reads them in peace, and plain forms cannot be sent twice.
"use strict";

document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.id !== "live") return;
  const menu = part.querySelector("details[open]");
  const selected = String(window.getSelection() || "");
  if (document.hidden || menu || selected || part.contains(document.activeElement)) event.preventDefault();
});

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
