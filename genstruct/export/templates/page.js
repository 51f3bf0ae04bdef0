// A click on a picture shows it large; arrow keys go to the next and the previous, a click or Escape closes.
const dialog = document.querySelector("dialog");
const large = dialog.querySelector("img");
const note = dialog.querySelector("p");
const all = [...document.querySelectorAll("button img")];
let at = 0;

function show(number) {
  at = (number + all.length) % all.length;
  large.src = all[at].src;
  large.alt = all[at].alt;
  large.className = all[at].className;
  note.textContent = all[at].alt;
  if (!dialog.open) dialog.showModal();
}

all.forEach((image, number) => image.parentElement.addEventListener("click", () => show(number)));
dialog.addEventListener("click", () => dialog.close());
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") show(at + 1);
  if (event.key === "ArrowLeft") show(at - 1);
});
