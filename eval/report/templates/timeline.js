"use strict";
(function () {
  const entries = Array.from(document.querySelectorAll(".entry"));
  const starts = entries.map((entry) => Number(entry.dataset.start));
  const ends = entries.map((entry) => Number(entry.dataset.end));
  const overlay = document.querySelector(".overlay");
  const cursor = document.querySelector(".cursor");
  const inner = document.querySelector(".plots-inner");
  const plots = document.querySelector(".plots");
  const now = document.querySelector(".now");
  const video = document.querySelector("video");
  const seconds = Math.max(Number(overlay.dataset.seconds), 0.001);
  let current = -1;
  let position = 0;

  function clock(time) {
    const whole = Math.floor(time);
    const rest = String(whole % 60).padStart(2, "0");
    const minutes = Math.floor(whole / 60) % 60;
    const hours = Math.floor(whole / 3600);
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  }

  // The utterance at a time, or the last one before it; -1 before the first.
  function entryAt(time) {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= time + 0.001) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  function mark(index) {
    if (index === current) return;
    if (current >= 0) entries[current].removeAttribute("aria-current");
    current = index;
    if (index < 0) return;
    entries[index].setAttribute("aria-current", "true");
    const body = entries[index].querySelector(".body").cloneNode(true);
    for (const button of body.querySelectorAll("button")) {
      const time = document.createElement("span");
      time.textContent = button.textContent;
      button.replaceWith(time);
    }
    now.replaceChildren(body);
  }

  function markWord(time) {
    for (const word of document.querySelectorAll(".words .said")) word.classList.remove("said");
    if (current < 0 || time > ends[current] + 0.5) return;
    for (const root of [entries[current], now]) {
      let said = null;
      for (const word of root.querySelectorAll("[data-t]")) {
        if (Number(word.dataset.t) <= time + 0.001) said = word;
      }
      if (said) said.classList.add("said");
    }
  }

  function show(time, scroll) {
    position = time;
    mark(entryAt(time));
    markWord(time);
    cursor.style.left = `${(100 * time) / seconds}%`;
    const summary = current < 0 ? "" : entries[current].querySelector(".summary").textContent;
    overlay.setAttribute("aria-valuenow", String(Math.round(time)));
    overlay.setAttribute("aria-valuetext", summary ? `${clock(time)}, ${summary}` : clock(time));
    if (scroll && current >= 0 && !entries[current].hidden) {
      const box = entries[current].getBoundingClientRect();
      if (box.top < 0 || box.bottom > window.innerHeight) {
        entries[current].scrollIntoView({ block: "center" });
      }
    }
  }

  function keepCursorVisible() {
    const gutter = overlay.offsetLeft;
    const left = gutter + cursor.offsetLeft - plots.scrollLeft;
    if (left < gutter || left > plots.clientWidth) {
      plots.scrollLeft = cursor.offsetLeft - (plots.clientWidth - gutter) / 2;
    }
  }

  function seek(time, scroll) {
    if (video) video.currentTime = time;
    show(time, scroll);
    keepCursorVisible();
  }

  function step(by) {
    let index = current + by;
    while (index >= 0 && index < entries.length && entries[index].hidden) index += by;
    if (index >= 0 && index < entries.length) seek(starts[index], true);
  }

  if (video) {
    const film = document.getElementById("film");
    if (film) {
      const text = atob(film.textContent);
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
      video.src = URL.createObjectURL(new Blob([bytes], { type: film.dataset.type }));
      film.remove();
    }
    video.addEventListener("timeupdate", () => show(video.currentTime, false));
    video.addEventListener("error", () => {
      document.querySelector(".no-video").hidden = false;
    });
    if (video.error) document.querySelector(".no-video").hidden = false;
  }

  document.querySelector(".transcript").addEventListener("click", (event) => {
    const entry = event.target.closest(".entry");
    if (!entry || String(window.getSelection())) return;
    const word = event.target.closest("[data-t]");
    seek(Number(word ? word.dataset.t : entry.dataset.start), false);
  });

  overlay.addEventListener("click", (event) => {
    const box = overlay.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    seek(share * seconds, true);
  });

  overlay.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
    if (event.key === "Home") seek(0, true);
    else if (event.key === "End" && starts.length) seek(starts[starts.length - 1], true);
    else if (event.key in steps) {
      const by = Math.sign(steps[event.key]);
      for (let i = 0; i < Math.abs(steps[event.key]); i++) step(by);
    } else return;
    event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input[type=search]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "p" && video) video.paused ? video.play() : video.pause();
    else if (event.key === "/") {
      document.querySelector(".find input").focus();
      event.preventDefault();
    }
  });

  for (const box of document.querySelectorAll("[data-curve]")) {
    box.addEventListener("change", () => {
      document.body.classList.toggle(`hide-${box.dataset.curve}`, !box.checked);
    });
  }

  let zoom = 1;
  const buttons = document.querySelectorAll("[data-zoom]");
  function setZoom(value) {
    zoom = Math.min(Math.max(value, 1), 32);
    inner.style.setProperty("--zoom", String(zoom));
    for (const button of buttons) {
      button.disabled = button.dataset.zoom === "out" ? zoom === 1 : zoom === 32;
    }
    keepCursorVisible();
  }
  for (const button of buttons) {
    button.addEventListener("click", () => setZoom(button.dataset.zoom === "in" ? zoom * 2 : zoom / 2));
  }
  setZoom(1);

  const tools = document.querySelector(".tools");
  function choose() {
    const wanted = tools.querySelector("input[type=search]").value.trim().toLowerCase();
    const shown = tools.querySelector("input[name=show]:checked");
    const kind = shown ? shown.value : "";
    let any = false;
    for (const entry of entries) {
      const hasKind = !kind || entry.dataset.kinds.split(" ").includes(kind);
      const fits = hasKind && (!wanted || entry.textContent.toLowerCase().includes(wanted));
      entry.hidden = !fits;
      any = any || fits;
    }
    document.querySelector(".nothing").hidden = any;
  }
  tools.addEventListener("input", choose);
  tools.addEventListener("submit", (event) => event.preventDefault());
  choose();
})();
