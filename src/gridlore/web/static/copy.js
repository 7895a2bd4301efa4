// Buttons that copy a text of their page: data-copy names the element that holds it.

for (const button of document.querySelectorAll("[data-copy]")) {
  const word = button.textContent;
  button.addEventListener("click", async () => {
    const holder = document.getElementById(button.dataset.copy);
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(holder.textContent);
    } catch {
      getSelection().selectAllChildren(holder); // without https there is no clipboard: select it
      done = "Selected";
    }
    button.textContent = done;
    setTimeout(() => { button.textContent = word; }, 2000);
  });
}
