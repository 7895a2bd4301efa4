/* Uploading with scripts: a file can be dropped, one that is too large is told at once, and a changed choice
   shows without a click what the file says then. Without scripts the same forms do the same. */

const chooser = document.getElementById("choose-file");

if (chooser) {
  const input = document.getElementById("file");
  const wrong = document.getElementById("file-wrong");
  const most = Number(chooser.dataset.maxBytes);

  const check = () => {
    const file = input.files[0];
    const large = file && file.size > most;
    wrong.textContent = large
      ? `The file has ${(file.size / 1048576).toFixed(1)} MiB; at most ${most / 1048576} MiB can be uploaded.`
      : "";
    input.setAttribute("aria-invalid", String(Boolean(large)));
    chooser.querySelector("button").disabled = Boolean(large);
  };
  input.addEventListener("change", check);

  const mark = (on) => chooser.classList.toggle("file-drop", on);
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => { event.preventDefault(); mark(true); });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      check();
      input.focus();
    }
  });
}

let running = null;

// Typing goes on while the answer comes: only what is beside the field is renewed then.
function renewBeside(form, fresh, field) {
  for (const name of ["looked", "seen"]) form.elements[name].value = fresh.elements[name].value;
  const place = field.closest(".field");
  place.querySelector(".wrong")?.remove();
  const wrong = fresh.querySelector(`#${field.id}-wrong`);
  if (wrong) place.append(wrong);
  field.toggleAttribute("aria-invalid", false);
  if (wrong) field.setAttribute("aria-invalid", "true");
  document.getElementById("said").replaceWith(fresh.querySelector("#said"));
}

function renewAll(form, fresh) {
  const { id, name, value } = document.activeElement;
  const opened = document.getElementById("more").open;
  form.replaceChildren(...fresh.childNodes);
  document.getElementById("more").open ||= opened;
  const again = id ? document.getElementById(id) : name && form.querySelector(`[name="${name}"][value="${value}"]`);
  again?.focus({ preventScroll: true });
}

async function look(form, field) {
  running?.abort();
  running = new AbortController();
  document.getElementById("said").setAttribute("aria-busy", "true");
  const fields = new URLSearchParams(new FormData(form));
  fields.set("step", "look");
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, signal: running.signal });
    const text = await answer.text();
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("check");
    if (!fresh) {
      form.querySelector('button[value="look"]').click(); // whatever it is, the page itself tells it best
    } else if (field.type === "datetime-local") {
      renewBeside(form, fresh, field);
    } else {
      renewAll(form, fresh);
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

const form = document.getElementById("check");
if (form) {
  form.addEventListener("change", (event) => {
    const detail = event.target.closest(".detail");
    if (detail) {
      // Filling in what belongs to a choice makes that choice.
      detail.previousElementSibling.querySelector("input").checked = true;
    }
    look(form, event.target);
  });
}
