"use strict";
// Narrows the trace; without it the whole table is there. Opens every fact before printing.
(function () {
  const rows = Array.from(document.querySelectorAll("#trace-rows tr"));
  const text = document.getElementById("trace-text");
  const scenario = document.getElementById("trace-scenario");
  const errors = document.getElementById("trace-errors");
  const count = document.getElementById("trace-count");
  function narrow() {
    const wanted = text.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = (!wanted || row.textContent.toLowerCase().includes(wanted)) &&
        (!scenario.value || row.dataset.scenario === scenario.value) &&
        (!errors.checked || row.classList.contains("error"));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = shown + " of " + rows.length + " statements";
  }
  if (text) {
    for (const control of [text, scenario, errors]) { control.addEventListener("input", narrow); }
    document.addEventListener("keydown", function (event) {
      const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        text.focus();
      }
    });
    narrow();
  }
  window.addEventListener("beforeprint", function () {
    for (const one of document.querySelectorAll("details")) { one.open = true; }
  });
})();
