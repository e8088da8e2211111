// The list of snapshots: only two of one kind can be compared, and which two says the button. Without this script the form
// works as well; the port then says what does not go together.

const form = document.getElementById("compare");
const go = document.getElementById("go");

function picked(name) {
  return form.querySelector(`input[name="${name}"]:checked`);
}

function judge() {
  const [after, before] = [picked("snapshot"), picked("base")];
  for (const input of form.querySelectorAll("input[type=radio]")) {
    const other = input.name === "base" ? after : before;
    const fits = !other || (other.dataset.kind === input.dataset.kind && other.value !== input.value);
    input.closest("td").classList.toggle("unfit", !fits);
  }
  const fit = after && before && after.dataset.kind === before.dataset.kind && after.value !== before.value;
  go.disabled = !fit;
  go.textContent = fit ? `compare ${before.value} with ${after.value}` : "pick two of one kind, an earlier and a later one";
}

if (form) {
  form.addEventListener("change", judge);
  judge();
}
