// One phone number in clear: asked for with a reason, shown for a while, then hidden again.
"use strict";

(() => {
  const dialog = document.querySelector("#reveal");
  const form = dialog.querySelector("form");
  const reason = form.querySelector("[name=reason]");
  const fault = form.querySelector(".error");
  const submit = form.querySelector("[type=submit]");
  const button = document.querySelector("[data-reveal]");
  const shown = document.querySelector("[data-phone]");
  const note = document.querySelector("[data-phone-note]");
  let timer = null;

  function refuse(text) {
    fault.textContent = text;
    fault.hidden = !text;
  }

  function hide() {
    window.clearInterval(timer);
    shown.textContent = shown.dataset.phone;
    note.hidden = true;
    button.hidden = false;
  }

  function show(phone, seconds) {
    let left = seconds;
    const tell = () => { note.textContent = note.dataset.text.replace("{n}", left); };
    shown.textContent = phone;
    button.hidden = true;
    note.hidden = false;
    tell();
    timer = window.setInterval(() => {
      left -= 1;
      if (left <= 0) hide(); else tell();
    }, 1000);
  }

  async function ask() {
    submit.disabled = true;
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new FormData(form), headers: { Accept: "application/json" }, cache: "no-store",
      });
      const said = await answer.json();
      if (!answer.ok) { refuse(said.message || form.dataset.failed); return; }
      dialog.close();
      show(said.phone, said.seconds);
    } catch {
      refuse(form.dataset.failed);
    } finally {
      submit.disabled = false;
    }
  }

  button.addEventListener("click", () => {
    refuse("");
    reason.value = "";
    dialog.showModal();
  });
  form.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  window.addEventListener("pagehide", hide);
})();
