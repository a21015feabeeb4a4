"use strict";
// The initial pictures are in the page; the others are stored here until they are shown.
const pictures = JSON.parse(document.getElementById("pictures").textContent);
for (const image of document.querySelectorAll("img[data-key]")) {
  pictures[image.dataset.key] = image.src;
}

for (const viewer of document.querySelectorAll(".viewer")) {
  const data = JSON.parse(viewer.querySelector("script").textContent);
  const slider = viewer.querySelector("input[type=range]");
  const output = viewer.querySelector("output");
  const boxes = [...viewer.querySelectorAll("input[type=checkbox]")];
  const panes = [...viewer.querySelectorAll(".pane")];

  const show = () => {
    const index = slider ? Number(slider.value) : 0;
    const chosen = viewer.querySelector("input[type=radio]:checked");
    const base = data.bases[chosen ? Number(chosen.value) : 0];
    for (const pane of panes) {
      const plane = pane.dataset.plane;
      const picture = (layer) => pictures[layer[plane][plane === "xy" ? index : 0]];
      pane.querySelector(".base").src = picture(base);
      pane.querySelectorAll(".overlay").forEach((image, number) => {
        image.hidden = !boxes[number].checked;
        if (!image.hidden) image.src = picture(data.overlays[number]);
      });
      const mark = pane.querySelector(".mark");
      if (mark) mark.style[plane[0] === "z" ? "left" : "top"] = data.at[index] + "%";
    }
    if (output) output.textContent = data.slices[index];
  };
  viewer.addEventListener("input", show);
  show(); // a browser may restore the controls, but not the pictures
}

const unfold = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", unfold);
unfold();
addEventListener("beforeprint", () => {
  for (const step of document.querySelectorAll("details.step")) step.open = true;
});
