// All of it is a comfort: the page is forms and links, and does the same without.
"use strict";

const ask = document.getElementById("ask");
const question = document.getElementById("q");
const people = [...document.querySelectorAll("a.who")];

const cut = document.getElementById("cut");
if (cut) {
  const least = document.getElementById("least");
  cut.addEventListener("input", () => { least.value = `${Math.round(cut.value * 100)} %`; });
  cut.addEventListener("change", () => ask.requestSubmit());
}

const wide = matchMedia("(min-width: 60rem)");
const filters = document.getElementById("filters");
if (filters) {
  const fit = () => { filters.open = wide.matches; };
  fit();
  wide.addEventListener("change", fit);
}

const timeline = document.querySelector(".timeline");
if (timeline && matchMedia("(max-width: 32rem)").matches) timeline.open = false;

document.addEventListener("click", (event) => {
  for (const chip of document.querySelectorAll("details.chip[open]")) {
    if (!chip.contains(event.target)) chip.open = false;
  }
});

function move(steps) {
  const here = people.indexOf(document.activeElement);
  const next = here < 0 ? 0 : Math.min(Math.max(here + steps, 0), people.length - 1);
  people[next]?.focus();
}

function key(event) {
  const writing = event.target.closest("input, textarea, select");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    document.querySelector("details.chip[open]")?.removeAttribute("open");
    if (writing) event.target.blur();
    return;
  }
  if (writing) {
    if (event.target === question && event.key === "ArrowDown" && people.length) { move(0); event.preventDefault(); }
    return;
  }
  const focused = people.includes(document.activeElement) ? document.activeElement : null;
  const does = {
    "/": () => question && (question.focus(), question.select()),
    "?": () => document.getElementById("help").showModal(),
    "ArrowDown": () => move(1),
    "ArrowUp": () => move(-1),
    "s": () => (focused ? location.assign(focused.dataset.like) : document.getElementById("like")?.click()),
  }[event.key];
  if (!does || (event.key.startsWith("Arrow") && !people.length)) return;
  event.preventDefault();
  does();
}
document.addEventListener("keydown", key);

const picture = document.getElementById("picture");
function send(files) {
  const file = [...(files ?? [])].find((one) => /^image\/(jpeg|png|webp)$/.test(one.type));
  if (!picture || !file) return false;
  const given = new DataTransfer();
  given.items.add(file);
  picture.elements.picture.files = given.files;
  picture.requestSubmit();
  return true;
}
if (picture) {
  picture.elements.picture.addEventListener("change", () => picture.requestSubmit());
  picture.addEventListener("submit", (event) => {
    const large = picture.elements.picture.files[0].size > Number(picture.dataset.largest);
    picture.querySelector(".large").hidden = !large;
    if (large) event.preventDefault();
  });
}
document.addEventListener("paste", (event) => { if (send(event.clipboardData?.files)) event.preventDefault(); });
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("dropping"); send(event.dataTransfer?.files); });
