"use strict";
// The start page: drop zone, checks before anything is sent, progress, earlier recordings.
const form = document.getElementById("upload");
const input = document.getElementById("file");
const drop = document.getElementById("drop");
const message = document.getElementById("message");
const send = document.getElementById("send");
const KEY = "semanticmac-jobs";

function showError(text) {
  message.textContent = text;
  message.hidden = false;
  document.getElementById("sending").hidden = true;
  send.disabled = false;
}

function size(bytes) {
  return bytes < 1048576 ? `${Math.ceil(bytes / 1024)} kB` : `${(bytes / 1048576).toFixed(1)} MB`;
}

function showFile() {
  const file = input.files[0];
  message.hidden = true;
  document.getElementById("drop-title").textContent =
    file ? `${file.name} (${size(file.size)})` : "Choose a recording, or drop it here";
  if (file && file.size > Number(form.dataset.maxBytes)) {
    showError(`The recording has ${size(file.size)}; this server takes up to ${size(Number(form.dataset.maxBytes))}.`);
  }
}
input.addEventListener("change", showFile);

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files.length > 1) {
    showError("Several files were dropped: drop one recording at a time.");
  } else if (event.dataTransfer.files.length === 1) {
    input.files = event.dataTransfer.files;
    showFile();
    input.focus();
  }
});

const run = document.getElementById("run");
function showModel() {
  for (const about of document.querySelectorAll("[data-model]")) {
    about.hidden = about.dataset.model !== run.value;
  }
  const chosen = run.selectedOptions[0];
  if (!chosen) return;
  const reads = chosen.dataset.modalities.split(" ");
  for (const box of document.querySelectorAll("input[name=use]")) {
    box.disabled = !reads.includes(box.value);
  }
}
run.addEventListener("change", showModel);
showModel();

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) || [];
  } catch {
    return [];
  }
}

function remember(job) {
  try {
    const jobs = [{ id: job.id, name: job.name }, ...remembered()].slice(0, 20);
    localStorage.setItem(KEY, JSON.stringify(jobs));
  } catch { /* A browser may forbid it; the page works without. */ }
}

async function showEarlier() {
  const list = document.getElementById("earlier-list");
  const kept = [];
  for (const job of remembered()) {
    const answer = await fetch(`/jobs/${encodeURIComponent(job.id)}`);
    if (!answer.ok) continue;
    const status = await answer.json();
    kept.push(job);
    const link = document.createElement("a");
    link.href = `/view/${encodeURIComponent(job.id)}`;
    link.textContent = status.name;
    const item = document.createElement("li");
    item.append(link, ` · ${status.run} · ${status.state}`);
    list.append(item);
  }
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch { /* See above. */ }
  document.getElementById("earlier").hidden = kept.length === 0;
}
showEarlier();

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const file = input.files[0];
  if (!file) {
    showError("Choose a recording first.");
    return;
  }
  if (file.size > Number(form.dataset.maxBytes)) {
    showFile();
    return;
  }
  if (!document.querySelector("input[name=use]:checked:enabled")) {
    showError("Use text, voice or face: all three are left out.");
    return;
  }
  message.hidden = true;
  send.disabled = true;
  document.getElementById("sending").hidden = false;
  const bar = document.getElementById("sent");
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.addEventListener("progress", (progress) => {
    if (progress.lengthComputable) bar.value = (100 * progress.loaded) / progress.total;
  });
  request.addEventListener("load", () => {
    if (request.status === 202) {
      remember(request.response);
      location.href = request.response.page;
    } else {
      const reason = request.response && request.response.error;
      showError(reason ? `${reason[0].toUpperCase()}${reason.slice(1)}.` : `The server answered ${request.status}.`);
    }
  });
  request.addEventListener("error", () => {
    showError("The connection broke: the server may have refused the recording, or it has stopped. Try again.");
  });
  request.send(new FormData(form));
});
