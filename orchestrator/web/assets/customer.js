// Follows the server-sent events of the page and puts in the regions that have changed; the browser reconnects by itself.
"use strict";

const address = document.body.dataset.live;
const connection = document.querySelector(".connection");

function put(name, part) {
  const region = document.querySelector(`[data-region="${name}"]`);
  if (region.dataset.digest === part.digest) return; // what a person types into it stays
  region.innerHTML = part.html;
  region.dataset.digest = part.digest;
}

if (address) {
  const events = new EventSource(address);
  events.addEventListener("open", () => { connection.hidden = true; });
  events.addEventListener("error", () => { connection.hidden = false; });
  events.addEventListener("regions", (event) => {
    for (const [name, part] of Object.entries(JSON.parse(event.data))) put(name, part);
  });
}
