// The visitor's picture: choose, drop or paste a file, and draw the part that counts.
// value: {path} to the server, {preview, error} back from it; crop: [left, top, right, bottom] as fractions, or null.
const limit = Number("MAX_BYTES");
element.innerHTML = `
  <div class="drop" role="button" tabindex="0" aria-label="Your picture: choose, drop or paste a file">
    <input type="file" accept="image/*" hidden>
    <div class="empty"><b>Add a picture</b><span>drop, paste or choose one</span></div>
    <div class="stage" hidden><img alt="Your picture" draggable="false"><div class="box" hidden></div></div>
  </div>
  <div class="tools" hidden>
    <button type="button" data-do="crop" aria-pressed="false">Crop</button>
    <button type="button" data-do="whole" hidden>Whole picture</button>
    <span class="hint"></span>
    <button type="button" data-do="remove">Remove</button>
  </div>
  <p class="problem" role="alert" hidden></p>`;
const find = (selector) => element.querySelector(selector);
const [drop, input, stage, box, image] = [".drop", "input", ".stage", ".box", "img"].map(find);
let cropping = false;

function say(problem) {
  find(".problem").textContent = problem || "";
  find(".problem").hidden = !problem;
}

function set(value) {
  props.value = { path: null, preview: null, example: null, crop: null, error: null, ...value };
}

function show() {
  const { preview, crop, error } = props.value || {};
  if (preview && image.getAttribute("src") !== preview) image.src = preview;
  if (!preview) { image.removeAttribute("src"); cropping = false; }
  stage.hidden = !preview;
  find(".empty").hidden = Boolean(preview);
  find(".tools").hidden = !preview;
  element.classList.toggle("cropping", cropping);
  find("[data-do=crop]").setAttribute("aria-pressed", String(cropping));
  find("[data-do=whole]").hidden = !crop;
  find(".hint").textContent = cropping && !crop ? "draw a box on the picture" : "";
  box.hidden = !crop;
  if (crop) {
    const [left, top, right, bottom] = crop.map((edge) => edge * 100);
    Object.assign(box.style, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
  }
  drop.classList.remove("busy");
  say(error);
}

async function take(file) {
  if (!file) return;
  say("");
  if (file.size > limit) {
    say(`This file has ${(file.size / 2 ** 20).toFixed(1)} MB: at most ${limit / 2 ** 20} MB are taken.`);
    return;
  }
  drop.classList.add("busy");
  try {
    // A name of its own: two visitors may upload the same file at the same time.
    const name = `${Math.random().toString(36).slice(2)}-${Date.now()}`;
    const { path } = await upload(new File([file], name, { type: file.type }));
    if (!path) throw new Error("no path");
    set({ path });
    trigger("upload");
  } catch {
    drop.classList.remove("busy");
    say("The upload did not succeed: try again, or take a smaller picture.");
  }
}

drop.addEventListener("click", () => { if (!cropping && stage.hidden) input.click(); });
drop.addEventListener("keydown", (event) => { if (["Enter", " "].includes(event.key)) { event.preventDefault(); input.click(); } });
input.addEventListener("click", (event) => event.stopPropagation());
input.addEventListener("change", () => { take(input.files[0]); input.value = ""; });
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); });
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files || [])].find((each) => each.type.startsWith("image/"));
  if (file && element.isConnected) { event.preventDefault(); take(file); }
});

element.addEventListener("click", (event) => {
  const what = event.target.closest("[data-do]")?.dataset.do;
  if (what === "crop") { cropping = !cropping; show(); }
  if (what === "whole") { cropping = false; props.value = { ...props.value, crop: null }; show(); }
  if (what === "remove") { set({}); trigger("upload"); show(); }
});

let start = null;
const at = (event) => {
  const area = image.getBoundingClientRect();
  const part = (value) => Math.min(1, Math.max(0, value));
  return [part((event.clientX - area.left) / area.width), part((event.clientY - area.top) / area.height)];
};
stage.addEventListener("pointerdown", (event) => {
  if (!cropping) return;
  start = at(event);
  stage.setPointerCapture(event.pointerId);
});
stage.addEventListener("pointermove", (event) => {
  if (!start) return;
  const [x, y] = at(event);
  const crop = [Math.min(x, start[0]), Math.min(y, start[1]), Math.max(x, start[0]), Math.max(y, start[1])];
  if (crop[2] - crop[0] > 0.04 && crop[3] - crop[1] > 0.04) { props.value = { ...props.value, crop }; show(); }
});
for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { start = null; });

watch("value", show);
show();
