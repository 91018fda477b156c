"use strict";
// The page of a job: its state, until there is a result.
const box = document.getElementById("job");
if (box) {
  const state = document.getElementById("state");
  const bar = document.getElementById("progress");
  const source = new EventSource(`/jobs/${box.dataset.job}/events`);
  const say = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };
  source.addEventListener("status", (event) => {
    const status = JSON.parse(event.data);
    if (status.state === "done" || status.state === "failed") {
      source.close();
      location.reload();
      return;
    }
    if (status.state === "waiting") {
      say(status.position ? `Waiting: ${status.position} before it` : "Waiting: it is the next one");
      bar.removeAttribute("value");
      return;
    }
    const stage = status.stage || "starting";
    say(stage[0].toUpperCase() + stage.slice(1));
    if (status.total > 1) {
      bar.max = status.total;
      bar.value = status.done;
    } else {
      bar.removeAttribute("value");
    }
  });
  source.addEventListener("deleted", () => {
    source.close();
    say("This recording was deleted.");
    bar.hidden = true;
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) say("The server does not answer. Reload the page later: the recording is kept.");
    else say("The server does not answer; trying again …");
  });
}
