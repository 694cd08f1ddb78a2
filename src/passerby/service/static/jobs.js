// What is being indexed moves, and when it has ended the page is asked for anew. Without script it has a link for that.
"use strict";

const going = document.querySelector("[data-follow][data-state=running]") ?? document.querySelector("[data-follow]");
if (going) {
  const bar = going.querySelector("progress");
  const said = going.querySelector(".said");
  const events = new EventSource(going.dataset.follow);
  events.addEventListener("message", (event) => {
    const job = JSON.parse(event.data);
    if (job.state !== going.dataset.state) {
      events.close();
      location.reload();
      return;
    }
    said.textContent = job.said;
    if (job.share === null) bar.removeAttribute("value");
    else bar.value = job.share;
  });
}
